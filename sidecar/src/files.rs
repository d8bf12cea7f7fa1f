//! A policy and its credentials as mounted files: what a sidecar starts from, with nobody to ask.
//!
//! ```text
//! DIR/policy.v1.json             the policy's document
//! DIR/NAMESPACE_SECRET_KEY       one credential's value each
//! ```

use std::io;
use std::path::{Path, PathBuf};

use outrigger_policy::{Document, ReadError};
use thiserror::Error;

use crate::secret::{Secret, Secrets};

/// The document's file, by the format that it has.
pub const POLICY: &str = "policy.v1.json";

/// Why the files are no policy.
#[derive(Debug, Error)]
pub enum FilesError {
    #[error("{path} cannot be read: {source}")]
    Read { path: PathBuf, source: io::Error },
    #[error("{path} can't be used: {source}")]
    Document { path: PathBuf, source: ReadError },
    #[error("{path}, line {line}, is no label: the downward API writes NAME=\"VALUE\"")]
    Label { path: PathBuf, line: usize },
}

/// Reads the document and the values of the credentials that it names. A credential without a file
/// has no value, and is skipped with that reason. `None`: there is no document (yet); files that
/// vanish mean nothing.
///
/// # Errors
/// [`FilesError`], when there is one that cannot be used.
pub fn read(dir: &Path) -> Result<Option<(Document, Secrets)>, FilesError> {
    let path = dir.join(POLICY);
    let text = match std::fs::read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(FilesError::Read { path, source }),
    };
    let document: Document = Document::read(&text).map_err(|source| FilesError::Document { path, source })?;
    let mut secrets = Secrets::new();
    for credential in document.providers.iter().flat_map(|provider| &provider.credentials) {
        let at = &credential.secret;
        let path = dir.join(at.file_name());
        match std::fs::read_to_string(&path) {
            Ok(value) => {
                secrets.insert(at.clone(), Secret::new(&value));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(source) => return Err(FilesError::Read { path, source }),
        }
    }
    Ok(Some((document, secrets)))
}

/// The labels of a pod, as the downward API writes them: `app="search"` a line, quoted as Go does.
///
/// # Errors
/// [`FilesError::Read`]; [`FilesError::Label`] names the line that is none.
pub fn labels(path: &Path) -> Result<Vec<(String, String)>, FilesError> {
    let text = std::fs::read_to_string(path).map_err(|source| FilesError::Read { path: path.to_owned(), source })?;
    let label = |line: &str| {
        let (name, value) = line.split_once('=')?;
        // A label's value has nothing that Go and JSON would write otherwise.
        Some((name.to_owned(), serde_json::from_str::<String>(value).ok()?))
    };
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines
        .map(|(at, line)| label(line).ok_or_else(|| FilesError::Label { path: path.to_owned(), line: at + 1 }))
        .collect()
}
