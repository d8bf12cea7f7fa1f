//! A snapshot of the policy in force, for the next process of the container: it can serve while the operator is away,
//! and never goes back to an older policy.
//!
//! ```text
//! DIR/held/policy.v1    the document, its digest and the credentials; mode 0600
//! ```
//! The folder is in memory and belongs to one pod. Each change writes a new file and renames it, so a revoked
//! credential is not in it any more.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use outrigger_core::SecretRef;
use outrigger_policy::{Document, ReadError, write_json};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use thiserror::Error;

use crate::config::source::{KnownSecret, KnownSecrets};
use crate::runtime::secret::Secret;

const FOLDER: &str = "held";
const FILE: &str = "policy.v1";
const NEXT: &str = "policy.v1.next";
/// The longest snapshot, in bytes. The old and the new file exist together for a moment, beside the accounts, in 8 MiB.
const MAX_BYTES: u64 = 2 << 20;

/// Why there is no snapshot.
#[derive(Debug, Error)]
pub enum SnapshotError {
    #[error("{}: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error("the policy and its credentials are larger than {} MiB together", MAX_BYTES >> 20)]
    TooLarge,
    /// Without the text, because it contains credentials.
    #[error("{} is not a snapshot that a gateway wrote", path.display())]
    Foreign { path: PathBuf },
    #[error("{}: {source}", path.display())]
    Document { path: PathBuf, source: ReadError },
}

/// The snapshot in a folder.
#[derive(Debug)]
pub struct Snapshot {
    dir: PathBuf,
}

#[derive(Serialize)]
struct WrittenSnapshot<'a> {
    digest: Option<&'a str>,
    credentials: Vec<SnapshotCredential>,
    document: &'a Document,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ReadSnapshot<'a> {
    #[serde(default)]
    digest: Option<String>,
    #[serde(default)]
    credentials: Vec<SnapshotCredential>,
    #[serde(borrow)]
    document: &'a RawValue,
}

#[derive(Serialize, Deserialize)]
struct SnapshotCredential {
    secret: SecretRef,
    /// Absent if the credential is withheld.
    value: Option<String>,
    streamed: bool,
}

impl Snapshot {
    /// The snapshot below a gateway's state folder.
    #[must_use]
    pub fn in_state_folder(state: &Path) -> Self {
        Snapshot { dir: state.join(FOLDER) }
    }

    /// The document of the previous process, its digest, and the credentials.
    ///
    /// # Errors
    /// [`SnapshotError`] if there is a snapshot and it cannot be used.
    pub fn read(&self) -> Result<Option<(Document, Option<String>, KnownSecrets)>, SnapshotError> {
        let path = self.dir.join(FILE);
        let failed = |source| SnapshotError::Io { path: path.clone(), source };
        match fs::metadata(&path) {
            Ok(found) if found.len() > MAX_BYTES => return Err(SnapshotError::TooLarge),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error)),
        }
        let bytes = fs::read(&path).map_err(failed)?;
        let ReadSnapshot { digest, credentials, document } =
            serde_json::from_slice(&bytes).map_err(|_| SnapshotError::Foreign { path: path.clone() })?;
        let document = Document::read(document.get().as_bytes())
            .map_err(|source| SnapshotError::Document { path: path.clone(), source })?;
        let known = |one: SnapshotCredential| {
            (one.secret, KnownSecret { value: one.value.as_deref().map(Secret::new), streamed: one.streamed })
        };
        Ok(Some((document, digest, credentials.into_iter().map(known).collect())))
    }

    /// Writes what is in force now. If that fails, it removes the old snapshot too: it must not restore a revoked
    /// credential.
    ///
    /// # Errors
    /// [`SnapshotError`].
    pub fn write(&self, document: &Document, digest: Option<&str>, values: &KnownSecrets) -> Result<(), SnapshotError> {
        let written = self.write_file(document, digest, values);
        if written.is_err() {
            for name in [NEXT, FILE] {
                // A file that does not exist is removed already.
                let _ = fs::remove_file(self.dir.join(name));
            }
        }
        written
    }

    fn write_file(
        &self,
        document: &Document,
        digest: Option<&str>,
        values: &KnownSecrets,
    ) -> Result<(), SnapshotError> {
        let failed = |source| SnapshotError::Io { path: self.dir.clone(), source };
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.dir).map_err(failed)?;
        let next = self.dir.join(NEXT);
        let credentials = values.iter().map(|(secret, known)| SnapshotCredential {
            secret: secret.clone(),
            value: known.value.as_ref().map(|value| value.expose().to_owned()),
            streamed: known.streamed,
        });
        let written = WrittenSnapshot { digest, credentials: credentials.collect(), document };
        // A file that a killed process left may have another mode.
        match fs::remove_file(&next) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&next).map_err(failed)?;
        let mut writer = Bounded { inner: BufWriter::new(file), left: MAX_BYTES };
        write_json(&written, &mut writer).and_then(|()| writer.flush().map_err(serde_json::Error::io)).map_err(
            |error| match writer.left {
                0 => SnapshotError::TooLarge,
                _ => failed(io::Error::other(error)),
            },
        )?;
        fs::rename(&next, self.dir.join(FILE)).map_err(failed)
    }
}

/// A writer of at most `left` bytes.
struct Bounded {
    inner: BufWriter<File>,
    left: u64,
}

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.left = self.left.saturating_sub(bytes.len() as u64);
        if self.left == 0 {
            return Err(io::Error::other("too large"));
        }
        self.inner.write_all(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use outrigger_policy::FORMAT;

    use super::*;

    fn at(name: &str) -> SecretRef {
        SecretRef::new("a", name, "k").unwrap()
    }

    fn values(size: usize) -> KnownSecrets {
        let known = |value: &str| KnownSecret { value: Some(Secret::new(value)), streamed: true };
        KnownSecrets::from([
            (at("one"), known(&"s".repeat(size))),
            (at("two"), KnownSecret { value: None, streamed: true }),
            (at("three"), KnownSecret { streamed: false, ..known("x") }),
        ])
    }

    fn document() -> Document {
        Document { format: FORMAT, sequence: 7, ..Document::default() }
    }

    #[test]
    fn reads_what_it_wrote_with_private_modes() {
        let dir = tempfile::tempdir().unwrap();
        let snapshot = Snapshot::in_state_folder(dir.path());
        assert!(snapshot.read().unwrap().is_none());
        snapshot.write(&document(), Some("d1"), &values(3)).unwrap();
        let (read, digest, known) = snapshot.read().unwrap().unwrap();
        assert_eq!((read, digest.as_deref(), known), (document(), Some("d1"), values(3)));
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&dir.path().join("held")), mode(&dir.path().join("held/policy.v1"))), (0o700, 0o600));
        assert_eq!(fs::read_dir(dir.path().join("held")).unwrap().count(), 1, "nothing is left beside it");
    }

    #[test]
    fn removes_the_old_snapshot_if_the_new_one_is_too_large() {
        let dir = tempfile::tempdir().unwrap();
        let snapshot = Snapshot::in_state_folder(dir.path());
        snapshot.write(&document(), None, &values(3)).unwrap();
        let error = snapshot.write(&document(), None, &values(3 << 20)).unwrap_err();
        assert!(matches!(error, SnapshotError::TooLarge), "{error}");
        assert!(snapshot.read().unwrap().is_none());
    }

    #[test]
    fn reports_damage_without_the_text_of_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let snapshot = Snapshot::in_state_folder(dir.path());
        snapshot.write(&document(), None, &values(3)).unwrap();
        let file = dir.path().join("held/policy.v1");
        fs::write(&file, r#"{"credentials":"sk-never-told"#).unwrap();
        let error = snapshot.read().unwrap_err().to_string();
        assert!(error.contains("not a snapshot that a gateway wrote") && !error.contains("sk-"), "{error}");
        fs::write(&file, r#"{"document":{"format":9,"sequence":1}}"#).unwrap();
        assert!(snapshot.read().unwrap_err().to_string().contains("format 9"));
    }
}
