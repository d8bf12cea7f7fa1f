//! The certificate that the listener shows, swapped while it serves.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use jiff::Timestamp;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::x509::{Pair, Unreadable};

/// Shows the newest; handshakes fail as long as there is none.
#[derive(Default)]
pub struct Served(ArcSwapOption<Shown>);

struct Shown {
    pair: Pair,
    certified: Arc<CertifiedKey>,
}

impl Served {
    /// From the next handshake on.
    ///
    /// # Errors
    /// [`Unreadable`]; the one before stays.
    pub(super) fn show(&self, pair: &Pair) -> Result<(), Unreadable> {
        if self.0.load().as_ref().is_some_and(|shown| shown.pair == *pair) {
            return Ok(());
        }
        let certified = Arc::new(pair.certified()?);
        self.0.store(Some(Arc::new(Shown { pair: pair.clone(), certified })));
        tracing::info!(
            fingerprint = pair.certificate.fingerprint,
            expires = %pair.certificate.not_after,
            "serving with this certificate"
        );
        Ok(())
    }

    /// When the certificate ends that is shown now.
    #[must_use]
    pub fn expires(&self) -> Option<Timestamp> {
        self.0.load().as_ref().map(|shown| shown.pair.certificate.not_after)
    }
}

impl ResolvesServerCert for Served {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.0.load().as_ref().map(|shown| Arc::clone(&shown.certified))
    }
}

impl fmt::Debug for Served {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Served").field("expires", &self.expires()).finish()
    }
}
