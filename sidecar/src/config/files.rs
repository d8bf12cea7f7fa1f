//! Reads a policy and its credentials from mounted files. A sidecar can start from them alone.
//!
//! ```text
//! DIR/policy.v1.json             the policy's document
//! DIR/policy.v1.sig              the operator's signatures of it, and of its authorities
//! DIR/NAMESPACE_SECRET_KEY       one credential's value each
//! DIR/credentials.v1.sig         the operator's signatures of those
//! ```
//! A gateway that knows the operator's key accepts only files with the operator's signature. Without a key, as when
//! started by hand, it accepts any files.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use outrigger_core::SecretRef;
use outrigger_policy::{Document, ReadError};
use outrigger_sync::{CREDENTIALS_FILE, MountedAt, SIGNATURES_FILE, Signatures, Statement, Trust, hash};
use thiserror::Error;

use crate::config::mounted::MountedFolder;
use crate::runtime::secret::{Secret, Secrets};

/// The file name of the document, with the version of its format.
pub const POLICY: &str = "policy.v1.json";

/// The longest document, in bytes: Kubernetes mounts at most 1 MiB; files written by hand may be longer.
const MAX_DOCUMENT: u64 = 16 << 20;
/// The longest credential or signature file, in bytes: no Secret or ConfigMap can be longer.
const MAX_FILE: u64 = 1 << 20;

/// Why the files contain no usable policy.
#[derive(Debug, Error)]
pub enum FilesError {
    #[error("{path} cannot be read: {source}")]
    Read { path: PathBuf, source: io::Error },
    #[error("{path} cannot be used: {source}")]
    Document { path: PathBuf, source: ReadError },
    #[error("{path} is not the file that the operator wrote{}", explain(.place, *.missing))]
    Unsigned { path: PathBuf, place: MountedAt, missing: bool },
    #[error("{path}, line {line}, is not a label: the downward API writes NAME=\"VALUE\"")]
    Label { path: PathBuf, line: usize },
}

/// Explains a missing or invalid signature: who may have changed the file, and what to do.
fn explain(MountedAt { namespace, name }: &MountedAt, missing: bool) -> String {
    let what = match missing {
        true => format!("{SIGNATURES_FILE} is missing in its folder"),
        false => "it does not match its signature".to_owned(),
    };
    format!(
        ": {what}. Somebody with the right to write ConfigMaps or Secrets in namespace {namespace} has changed {name}, or replaced it with one of another or of an older operator; `kubectl get configmap,secret {name} -n {namespace} --show-managed-fields -o yaml` \
         shows who. The operator will write it again"
    )
}

/// The content of a mounted folder.
#[derive(Debug)]
pub struct MountedPolicy {
    pub document: Document,
    pub secrets: Secrets,
    /// The operator has signed the document.
    pub signed: bool,
}

/// Reads the document and the values of the credentials that it names. A credential without a file has no value, and is
/// skipped for that reason. `None`: there is no document (yet). Files that disappear change nothing.
///
/// # Errors
/// [`FilesError`] if there is a document and it cannot be used.
pub fn read(dir: &Path, trust: Option<&Trust>) -> Result<Option<MountedPolicy>, FilesError> {
    let path = dir.join(POLICY);
    let failed = |name: &str| {
        let path = dir.join(name);
        move |source| FilesError::Read { path, source }
    };
    let folder = match MountedFolder::open(dir) {
        Ok(folder) => folder,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(FilesError::Read { path, source }),
    };
    let Some(text) = folder.read(POLICY, MAX_DOCUMENT).map_err(failed(POLICY))? else { return Ok(None) };
    if let Some(trust) = trust {
        let signatures = folder.read(SIGNATURES_FILE, MAX_FILE).map_err(failed(SIGNATURES_FILE))?;
        if !is_signed(trust, &Statement::Policy(&hash(&text)), signatures.as_deref(), |all| all.policy) {
            return Err(FilesError::Unsigned { path, place: trust.mount.clone(), missing: signatures.is_none() });
        }
    }
    let document: Document = Document::read(&text).map_err(|source| FilesError::Document { path, source })?;
    let signed: BTreeMap<String, Vec<String>> = match trust {
        Some(_) => {
            let signatures = folder.read(CREDENTIALS_FILE, MAX_FILE).map_err(failed(CREDENTIALS_FILE))?;
            signatures.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
        }
        None => BTreeMap::new(),
    };
    let mut secrets = Secrets::new();
    for at in document.secrets() {
        let name = at.file_name();
        let Some(value) = folder.read(&name, MAX_FILE).map_err(failed(&name))? else { continue };
        if let Some(trust) = trust
            && !is_bound(trust, &document, at, &value, signed.get(&name))
        {
            let MountedAt { namespace, name: object } = &trust.mount;
            tracing::warn!(
                credential = %at,
                "the mounted value has no valid signature for this policy, and is not used: Secret {namespace}/{object} was changed, or belongs to another version of the policy"
            );
            continue;
        }
        let value =
            String::from_utf8(value).map_err(|_| io::Error::other("it is not UTF-8 text")).map_err(failed(&name))?;
        secrets.insert(at.clone(), Secret::new(&value));
    }
    Ok(Some(MountedPolicy { document, secrets, signed: trust.is_some() }))
}

/// Verifies that the operator has signed the file of the authorities.
///
/// # Errors
/// [`FilesError`] if it has not.
pub(crate) fn verify_authorities(
    folder: &MountedFolder,
    path: &Path,
    pem: &[u8],
    trust: &Trust,
) -> Result<(), FilesError> {
    let signatures = folder
        .read(SIGNATURES_FILE, MAX_FILE)
        .map_err(|source| FilesError::Read { path: path.with_file_name(SIGNATURES_FILE), source })?;
    match is_signed(trust, &Statement::Authorities(&hash(pem)), signatures.as_deref(), |all| all.authorities) {
        true => Ok(()),
        false => Err(FilesError::Unsigned {
            path: path.to_owned(),
            place: trust.mount.clone(),
            missing: signatures.is_none(),
        }),
    }
}

fn is_signed(
    trust: &Trust,
    statement: &Statement<'_>,
    signatures: Option<&[u8]>,
    of: impl Fn(Signatures) -> Vec<String>,
) -> bool {
    let all = signatures.and_then(|bytes| serde_json::from_slice::<Signatures>(bytes).ok());
    all.is_some_and(|all| trust.verifies(statement, &of(all)))
}

fn is_bound(
    trust: &Trust,
    document: &Document,
    at: &SecretRef,
    value: &[u8],
    signatures: Option<&Vec<String>>,
) -> bool {
    let (file, goes) = (at.file_name(), document.destination(at));
    signatures.is_some_and(|all| trust.verifies(&Statement::Credential { file: &file, goes: &goes, value }, all))
}

/// Reads the labels of a pod, as the downward API writes them: one `app="search"` on each line, quoted as in Go.
///
/// # Errors
/// [`FilesError::Read`]; [`FilesError::Label`] names the line that is no label.
pub fn labels(path: &Path) -> Result<Vec<(String, String)>, FilesError> {
    let text = std::fs::read_to_string(path).map_err(|source| FilesError::Read { path: path.to_owned(), source })?;
    let label = |line: &str| {
        let (name, value) = line.split_once('=')?;
        // Label values contain no characters that Go and JSON quote in different ways.
        Some((name.to_owned(), serde_json::from_str::<String>(value).ok()?))
    };
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines
        .map(|(at, line)| label(line).ok_or_else(|| FilesError::Label { path: path.to_owned(), line: at + 1 }))
        .collect()
}
