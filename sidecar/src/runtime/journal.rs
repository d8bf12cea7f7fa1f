//! The accounts' file: fixed slots, written in place.
//!
//! ```text
//! DIR/lock        held by the process whose accounts these are, whether or not anything is limited
//! DIR/accounts    slot 0: what it is, and how many slots there are; then a slot for each account
//! ```
//! The file is created together with its first slot, so an empty file is damaged.
//!
//! A write is complete when the operating system has it: the writes of a killed process are there for the next one. If
//! the machine itself fails, it is only as safe as the file system's own write-back.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use outrigger_ledger::{Book, Damaged, SLOT, UnreadablePage, empty_file, holder_state, records};
use thiserror::Error;

use crate::duration::millis;

const LOCK: &str = "lock";
const ACCOUNTS: &str = "accounts";
/// A new file of accounts that is being created.
const BEGUN: &str = "accounts.new";

/// Why the accounts can't be stored.
#[derive(Debug, Error)]
pub enum JournalError {
    #[error("the accounts in {} are another process's at this time: stop it, or give this one a folder of its own with --state", dir.display())]
    Taken { dir: PathBuf },
    #[error(
        "the accounts in {} can't be opened: {source}; --state names another folder, which must be one that this process may \
         write to",
        dir.display()
    )]
    Open { dir: PathBuf, source: io::Error },
    #[error("{}: {source}; to begin with no account at all, move the file away", path.display())]
    Damaged { path: PathBuf, source: Damaged },
    #[error("{}: {source}; to begin with no account at all, move the file away", path.display())]
    Unreadable { path: PathBuf, source: UnreadablePage },
    #[error("the accounts can't be written down: {source}")]
    Write { source: io::Error },
}

/// A folder that belongs to this process.
#[derive(Debug)]
pub struct JournalFolder {
    dir: PathBuf,
    /// Held until it is closed.
    _lock: File,
}

/// An open file of accounts.
#[derive(Debug)]
pub struct Journal {
    file: File,
    /// The remaining writes after a failed one.
    left: BTreeMap<u32, [u8; SLOT]>,
}

impl JournalFolder {
    /// Takes a folder, and creates it if necessary.
    ///
    /// # Errors
    /// [`JournalError::Taken`], or [`JournalError::Open`] if it can't be written.
    pub fn take(dir: &Path) -> Result<Self, JournalError> {
        let failed = |source| JournalError::Open { dir: dir.to_owned(), source };
        fs::create_dir_all(dir).map_err(failed)?;
        let lock = options().open(dir.join(LOCK)).map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => Ok(JournalFolder { dir: dir.to_owned(), _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(JournalError::Taken { dir: dir.to_owned() }),
            Err(TryLockError::Error(source)) => Err(failed(source)),
        }
    }

    /// Opens its accounts, or creates them, and reads them into a book.
    ///
    /// # Errors
    /// [`JournalError`].
    pub fn accounts(&self, book: &mut Book) -> Result<Journal, JournalError> {
        let failed = |source| JournalError::Open { dir: self.dir.clone(), source };
        let path = self.dir.join(ACCOUNTS);
        // A dangling link refers to a file that exists elsewhere and is unavailable now.
        if fs::symlink_metadata(&path).is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
            let begun = self.dir.join(BEGUN);
            options().open(&begun).and_then(|file| file.write_all_at(&empty_file(), 0)).map_err(failed)?;
            fs::rename(&begun, &path).map_err(failed)?;
        }
        let file = options().create(false).open(&path).map_err(failed)?;
        let bytes = fs::read(&path).map_err(failed)?;
        let unreadable = |source| JournalError::Unreadable { path: path.clone(), source };
        let (found, holder) = (records(&bytes).map_err(unreadable)?, holder_state(&bytes).map_err(unreadable)?);
        let now = millis(SystemTime::now());
        let restored = book.restore(found, now);
        // A budget must never grant money that was already spent: continuing requires an explicit decision.
        if let Some(source) = restored.damaged.first() {
            return Err(JournalError::Damaged { path, source: *source });
        }
        book.restore_holder(holder, now);
        if restored.ahead > 0 {
            let accounts = restored.ahead;
            tracing::warn!(accounts, "accounts were used at a time that is yet to come: the clock is wrong, or was");
        }
        if restored.in_flight > 0 {
            tracing::info!(
                accounts = restored.in_flight,
                "what was under way when the last process ended is charged in full"
            );
        }
        Ok(Journal { file, left: BTreeMap::new() })
    }
}

/// Other users must not read what is spent.
fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    options
}

impl Journal {
    /// Writes the changes.
    ///
    /// # Errors
    /// [`JournalError::Write`]; the next call repeats what could not be written.
    pub fn write(&mut self, book: &mut Book) -> Result<(), JournalError> {
        if self.left.is_empty() {
            let mut failed = None;
            let (file, left) = (&self.file, &mut self.left);
            book.write_runs(|first, pages| {
                if failed.is_none() {
                    failed = file.write_all_at(pages, place(first)).err();
                }
                if failed.is_some() {
                    left.extend((first..).zip(pages.as_chunks().0.iter().copied()));
                }
            });
            return failed.map_or(Ok(()), |source| Err(JournalError::Write { source }));
        }
        book.writes(|slot, page| {
            self.left.insert(slot, *page);
        });
        // The header last, because it counts the others.
        while let Some(slot) = self.left.range(1..).next().or(self.left.first_key_value()).map(|(slot, _)| *slot) {
            if let Some(page) = self.left.get(&slot) {
                self.file.write_all_at(page, place(slot)).map_err(|source| JournalError::Write { source })?;
            }
            self.left.remove(&slot);
        }
        Ok(())
    }
}

#[cfg(test)]
impl Journal {
    /// Puts another file in place of the journal's own, which is returned.
    pub fn swap(&mut self, file: File) -> File {
        std::mem::replace(&mut self.file, file)
    }
}

fn place(slot: u32) -> u64 {
    u64::from(slot) * SLOT as u64
}
