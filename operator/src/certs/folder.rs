//! Certificates of somebody else's making: three files, followed.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use thiserror::Error;

use super::bundle::Bundle;
use super::x509::{Certificate, Pair, Unreadable};

/// Why the folder's certificate is not used.
#[derive(Debug, Error)]
pub enum FolderError {
    #[error("{}: {why}", .path.display())]
    File { path: PathBuf, why: String },
    #[error("{}: {why}", .path.display())]
    Pair { path: PathBuf, why: Unreadable },
}

/// The certificate and its authorities. Reads files; a kubelet replaces them all at once.
///
/// # Errors
/// [`FolderError`].
pub fn read(folder: &Path, names: &[String]) -> Result<(Pair, Bundle), FolderError> {
    let text = |name: &str| {
        let path = folder.join(name);
        std::fs::read_to_string(&path).map_err(|error| FolderError::File { path, why: error.to_string() })
    };
    let pair = Pair::read(&text("tls.crt")?, &text("tls.key")?).map_err(at(folder, "tls.crt"))?;
    let ca = text("ca.crt")?;
    let authority = Certificate::read(&ca).map_err(at(folder, "ca.crt"))?;
    if let Err(error) = pair.certificate.vouches(names, &authority, Timestamp::now()) {
        // Not ours to judge for certain: there may be an intermediate, or several authorities.
        tracing::warn!(%error, folder = %folder.display(), "clients may not trust the certificate");
    }
    Ok((pair, Bundle::of(ca)))
}

fn at(folder: &Path, name: &str) -> impl Fn(Unreadable) -> FolderError {
    let path = folder.join(name);
    move |why| FolderError::Pair { path: path.clone(), why }
}
