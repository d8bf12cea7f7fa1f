//! What the operator's TLS listener is trusted by: an authority of its own, and a certificate under it, renewed without a
//! gap and without help.
//!
//! ```text
//! Secret ──read──► Held ──next(now, names, spread)──► Step ──take──► Held ──written──► Secret      (pure but for the ends)
//!                    │
//!                    ├─► Served: what the listener shows, swapped while it serves
//!                    └─► Bundle: the authorities, into `caBundle` of the webhooks and every policy's ConfigMap
//! ```
//!
//! A certificate is renewed under the same authority, which touches no bundle. A new authority is first told to all who
//! must trust it, and only then signs: a day after it stands in every bundle, or as soon as every live gateway says it has
//! it. Every step is one write of one Secret, and what comes next is read from it alone; so it does not matter where a
//! replica is killed, nor which of them goes on. The steps: [`rotation::CertificateStep`].
//!
//! With a folder of somebody else's making (cert-manager), its files are followed and nothing is written.

mod bundle;
mod current;
mod folder;
mod issue;
mod renewal;
mod rotation;
mod store;
mod stored;
#[cfg(test)]
mod tests;
mod webhooks;
mod x509;

pub use bundle::{CaBundle, fingerprints};
pub use current::ServedCertificate;
pub use renewal::{ServingCertificates, Spread};
pub use rotation::{CertificateStep, next, take};
pub use stored::StoredCertificates;
