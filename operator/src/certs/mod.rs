//! The certificate of the operator's TLS listener: an authority of its own and a certificate under it, renewed without a gap
//! and without help.
//!
//! ```text
//! Secret ─read─► StoredCertificates ─next(now, names, spread)─► CertificateStep ─take─► StoredCertificates ─► Secret
//!                    │                                               (pure but for the reads and writes)
//!                    ├─► ServedCertificate: what the listener serves, replaced while it runs
//!                    └─► CaBundle: the authorities, into `caBundle` of the webhooks and every policy's ConfigMap
//! ```
//!
//! A certificate is renewed under the same authority, which changes no bundle. A new authority is first added to the bundles
//! and signs only afterwards: a day after every bundle has it, or as soon as every live gateway reports that it has it. Each
//! step is one write of one Secret, and the next step follows from that Secret alone. So a replica can be killed anywhere, and
//! any replica can go on. [`rotation::CertificateStep`] lists the steps.
//!
//! With a folder of certificates (cert-manager), the operator follows the files and writes nothing.

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
pub use rotation::{CertificateStep, next, perform};
pub use stored::StoredCertificates;
