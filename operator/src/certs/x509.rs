//! A certificate and its key, read from PEM.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use thiserror::Error;

use super::bundle::fingerprint;

/// Why a certificate or its key is invalid. Never shows a key.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CertificateError {
    #[error("it holds no certificate in PEM")]
    NoCertificate,
    #[error("its certificate can't be read")]
    Certificate,
    #[error("it holds no private key in PEM")]
    NoKey,
    #[error("its key is not the certificate's, or of a kind that is not supported")]
    Mismatch,
    #[error("its certificate is not valid for `{0}` under its authority: {1}")]
    Unverified(String, String),
}

/// A certificate, without its key.
#[derive(Clone, PartialEq, Eq)]
pub struct Certificate {
    pub pem: String,
    pub der: CertificateDer<'static>,
    pub not_before: Timestamp,
    pub not_after: Timestamp,
    /// SHA-256 of the DER, lower-case hex.
    pub fingerprint: String,
}

impl Certificate {
    /// Parses the first certificate in the PEM.
    ///
    /// # Errors
    /// [`CertificateError`].
    pub fn read(pem: &str) -> Result<Self, CertificateError> {
        let der = CertificateDer::from_pem_slice(pem.as_bytes()).map_err(|_| CertificateError::NoCertificate)?;
        let (_, parsed) = x509_parser::parse_x509_certificate(&der).map_err(|_| CertificateError::Certificate)?;
        let second = |time: x509_parser::time::ASN1Time| {
            Timestamp::from_second(time.timestamp()).map_err(|_| CertificateError::Certificate)
        };
        let (not_before, not_after) = (second(parsed.validity.not_before)?, second(parsed.validity.not_after)?);
        let (fingerprint, der) = (fingerprint(&der), der.into_owned());
        Ok(Certificate { pem: pem.to_owned(), der, not_before, not_after, fingerprint })
    }

    #[must_use]
    pub fn is_valid_at(&self, now: Timestamp) -> bool {
        self.not_before <= now && now < self.not_after
    }

    /// Checks that clients that trust only `authority` would accept this certificate for each name.
    ///
    /// # Errors
    /// [`CertificateError::Unverified`], with the first name that they would refuse.
    pub fn verify_for(
        &self,
        names: &[String],
        authority: &Certificate,
        now: Timestamp,
    ) -> Result<(), CertificateError> {
        let refused =
            |name: &String, why: &dyn fmt::Display| CertificateError::Unverified(name.clone(), why.to_string());
        let none = String::new();
        let first = names.first().unwrap_or(&none);
        let mut roots = rustls::RootCertStore::empty();
        roots.add(authority.der.clone()).map_err(|error| refused(first, &error))?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
            .build()
            .map_err(|error| refused(first, &error))?;
        let seconds = u64::try_from(now.as_second()).unwrap_or(0);
        let now = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
        names.iter().try_for_each(|name| {
            let server = ServerName::try_from(name.as_str()).map_err(|error| refused(name, &error))?;
            let verified = verifier.verify_server_cert(&self.der, &[], &server, &[], now);
            verified.map(|_| ()).map_err(|error| refused(name, &error))
        })
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate")
            .field("fingerprint", &self.fingerprint)
            .field("not_before", &self.not_before)
            .field("not_after", &self.not_after)
            .finish_non_exhaustive()
    }
}

/// A certificate with its private key.
#[derive(Clone, PartialEq, Eq)]
pub struct CertificatePair {
    pub certificate: Certificate,
    key: String,
}

impl CertificatePair {
    /// # Errors
    /// [`CertificateError`].
    pub fn read(certificate: &str, key: &str) -> Result<Self, CertificateError> {
        let pair = CertificatePair { certificate: Certificate::read(certificate)?, key: key.to_owned() };
        pair.certified().map(|_| pair)
    }

    /// The certificate for the listener, with every certificate in the PEM. The key belongs to the first.
    ///
    /// # Errors
    /// [`CertificateError`].
    pub fn certified(&self) -> Result<CertifiedKey, CertificateError> {
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(self.certificate.pem.as_bytes()).collect();
        let chain = chain.map_err(|_| CertificateError::Certificate)?;
        let key = PrivateKeyDer::from_pem_slice(self.key.as_bytes()).map_err(|_| CertificateError::NoKey)?;
        let provider = rustls::crypto::ring::default_provider();
        CertifiedKey::from_der(chain, key, &provider).map_err(|_| CertificateError::Mismatch)
    }

    /// The key, for signing and for the Secret.
    pub(super) fn key(&self) -> &str {
        &self.key
    }
}

/// Does not show the key.
impl fmt::Debug for CertificatePair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CertificatePair").field(&self.certificate).finish()
    }
}
