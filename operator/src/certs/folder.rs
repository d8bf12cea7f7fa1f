//! Certificates from a folder, for example cert-manager's: three files, reloaded when they change.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use outrigger_compile::{Certificates, NoCertificates};
use thiserror::Error;

use super::bundle::CaBundle;
use super::x509::{Certificate, CertificateError, CertificatePair};

/// Why the folder's certificate cannot be used.
#[derive(Debug, Error)]
pub enum CertificateFolderError {
    #[error("{}: {why}", .path.display())]
    File { path: PathBuf, why: String },
    #[error("{}: {why}", .path.display())]
    Pair { path: PathBuf, why: CertificateError },
    #[error("{}: it has {why}", .path.display())]
    Authorities { path: PathBuf, why: NoCertificates },
}

/// Reads the certificate and its authorities. The kubelet replaces the files all at once.
///
/// # Errors
/// [`CertificateFolderError`].
pub fn read(folder: &Path, names: &[String]) -> Result<(CertificatePair, CaBundle), CertificateFolderError> {
    let text = |name: &str| {
        let path = folder.join(name);
        std::fs::read_to_string(&path).map_err(|error| CertificateFolderError::File { path, why: error.to_string() })
    };
    let pair = CertificatePair::read(&text("tls.crt")?, &text("tls.key")?).map_err(at(folder, "tls.crt"))?;
    let ca = text("ca.crt")?;
    let authority = Certificate::read(&ca).map_err(at(folder, "ca.crt"))?;
    if let Err(error) = pair.certificate.verify_for(names, &authority, Timestamp::now()) {
        // Only a warning: there may be an intermediate certificate or several authorities.
        tracing::warn!(%error, folder = %folder.display(), "clients may not trust the certificate");
    }
    // Only certificates are taken from the file, because they are published in ConfigMaps.
    let ca = Certificates::of(&ca)
        .map_err(|why| CertificateFolderError::Authorities { path: folder.join("ca.crt"), why })?;
    if ca.has_private_key {
        tracing::warn!(folder = %folder.display(), "ca.crt has a private key in it, which is not used: remove it");
    }
    Ok((pair, CaBundle::of(ca.pem)))
}

fn at(folder: &Path, name: &str) -> impl Fn(CertificateError) -> CertificateFolderError {
    let path = folder.join(name);
    move |why| CertificateFolderError::Pair { path: path.clone(), why }
}

#[cfg(test)]
mod tests {
    use super::super::rotation::{CertificateStep, perform};
    use super::super::stored::StoredCertificates;
    use super::*;

    #[test]
    fn three_files_are_read_and_errors_name_the_invalid_one() {
        let names = vec!["outrigger.test".to_owned()];
        let data =
            perform(CertificateStep::Begin, &StoredCertificates::default(), Timestamp::now(), &names).unwrap().write();
        let folder = tempfile::tempdir().unwrap();
        let put = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).unwrap();
        let outcome = || read(folder.path(), &names).map(|_| ()).map_err(|error| error.to_string());
        let ends = |end: &str| outcome().is_err_and(|error| error.ends_with(end));
        assert!(outcome().is_err_and(|error| error.contains("tls.crt: ")));
        for name in ["tls.crt", "tls.key", "ca.crt"] {
            put(name, &data[name]);
        }
        let (pair, bundle) = read(folder.path(), &names).unwrap();
        assert_eq!(bundle.pem.as_bytes(), data["ca.crt"]);
        assert!(pair.certified().is_ok());
        put("tls.key", &data["authority.key"]);
        assert!(ends("tls.crt: its key is not the certificate's, or of a kind that is not supported"));
        put("tls.key", b"");
        assert!(ends("tls.crt: it holds no private key in PEM"));
        put("tls.key", &data["tls.key"]);
        put("ca.crt", b"");
        assert!(ends("ca.crt: it holds no certificate in PEM"));
    }
}
