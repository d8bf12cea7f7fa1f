//! The certificate that the listener serves. It can be replaced while the listener runs.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use jiff::Timestamp;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::x509::{CertificateError, CertificatePair};

/// Shows the newest; handshakes fail as long as there is none.
#[derive(Default)]
pub struct ServedCertificate(ArcSwapOption<CurrentCertificate>);

struct CurrentCertificate {
    pair: CertificatePair,
    certified: Arc<CertifiedKey>,
}

impl ServedCertificate {
    /// From the next handshake on.
    ///
    /// # Errors
    /// [`CertificateError`]; the one before stays.
    pub(super) fn show(&self, pair: &CertificatePair) -> Result<(), CertificateError> {
        if self.0.load().as_ref().is_some_and(|shown| shown.pair == *pair) {
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

    /// When the certificate ends that is shown now.
    #[must_use]
    pub fn expires(&self) -> Option<Timestamp> {
        self.0.load().as_ref().map(|shown| shown.pair.certificate.not_after)
    }
}

impl ResolvesServerCert for ServedCertificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.0.load().as_ref().map(|shown| Arc::clone(&shown.certified))
    }
}

impl fmt::Debug for ServedCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServedCertificate").field("expires", &self.expires()).finish()
    }
}
