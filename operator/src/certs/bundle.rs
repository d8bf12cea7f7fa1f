//! The authorities by which clients verify the operator's certificate.

use std::fmt::Write;

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use sha2::{Digest, Sha256};

/// What goes into `caBundle`, and as `ca.crt` into every policy's ConfigMap.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CaBundle {
    pub pem: String,
    /// Of each authority in it, as gateways report them: SHA-256 of the DER, lower-case hex.
    pub fingerprints: Vec<String>,
}

impl CaBundle {
    #[must_use]
    pub fn of(pem: String) -> Self {
        let fingerprints = fingerprints(&pem);
        CaBundle { pem, fingerprints }
    }
}

/// Of every certificate in the PEM; what is none is passed over.
#[must_use]
pub fn fingerprints(pem: &str) -> Vec<String> {
    CertificateDer::pem_slice_iter(pem.as_bytes()).flatten().map(|der| fingerprint(&der)).collect()
}

pub(super) fn fingerprint(der: &[u8]) -> String {
    Sha256::digest(der).iter().fold(String::with_capacity(64), |mut hex, byte| {
        // A String takes whatever is written to it.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}
