//! The book behind the lock, and its pages on disk.

use std::collections::BTreeMap;
use std::path::PathBuf;

use outrigger_core::Millis;
use outrigger_ledger::{Book, LimitNo};

use crate::runtime::journal::{Journal, JournalError, JournalFolder};

/// The book, and where its pages are.
#[derive(Debug)]
pub(super) struct Books {
    pub(super) book: Book,
    /// The folder for the accounts. Absent: the accounts end with the process.
    pub(super) dir: Option<PathBuf>,
    /// That folder, from the first policy on.
    pub(super) folder: Option<JournalFolder>,
    /// Open from the first limit on.
    pub(super) pages: Option<Journal>,
    /// Whether a warning was logged that the accounts end with the process.
    pub(super) warned: bool,
    /// The ledger has answered since the process was asked to end.
    pub(super) is_answered: bool,
    /// How often each limit has passed requests since the ledger was lost.
    pub(super) failed_open: BTreeMap<LimitNo, u64>,
}

impl Books {
    pub(super) fn new(dir: Option<PathBuf>) -> Self {
        Books {
            book: Book::new(),
            dir,
            folder: None,
            pages: None,
            warned: false,
            is_answered: false,
            failed_open: BTreeMap::new(),
        }
    }

    /// Takes the folder, and opens its accounts if anything is `limited`.
    pub(super) fn open(&mut self, limited: bool, steady: Millis) -> Result<(), JournalError> {
        let Some(dir) = &self.dir else {
            if limited && !std::mem::replace(&mut self.warned, true) {
                tracing::warn!(
                    "what is spent is counted in memory alone: when this process ends, every budget and limit begins \
                     anew. Name a folder to keep it in with --state DIR; `outrigger run` finds one by itself where \
                     XDG_STATE_HOME or HOME is set"
                );
            }
            return Ok(());
        };
        if self.folder.is_none() {
            match JournalFolder::take(dir) {
                Ok(folder) => self.folder = Some(folder),
                // Nothing has to be stored yet.
                Err(JournalError::Open { dir, source }) if !limited => {
                    let dir = dir.display();
                    tracing::warn!(
                        %dir,
                        %source,
                        "the folder for accounts can't be used: no policy with limits can be served. Name another one with \
                         --state DIR"
                    );
                }
                Err(error) => return Err(error),
            }
        }
        if let (Some(folder), None, true) = (&self.folder, &self.pages, limited) {
            // Into a separate book: an unreadable file must not leave half of its content behind.
            let mut book = Book::new();
            book.move_steadily(steady);
            self.pages = Some(folder.accounts(&mut book)?);
            self.book = book;
        }
        Ok(())
    }

    pub(super) fn write(&mut self) -> Result<(), JournalError> {
        match &mut self.pages {
            Some(pages) => pages.write(&mut self.book),
            // They are not written, so they must not accumulate.
            None => {
                self.book.writes(|_, _| {});
                Ok(())
            }
        }
    }
}
