//! The content of the Secret with the certificates.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::bundle::CaBundle;
use super::x509::{Certificate, CertificatePair};

/// All authorities and certificates. One that is missing or cannot be parsed is `None`, and is created again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoredCertificates {
    /// The authority that signs.
    pub authority: Option<CertificatePair>,
    /// The authority that signs next, once every client trusts it.
    pub next: Option<CertificatePair>,
    /// Since when every bundle has the next authority.
    pub since: Option<Timestamp>,
    /// The authority that signed before. Its key is deleted.
    pub retired: Option<Certificate>,
    /// The certificate that the listener serves.
    pub leaf: Option<CertificatePair>,
}

impl StoredCertificates {
    /// Parses the Secret's data.
    #[must_use]
    pub fn read(data: &BTreeMap<String, Vec<u8>>) -> Self {
        let text = |name: &str| data.get(name).and_then(|bytes| std::str::from_utf8(bytes).ok());
        let warn = |name: &str, error| tracing::warn!(%error, key = name, "replacing an invalid part of the certificates' Secret");
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

    /// Encodes the Secret's data.
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
        // Never read by the operator. It is for people, and for tools that want to trust the operator.
        put("ca.crt".to_owned(), &self.bundle().pem);
        data
    }

    /// Every authority that may have signed the listener's certificate, now or soon.
    #[must_use]
    pub fn bundle(&self) -> CaBundle {
        let pairs = [&self.authority, &self.next].into_iter().flatten().map(|pair| &pair.certificate);
        let pems = pairs.chain(&self.retired).map(|certificate| certificate.pem.trim_end());
        CaBundle::of(pems.fold(String::new(), |pem, one| pem + one + "\n"))
    }
}
