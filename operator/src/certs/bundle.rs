//! The authorities with which clients verify the operator's certificate.

use std::fmt::Write;

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use sha2::{Digest, Sha256};

/// The authorities, as they go into `caBundle` and as `ca.crt` into every policy's ConfigMap.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CaBundle {
    pub pem: String,
    /// The SHA-256 of the DER of each authority in lower-case hex, as gateways report it.
    pub fingerprints: Vec<String>,
}

impl CaBundle {
    #[must_use]
    pub fn of(pem: String) -> Self {
        let fingerprints = fingerprints(&pem);
        CaBundle { pem, fingerprints }
    }
}

/// The fingerprint of every certificate in the PEM. Other content is ignored.
#[must_use]
pub fn fingerprints(pem: &str) -> Vec<String> {
    CertificateDer::pem_slice_iter(pem.as_bytes()).flatten().map(|der| fingerprint(&der)).collect()
}

pub(super) fn fingerprint(der: &[u8]) -> String {
    Sha256::digest(der).iter().fold(String::with_capacity(64), |mut hex, byte| {
        // Writing to a String cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}
