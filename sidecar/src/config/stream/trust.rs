//! The authorities that the operator's certificate must be signed by. Their file changes with the operator's CA.

use std::fmt::Write;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use outrigger_sync::{PROTOCOL, Trust};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use sha2::{Digest, Sha256};

use super::StreamEnded;
use crate::config::files::verify_authorities;
use crate::config::mounted::MountedFolder;
use crate::upstream::TlsError;

/// The longest file, in bytes: two authorities during a rotation, and some room.
const MAX_FILE: u64 = 256 << 10;

/// The certificates of a file.
#[derive(Debug)]
pub(super) struct Authorities {
    certificates: Vec<CertificateDer<'static>>,
}

impl Authorities {
    /// Reads a file. With `trust`, the operator must have signed it.
    pub(super) fn read(path: &Path, trust: Option<&Trust>) -> Result<Self, StreamEnded> {
        let failed = |source| StreamEnded::Authorities { path: path.to_owned(), source };
        let unreadable = |error: io::Error| match error.kind() {
            io::ErrorKind::NotFound => StreamEnded::NoAuthorities { path: path.to_owned() },
            _ => failed(TlsError::Pem(error.to_string())),
        };
        let pem = match trust {
            None => contents(path, MAX_FILE).map_err(unreadable)?,
            Some(trust) => {
                let folder = MountedFolder::open(path.parent().unwrap_or(Path::new("."))).map_err(unreadable)?;
                let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
                let pem = folder.read(name, MAX_FILE).map_err(unreadable)?;
                let pem = pem.ok_or_else(|| StreamEnded::NoAuthorities { path: path.to_owned() })?;
                verify_authorities(&folder, path, &pem, trust).map_err(StreamEnded::Files)?;
                pem
            }
        };
        let certificates = CertificateDer::pem_slice_iter(&pem)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| failed(TlsError::Pem(error.to_string())))?;
        match certificates.is_empty() {
            true => Err(failed(TlsError::Empty)),
            false => Ok(Authorities { certificates }),
        }
    }

    /// The SHA-256 of each certificate, in lower-case hexadecimal.
    pub(super) fn fingerprints(&self) -> Vec<String> {
        self.certificates.iter().map(|certificate| hex(&Sha256::digest(certificate))).collect()
    }

    pub(super) fn config(self) -> Result<Arc<ClientConfig>, TlsError> {
        let mut roots = RootCertStore::empty();
        for certificate in self.certificates {
            roots.add(certificate)?;
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![PROTOCOL.into(), b"h2".to_vec()];
        Ok(Arc::new(config))
    }
}

/// Reads a file up to a size. A longer one is cut, and then is not valid any more.
pub(super) fn contents(path: &Path, max_bytes: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(max_bytes).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
