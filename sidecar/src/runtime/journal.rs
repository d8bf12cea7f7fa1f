//! The accounts' file: fixed slots, written in place.
//!
//! ```text
//! DIR/lock        held by the process whose accounts these are, whether or not anything is limited
//! DIR/accounts    slot 0: what it is, and how many slots there are; then a slot for each account
//! ```
//! The file comes into being with its first slot in it, so one that is empty was damaged.
//!
//! A write is done when the system has it: what a killed process has written is there for the next one. Against the loss
//! of the machine itself it is only as safe as the file system's own writing back.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use outrigger_ledger::{Book, Damaged, SLOT, UnreadablePage, empty_file, holder_state, records};
use thiserror::Error;

use crate::runtime::accounts::millis;

const LOCK: &str = "lock";
const ACCOUNTS: &str = "accounts";
/// A file of accounts that is being made.
const BEGUN: &str = "accounts.new";

/// Why the accounts can't be kept.
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

/// A folder that this process has for itself.
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
    /// What a write that failed has left, for the next one.
    left: BTreeMap<u32, [u8; SLOT]>,
}

impl JournalFolder {
    /// Takes a folder, and makes it where there is none.
    ///
    /// # Errors
    /// [`JournalError::Taken`], or [`JournalError::Open`] where it can't be written.
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

    /// Opens its accounts, or begins them, and reads them into a book.
    ///
    /// # Errors
    /// [`JournalError`].
    pub fn accounts(&self, book: &mut Book) -> Result<Journal, JournalError> {
        let failed = |source| JournalError::Open { dir: self.dir.clone(), source };
        let path = self.dir.join(ACCOUNTS);
        // A link that leads nowhere is a file that is elsewhere, and not there now.
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
        // Free money is what a budget must never give: nobody goes on without saying so.
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

/// What somebody spends is nobody else's to read.
fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    options
}

impl Journal {
    /// Writes what has changed.
    ///
    /// # Errors
    /// [`JournalError::Write`]; what could not be written goes with the next call.
    pub fn write(&mut self, book: &mut Book) -> Result<(), JournalError> {
        if self.left.is_empty() {
            let mut failed = None;
            let (file, left) = (&self.file, &mut self.left);
            book.writes(|slot, page| {
                if failed.is_none() {
                    failed = file.write_all_at(page, place(slot)).err();
                }
                if failed.is_some() {
                    left.insert(slot, *page);
                }
            });
            return failed.map_or(Ok(()), |source| Err(JournalError::Write { source }));
        }
        book.writes(|slot, page| {
            self.left.insert(slot, *page);
        });
        // The header last: it counts the others.
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
    /// Another file in the place of the own one, which is given back.
    pub fn swap(&mut self, file: File) -> File {
        std::mem::replace(&mut self.file, file)
    }
}

fn place(slot: u32) -> u64 {
    u64::from(slot) * SLOT as u64
}
