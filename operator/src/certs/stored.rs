//! The content of the Secret with the certificates.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::bundle::CaBundle;
use super::x509::{Certificate, CertificatePair};

/// All that is known of authorities and certificates. What is missing or can't be read is `None`, and made anew.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoredCertificates {
    /// Signs.
    pub authority: Option<CertificatePair>,
    /// Will sign, once all who must trust it have been told.
    pub next: Option<CertificatePair>,
    /// Since when every bundle has it.
    pub since: Option<Timestamp>,
    /// Signed before; its key is gone.
    pub retired: Option<Certificate>,
    /// What the listener shows.
    pub leaf: Option<CertificatePair>,
}

impl StoredCertificates {
    /// From the Secret's data.
    #[must_use]
    pub fn read(data: &BTreeMap<String, Vec<u8>>) -> Self {
        let text = |name: &str| data.get(name).and_then(|bytes| std::str::from_utf8(bytes).ok());
        let warn =
            |name: &str, error| tracing::warn!(%error, key = name, "replacing an invalid part of the certificates' Secret");
        let pair = |name: &str| {
            let (certificate, key) = (text(&format!("{name}.crt"))?, text(&format!("{name}.key"))?);
            CertificatePair::read(certificate, key).map_err(|error| warn(name, error)).ok()
        };
        StoredCertificates {
            authority: pair("authority"),
            next: pair("next"),
            since: text("next.since").and_then(|since| since.trim().parse().ok()),
            retired: text("retired.crt").and_then(|pem| Certificate::read(pem).ok()),
            leaf: pair("tls"),
        }
    }

    /// The Secret's data.
    #[must_use]
    pub fn write(&self) -> BTreeMap<String, Vec<u8>> {
        let StoredCertificates { authority, next, since, retired, leaf } = self;
        let mut data = BTreeMap::new();
        let mut put = |name: String, text: &str| data.insert(name, text.as_bytes().to_vec());
        for (name, pair) in [("authority", authority), ("next", next), ("tls", leaf)] {
            if let Some(pair) = pair {
                put(format!("{name}.crt"), &pair.certificate.pem);
                put(format!("{name}.key"), pair.key());
            }
        }
        if let Some(since) = since {
            put("next.since".to_owned(), &since.to_string());
        }
        if let Some(retired) = retired {
            put("retired.crt".to_owned(), &retired.pem);
        }
        // Not read back: for people, and for tools that want to trust the operator.
        put("ca.crt".to_owned(), &self.bundle().pem);
        data
    }

    /// Every authority that the listener's certificate may be under, now or soon.
    #[must_use]
    pub fn bundle(&self) -> CaBundle {
        let pairs = [&self.authority, &self.next].into_iter().flatten().map(|pair| &pair.certificate);
        let pems = pairs.chain(&self.retired).map(|certificate| certificate.pem.trim_end());
        CaBundle::of(pems.fold(String::new(), |pem, one| pem + one + "\n"))
    }
}
