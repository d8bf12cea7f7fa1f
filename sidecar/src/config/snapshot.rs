//! What is in force, put by for the process after this one: it serves with the operator gone, and nothing older than
//! what was in force.
//!
//! ```text
//! DIR/held/policy.v1    the document, what the operator calls it, and the credentials; for this user alone
//! ```
//! The folder lies in memory and belongs to one pod. It is written anew at each change and put in place whole, so that
//! a credential which is forgotten is not found there any more.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use outrigger_core::SecretRef;
use outrigger_policy::{Document, ReadError};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use thiserror::Error;

use crate::config::source::{KnownSecret, Values};
use crate::runtime::secret::Secret;

const FOLDER: &str = "held";
const FILE: &str = "policy.v1";
const NEXT: &str = "policy.v1.next";
/// The old and the new one lie there together for a moment, beside the accounts, in 8 MiB.
const MOST: u64 = 2 << 20;

/// Why nothing is held.
#[derive(Debug, Error)]
pub enum SnapshotError {
    #[error("{}: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error("policy and credentials are over {} MiB together", MOST >> 20)]
    TooLarge,
    /// Never with the text: it has credentials in it.
    #[error("{} is not what a gateway writes", path.display())]
    Foreign { path: PathBuf },
    #[error("{}: {source}", path.display())]
    Document { path: PathBuf, source: ReadError },
}

/// A folder's.
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
    /// Absent: it was withheld.
    value: Option<String>,
    streamed: bool,
}

impl Snapshot {
    /// Below the folder in which a gateway keeps what it must not forget.
    #[must_use]
    pub fn within(state: &Path) -> Self {
        Snapshot { dir: state.join(FOLDER) }
    }

    /// What the process before this one had, with what the operator calls it.
    ///
    /// # Errors
    /// [`SnapshotError`]: something is there and can't be used.
    pub fn read(&self) -> Result<Option<(Document, Option<String>, Values)>, SnapshotError> {
        let path = self.dir.join(FILE);
        let failed = |source| SnapshotError::Io { path: path.clone(), source };
        match fs::metadata(&path) {
            Ok(found) if found.len() > MOST => return Err(SnapshotError::TooLarge),
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

    /// Puts by what is in force now. What can't be put by leaves nothing there: it must not bring back what is forgotten.
    ///
    /// # Errors
    /// [`SnapshotError`].
    pub fn write(&self, document: &Document, digest: Option<&str>, values: &Values) -> Result<(), SnapshotError> {
        let written = self.put(document, digest, values);
        if written.is_err() {
            for name in [NEXT, FILE] {
                // That it was not there is as good.
                let _ = fs::remove_file(self.dir.join(name));
            }
        }
        written
    }

    fn put(&self, document: &Document, digest: Option<&str>, values: &Values) -> Result<(), SnapshotError> {
        let failed = |source| SnapshotError::Io { path: self.dir.clone(), source };
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.dir).map_err(failed)?;
        let next = self.dir.join(NEXT);
        let credentials = values.iter().map(|(secret, known)| SnapshotCredential {
            secret: secret.clone(),
            value: known.value.as_ref().map(|value| value.expose().to_owned()),
            streamed: known.streamed,
        });
        let written = WrittenSnapshot { digest, credentials: credentials.collect(), document };
        // One that a killed process left has whatever mode it has.
        match fs::remove_file(&next) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&next).map_err(failed)?;
        let mut to = Bounded { to: BufWriter::new(file), left: MOST };
        serde_json::to_writer(&mut to, &written).and_then(|()| to.flush().map_err(serde_json::Error::io)).map_err(
            |error| match to.left {
                0 => SnapshotError::TooLarge,
                _ => failed(io::Error::other(error)),
            },
        )?;
        fs::rename(&next, self.dir.join(FILE)).map_err(failed)
    }
}

/// So much and no more.
struct Bounded {
    to: BufWriter<File>,
    left: u64,
}

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.left = self.left.saturating_sub(bytes.len() as u64);
        if self.left == 0 {
            return Err(io::Error::other("too large"));
        }
        self.to.write_all(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
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

    fn values(size: usize) -> Values {
        let known = |value: &str| KnownSecret { value: Some(Secret::new(value)), streamed: true };
        Values::from([
            (at("one"), known(&"s".repeat(size))),
            (at("two"), KnownSecret { value: None, streamed: true }),
            (at("three"), KnownSecret { streamed: false, ..known("x") }),
        ])
    }

    fn document() -> Document {
        Document { format: FORMAT, sequence: 7, ..Document::default() }
    }

    #[test]
    fn what_is_put_by_comes_back_and_is_nobody_else_s() {
        let dir = tempfile::tempdir().unwrap();
        let held = Snapshot::within(dir.path());
        assert!(held.read().unwrap().is_none());
        held.write(&document(), Some("d1"), &values(3)).unwrap();
        let (read, digest, known) = held.read().unwrap().unwrap();
        assert_eq!((read, digest.as_deref(), known), (document(), Some("d1"), values(3)));
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&dir.path().join("held")), mode(&dir.path().join("held/policy.v1"))), (0o700, 0o600));
        assert_eq!(fs::read_dir(dir.path().join("held")).unwrap().count(), 1, "nothing is left beside it");
    }

    #[test]
    fn what_has_no_room_leaves_nothing_behind() {
        let dir = tempfile::tempdir().unwrap();
        let held = Snapshot::within(dir.path());
        held.write(&document(), None, &values(3)).unwrap();
        let error = held.write(&document(), None, &values(3 << 20)).unwrap_err();
        assert!(matches!(error, SnapshotError::TooLarge), "{error}");
        assert!(held.read().unwrap().is_none());
    }

    #[test]
    fn what_is_damaged_is_told_without_its_text() {
        let dir = tempfile::tempdir().unwrap();
        let held = Snapshot::within(dir.path());
        held.write(&document(), None, &values(3)).unwrap();
        let file = dir.path().join("held/policy.v1");
        fs::write(&file, r#"{"credentials":"sk-never-told"#).unwrap();
        let told = held.read().unwrap_err().to_string();
        assert!(told.contains("not what a gateway writes") && !told.contains("sk-"), "{told}");
        fs::write(&file, r#"{"document":{"format":9,"sequence":1}}"#).unwrap();
        assert!(held.read().unwrap_err().to_string().contains("format 9"));
    }
}
