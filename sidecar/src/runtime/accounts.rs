//! What is spent and reserved of every active limit: the ledger's book, its pages on disk, and waiting requests.
//!
//! The lock is held only while counting and writing a page, and never across an await. A page is written before its
//! request is sent, so a killed process has charged its requests in progress.

mod books;
mod hold;
mod ledger;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use outrigger_core::Millis;
use outrigger_ledger::session::{SessionRefused, SessionWant};
use outrigger_ledger::shared::holder::Due;
use outrigger_ledger::{Book, Granter, LimitNo, LimitSpec, Refused, Reservation, Settled, State};
use parking_lot::{Mutex, MutexGuard};
use thiserror::Error;
use tokio::sync::Notify;
use tokio::sync::futures::Notified;
use tokio::time::Instant;

use crate::runtime::journal::JournalError;
use crate::runtime::sessions::SessionUse;
use books::Books;
pub use hold::{LedgerHold, Turn};

/// Why nothing was reserved.
#[derive(Debug, Error)]
pub enum NotHeld {
    /// A limit has no room.
    #[error("a limit stands in the way")]
    Refused(Refused),
    /// A limit of the request's session does.
    #[error("a limit of the session stands in the way")]
    Session(SessionRefused),
    /// Without its page a charge could be forgotten.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

impl From<SessionRefused> for NotHeld {
    fn from(refused: SessionRefused) -> Self {
        NotHeld::Session(refused)
    }
}

/// All accounts of a gateway.
#[derive(Debug)]
pub struct Accounts {
    books: Mutex<Books>,
    /// Something was returned, spent or granted.
    freed: Notify,
    /// A report to the ledger is due immediately.
    report_due: Notify,
    /// Whether the ledger grants any limit, or must settle something of one.
    shared: AtomicBool,
    /// The start of the monotonic clock: periods of the ledger end by it, and it reveals jumps of the wall clock.
    begun: Instant,
}

impl Accounts {
    /// Accounts that are stored in a folder, which belongs to this process from the first policy on; or accounts that
    /// end with the process.
    #[must_use]
    pub fn new(dir: Option<PathBuf>) -> Self {
        let (freed, report_due, shared) = (Notify::new(), Notify::new(), AtomicBool::new(false));
        Accounts { books: Mutex::new(Books::new(dir)), freed, report_due, shared, begun: Instant::now() }
    }

    /// The limits of a policy that is about to be active, each found by its name.
    ///
    /// # Errors
    /// [`JournalError`]: another process has the folder, its content is damaged, or it can't be written.
    pub fn adopt(&self, limits: &[LimitSpec], by: Granter, now: Millis) -> Result<Vec<LimitNo>, JournalError> {
        let (mut books, steady) = (self.lock(), self.steadily());
        books.open(!limits.is_empty(), steady)?;
        books.book.move_steadily(steady);
        let numbers = books.book.adopt_from(by, limits, now);
        if let Err(error) = books.write() {
            // The previous policy continues, with its own amounts.
            books.book.take_back();
            return Err(error);
        }
        self.changed(books);
        // Another limit may have room for waiting requests.
        self.freed.notify_waiters();
        Ok(numbers)
    }

    /// Reserves amounts, all or none.
    ///
    /// # Errors
    /// [`NotHeld`].
    #[cfg(test)]
    pub fn hold(self: &Arc<Self>, now: Millis, wants: &[(LimitNo, u64)]) -> Result<LedgerHold, NotHeld> {
        self.reserve(|book| book.reserve(now, wants))
    }

    fn reserve(
        self: &Arc<Self>,
        reserve: impl FnOnce(&mut Book) -> Result<Reservation, Refused>,
    ) -> Result<LedgerHold, NotHeld> {
        let mut books = self.lock();
        let reserved = reserve(&mut books.book);
        let written = reserved.as_ref().map_or(Ok(()), |_| books.write());
        let held = match (reserved, written) {
            (Err(refused), _) => Err(NotHeld::Refused(refused)),
            (Ok(reservation), Err(error)) => {
                books.book.settle(reservation, &[]);
                Err(error.into())
            }
            (Ok(reservation), Ok(())) => {
                let mut first_to_fail_open = false;
                for limit in reservation.failed_open() {
                    let passed = books.failed_open.entry(*limit).or_default();
                    *passed += 1;
                    first_to_fail_open |= *passed == 1;
                }
                let reservation = Some(reservation);
                Ok(LedgerHold { accounts: Arc::clone(self), reservation, session: None, first_to_fail_open })
            }
        };
        self.changed(books);
        held
    }

    /// Reserves amounts in the book and in the request's session, all or none, for a request that waits its turn if others
    /// hold what it wants. Amounts of a session are not written to the journal.
    ///
    /// # Errors
    /// [`NotHeld`].
    pub fn hold_in_turn(
        self: &Arc<Self>,
        now: Millis,
        wants: &[(LimitNo, u64)],
        session: Option<(&SessionUse, Vec<SessionWant>)>,
        turn: &mut Turn<'_>,
    ) -> Result<LedgerHold, NotHeld> {
        let mut in_book = || match wants.is_empty() {
            true => Ok(LedgerHold {
                accounts: Arc::clone(self),
                reservation: None,
                session: None,
                first_to_fail_open: false,
            }),
            false => self.reserve(|book| book.reserve_in_turn(now, wants, &mut turn.place)),
        };
        let Some((session, of_session)) = session else { return in_book() };
        let (of_session, mut held) = session.hold(of_session, in_book)?;
        held.session = Some(of_session);
        Ok(held)
    }

    /// Ready when a reservation is returned. Create it before checking whether there is room.
    pub fn freed(&self) -> Notified<'_> {
        self.freed.notified()
    }

    #[must_use]
    pub fn state(&self, limit: LimitNo, now: Millis) -> State {
        self.lock().book.state(limit, now)
    }

    /// What is spent in the current window, relative to the amount that policies allow.
    #[must_use]
    pub fn used(&self, limit: LimitNo, now: Millis) -> u64 {
        self.lock().book.used_of_policy(limit, now)
    }

    /// The state of accounts, each of a limit in the period with this start: what is spent, when the period began, and the
    /// age of the information about other gateways.
    #[must_use]
    pub fn accounts_of(
        &self,
        accounts: impl Iterator<Item = (LimitNo, Millis)>,
        now: Millis,
    ) -> Vec<(u64, Option<Millis>, Duration)> {
        let books = self.lock();
        let account = |(limit, start)| {
            let (spent, start) = books.book.account(limit, start, now);
            (spent, start, books.book.age(limit))
        };
        accounts.map(account).collect()
    }

    /// What is neither spent nor reserved, in the tightest of some limits; `None` if there is none.
    #[must_use]
    pub fn least_available(&self, limits: impl Iterator<Item = LimitNo>, now: Millis) -> Option<u64> {
        let books = self.lock();
        limits.map(|limit| books.book.available(limit, now)).min()
    }

    fn settle(&self, reservation: Reservation, actual: &[(LimitNo, u64)]) -> Settled {
        let mut books = self.lock();
        let settled = books.book.settle(reservation, actual);
        // Until it can be written, the page shows more than was spent, never less.
        if let Err(error) = books.write() {
            tracing::error!(%error, "what was spent can't be written down; it is written with the next request");
        }
        self.changed(books);
        self.freed.notify_waiters();
        settled
    }

    fn lock(&self) -> MutexGuard<'_, Books> {
        let mut books = self.books.lock();
        books.book.move_steadily(self.steadily());
        books
    }

    fn steadily(&self) -> Millis {
        Millis::try_from(self.begun.elapsed().as_millis()).unwrap_or(Millis::MAX)
    }

    /// Releases the books, and notifies if a report to the ledger is due immediately.
    fn changed(&self, books: MutexGuard<'_, Books>) {
        let due = books.book.due();
        drop(books);
        let shared = due > Due::Never;
        if self.shared.swap(shared, Ordering::AcqRel) != shared || due == Due::Now {
            self.report_due.notify_one();
        }
    }
}

#[cfg(test)]
impl Accounts {
    /// Writes the pages to another file.
    pub fn write_to(&self, file: std::fs::File) {
        self.lock().pages.as_mut().map(|pages| pages.swap(file)).unwrap();
    }
}
