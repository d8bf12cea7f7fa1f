//! What is spent and set aside, of every limit in force: the ledger's book, its pages on disk, and those who wait.
//!
//! A lock is held for as long as it takes to count and to write a page, and never across an await. A page is written
//! before the request that it speaks of leaves, so that a process which is killed has charged what was under way.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use outrigger_ledger::{Book, LimitNo, LimitSpec, Millis, Refused, Reservation, State};
use thiserror::Error;
use tokio::sync::Notify;
use tokio::sync::futures::Notified;

use crate::pages::{Pages, PagesError};

/// Why nothing was set aside.
#[derive(Debug, Error)]
pub enum NotHeld {
    /// A limit stands in the way.
    #[error("a limit stands in the way")]
    Refused(Refused),
    /// Without its page a charge could be forgotten.
    #[error(transparent)]
    Pages(#[from] PagesError),
}

/// All accounts of a gateway.
#[derive(Debug)]
pub struct Accounts {
    books: Mutex<Books>,
    /// Something that was set aside came back, or was spent.
    freed: Notify,
}

#[derive(Debug)]
struct Books {
    book: Book,
    /// Where they are kept. Absent: what is spent is forgotten with the process.
    dir: Option<PathBuf>,
    /// Open from the first limit on.
    pages: Option<Pages>,
}

impl Accounts {
    /// Accounts that are kept in a folder, which this process has for itself from the first limit on; or that end with
    /// the process.
    #[must_use]
    pub fn new(dir: Option<PathBuf>) -> Self {
        Accounts { books: Mutex::new(Books { book: Book::new(), dir, pages: None }), freed: Notify::new() }
    }

    /// The limits of a policy that is about to be in force, each found again by its name.
    ///
    /// # Errors
    /// [`PagesError`]: another process has the folder, what lies there is damaged, or it can't be written.
    pub fn adopt(&self, limits: &[LimitSpec], now: Millis) -> Result<Vec<LimitNo>, PagesError> {
        let mut books = self.lock();
        if !limits.is_empty() {
            books.open()?;
        }
        let numbers = books.book.adopt(limits, now);
        books.write()?;
        drop(books);
        // Another limit may have room for those who wait.
        self.freed.notify_waiters();
        Ok(numbers)
    }

    /// Sets amounts aside, all or none.
    ///
    /// # Errors
    /// [`NotHeld`].
    pub fn hold(self: &Arc<Self>, now: Millis, wants: &[(LimitNo, u64)]) -> Result<Held, NotHeld> {
        let mut books = self.lock();
        let reservation = books.book.reserve(now, wants).map_err(NotHeld::Refused)?;
        if let Err(error) = books.write() {
            books.book.settle(reservation, &[]);
            return Err(error.into());
        }
        Ok(Held { accounts: Arc::clone(self), reservation: Some(reservation) })
    }

    /// Ready when something comes back that was set aside. To be made before it is looked whether there is room.
    pub fn freed(&self) -> Notified<'_> {
        self.freed.notified()
    }

    #[must_use]
    pub fn state(&self, limit: LimitNo, now: Millis) -> State {
        self.lock().book.state(limit, now)
    }

    /// What is neither spent nor set aside.
    #[must_use]
    pub fn available(&self, limit: LimitNo, now: Millis) -> u64 {
        self.lock().book.available(limit, now)
    }

    fn settle(&self, reservation: Reservation, actual: &[(LimitNo, u64)]) {
        let mut books = self.lock();
        books.book.settle(reservation, actual);
        // Until it can be written, the page says more than was spent, never less.
        if let Err(error) = books.write() {
            tracing::error!(%error, "what was spent can't be written down; it is written with the next request");
        }
        drop(books);
        self.freed.notify_waiters();
    }

    fn lock(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Books {
    fn open(&mut self) -> Result<(), PagesError> {
        if let (Some(dir), None) = (&self.dir, &self.pages) {
            // Into a book of its own: one that can't be read must not leave half of it behind.
            let mut book = Book::new();
            self.pages = Some(Pages::open(dir, &mut book)?);
            self.book = book;
        }
        Ok(())
    }

    fn write(&mut self) -> Result<(), PagesError> {
        match &mut self.pages {
            Some(pages) => pages.write(&mut self.book),
            // Nobody reads them: they must not pile up.
            None => {
                self.book.writes(|_, _| {});
                Ok(())
            }
        }
    }
}

/// What is set aside for one attempt. Settled once; dropped without that, it is charged in full, because nobody can say
/// that less was used.
#[derive(Debug)]
pub struct Held {
    accounts: Arc<Accounts>,
    reservation: Option<Reservation>,
}

impl Held {
    /// Charges what was used; of a limit that is not named, nothing.
    pub fn settle(mut self, actual: &[(LimitNo, u64)]) {
        if let Some(reservation) = self.reservation.take() {
            self.accounts.settle(reservation, actual);
        }
    }

    /// Gives everything back: nothing left.
    pub fn give_back(self) {
        self.settle(&[]);
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(reservation) = self.reservation.take() {
            let amounts: Vec<(LimitNo, u64)> = reservation.amounts().collect();
            self.accounts.settle(reservation, &amounts);
        }
    }
}

/// The clock's time, as accounts have it.
#[must_use]
pub fn millis(time: SystemTime) -> Millis {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| Millis::try_from(since.as_millis()).unwrap_or(Millis::MAX))
}
