//! The certificate that the listener serves. It can be replaced while the listener runs.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use jiff::Timestamp;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::x509::{CertificateError, CertificatePair};

/// Serves the newest certificate. Handshakes fail while there is none.
#[derive(Default)]
pub struct ServedCertificate(ArcSwapOption<CurrentCertificate>);

struct CurrentCertificate {
    pair: CertificatePair,
    certified: Arc<CertifiedKey>,
}

impl ServedCertificate {
    /// Serves another certificate from the next handshake on.
    ///
    /// # Errors
    /// [`CertificateError`]. The previous certificate stays.
    pub(super) fn serve(&self, pair: &CertificatePair) -> Result<(), CertificateError> {
        if self.0.load().as_ref().is_some_and(|served| served.pair == *pair) {
            return Ok(());
        }
        let certified = Arc::new(pair.certified()?);
        self.0.store(Some(Arc::new(CurrentCertificate { pair: pair.clone(), certified })));
        tracing::info!(
            fingerprint = pair.certificate.fingerprint,
            expires = %pair.certificate.not_after,
            "serving with this certificate"
        );
        Ok(())
    }

    /// The end of the served certificate's validity.
    #[must_use]
    pub fn expires(&self) -> Option<Timestamp> {
        self.0.load().as_ref().map(|served| served.pair.certificate.not_after)
    }
}

impl ResolvesServerCert for ServedCertificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.0.load().as_ref().map(|served| Arc::clone(&served.certified))
    }
}

impl fmt::Debug for ServedCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServedCertificate").field("expires", &self.expires()).finish()
    }
}
