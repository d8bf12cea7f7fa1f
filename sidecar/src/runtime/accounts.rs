//! What is spent and reserved of every active limit: the ledger's book, its pages on disk, and waiting requests.
//!
//! The lock is held only while counting and writing a page, and never across an await. A page is written before its
//! request is sent, so a killed process has charged its requests in progress.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use outrigger_core::Millis;
use outrigger_ledger::protocol::{Grants, UsageReport};
use outrigger_ledger::session::{SessionLimit, SessionRefused, SessionWant};
use outrigger_ledger::shared::holder::{Due, HeldState, MessageOutcome};
use outrigger_ledger::{Book, Granter, LimitNo, LimitSpec, Refused, Reservation, Settled, State, WaitingPlace};
use parking_lot::{Mutex, MutexGuard};
use thiserror::Error;
use tokio::sync::Notify;
use tokio::sync::futures::Notified;
use tokio::time::Instant;

use crate::runtime::journal::{Journal, JournalError, JournalFolder};
use crate::runtime::sessions::{SessionHold, SessionUse};

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

#[derive(Debug)]
struct Books {
    book: Book,
    /// The folder for the accounts. Absent: the accounts end with the process.
    dir: Option<PathBuf>,
    /// That folder, from the first policy on.
    folder: Option<JournalFolder>,
    /// Open from the first limit on.
    pages: Option<Journal>,
    /// Whether a warning was logged that the accounts end with the process.
    warned: bool,
    /// The ledger has answered since the process was asked to end.
    is_answered: bool,
    /// How often each limit has passed requests since the ledger was lost.
    failed_open: BTreeMap<LimitNo, u64>,
}

impl Accounts {
    /// Accounts that are stored in a folder, which belongs to this process from the first policy on; or accounts that
    /// end with the process.
    #[must_use]
    pub fn new(dir: Option<PathBuf>) -> Self {
        let books = Books {
            book: Book::new(),
            dir,
            folder: None,
            pages: None,
            warned: false,
            is_answered: false,
            failed_open: BTreeMap::new(),
        };
        let (freed, report_due, shared) = (Notify::new(), Notify::new(), AtomicBool::new(false));
        Accounts { books: Mutex::new(books), freed, report_due, shared, begun: Instant::now() }
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
        let told = |(limit, start)| {
            let (spent, start) = books.book.account(limit, start, now);
            (spent, start, books.book.age(limit))
        };
        accounts.map(told).collect()
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

/// The connection to the ledger.
impl Accounts {
    /// Ready when a report is due immediately, and when reports start or stop being needed at all.
    pub async fn report_due(&self) {
        self.report_due.notified().await;
    }

    /// When the next report is due.
    #[must_use]
    pub fn due(&self) -> Due {
        self.lock().book.due()
    }

    /// A new stream is open: reports on the previous one may be lost.
    pub fn connected(&self) {
        let mut books = self.lock();
        books.book.connected();
        self.changed(books);
    }

    /// The next report; `None` if nothing is shared. It is stored first: a later process must not know less than the
    /// ledger.
    ///
    /// # Errors
    /// [`JournalError`].
    pub fn report(&self) -> Result<Option<UsageReport>, JournalError> {
        let mut books = self.lock();
        let report = books.book.report();
        books.write()?;
        Ok(report)
    }

    /// Applies the ledger's message, and returns its effect on each limit.
    pub fn take(&self, grants: &Grants, now: Millis) -> (MessageOutcome, Settled) {
        let mut books = self.lock();
        books.is_answered = true;
        let taken = books.book.take(grants, now);
        // Neither a reservation nor a report may rely on anything that is not stored.
        if let Err(error) = books.write() {
            tracing::error!(%error, "what the ledger granted can't be written down; it is written with the next request");
        }
        self.changed(books);
        self.freed.notify_waiters();
        taken
    }

    /// How often each limit has passed a request without a grant since the ledger was lost, once it has answered again.
    pub fn recovered(&self) -> BTreeMap<LimitNo, u64> {
        let mut books = self.lock();
        match books.book.is_lost() {
            true => BTreeMap::new(),
            false => std::mem::take(&mut books.failed_open),
        }
    }

    /// Returns everything that is left, and waits until the ledger has confirmed that: until then at most, and for
    /// `silence` if it does not answer at all.
    pub async fn close(&self, until: Instant, silence: Duration) {
        let silent_until = until.min(Instant::now() + silence);
        {
            let mut books = self.lock();
            books.book.close();
            books.is_answered = false;
            if books.book.is_closed() {
                return;
            }
            self.changed(books);
        }
        let closed = async {
            loop {
                let freed = self.freed();
                tokio::pin!(freed);
                freed.as_mut().enable();
                if self.lock().book.is_closed() {
                    return;
                }
                freed.await;
            }
        };
        let closed = async {
            tokio::pin!(closed);
            match tokio::time::timeout_at(silent_until, closed.as_mut()).await {
                Err(_) if self.lock().is_answered => tokio::time::timeout_at(until, closed).await.is_ok(),
                outcome => outcome.is_ok(),
            }
        };
        if !closed.await {
            for HeldState { limit, counters, .. } in self.lock().book.unconfirmed() {
                let (limit, spent) = (limit.limit, counters.spent);
                tracing::warn!(
                    limit,
                    spent,
                    "the ledger has not confirmed what was spent and returned: it keeps all that was granted"
                );
            }
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

impl Books {
    /// Takes the folder, and opens its accounts if anything is `limited`.
    fn open(&mut self, limited: bool, steady: Millis) -> Result<(), JournalError> {
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

    fn write(&mut self) -> Result<(), JournalError> {
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

/// The place of a request among those that wait for the same limit, while it waits. When dropped, the next one has its turn.
#[derive(Debug)]
pub struct Turn<'a> {
    accounts: &'a Accounts,
    place: Option<WaitingPlace>,
}

impl<'a> Turn<'a> {
    #[must_use]
    pub fn new(accounts: &'a Accounts) -> Self {
        Turn { accounts, place: None }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let Some(place) = self.place.take() else { return };
        let others_wait = self.accounts.lock().book.leave(place);
        if others_wait {
            self.accounts.freed.notify_waiters();
        }
    }
}

/// The reservation of one attempt. It is settled once. If it is dropped without that, it is charged in full, because
/// the actual usage is unknown.
#[derive(Debug)]
pub struct LedgerHold {
    accounts: Arc<Accounts>,
    reservation: Option<Reservation>,
    /// What is set aside in the request's session.
    session: Option<SessionHold>,
    first_to_fail_open: bool,
}

impl LedgerHold {
    /// Limits that let it pass without a grant, because the ledger does not answer.
    #[must_use]
    pub fn failed_open(&self) -> &[LimitNo] {
        self.reservation.as_ref().map_or(&[], Reservation::failed_open)
    }

    /// Whether one of these does so for the first time since the ledger was lost.
    #[must_use]
    pub fn is_first_to_fail_open(&self) -> bool {
        self.first_to_fail_open
    }

    /// As [`settle`](Self::settle), also in the session.
    pub fn settle_both(mut self, actual: &[(LimitNo, u64)], of_session: &[(SessionLimit, u64)]) -> Settled {
        if let Some(session) = self.session.take() {
            session.settle(of_session);
            self.accounts.freed.notify_waiters();
        }
        self.settle(actual)
    }

    /// Charges the actual usage; nothing for limits that are not named. Returns the effect on each limit.
    pub fn settle(mut self, actual: &[(LimitNo, u64)]) -> Settled {
        match self.reservation.take() {
            Some(reservation) => self.accounts.settle(reservation, actual),
            None => Settled::default(),
        }
    }

    /// Returns everything: nothing was sent.
    pub fn give_back(self) {
        self.settle_both(&[], &[]);
    }
}

impl Drop for LedgerHold {
    fn drop(&mut self) {
        if let Some(session) = self.session.take() {
            drop(session);
            self.accounts.freed.notify_waiters();
        }
        if let Some(reservation) = self.reservation.take() {
            let amounts: Vec<(LimitNo, u64)> = reservation.amounts().collect();
            self.accounts.settle(reservation, &amounts);
        }
    }
}

/// The clock's time, in the unit of accounts.
#[must_use]
pub fn millis(time: SystemTime) -> Millis {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| Millis::try_from(since.as_millis()).unwrap_or(Millis::MAX))
}

#[cfg(test)]
mod tests {
    use outrigger_core::Periods;
    use outrigger_ledger::protocol::{AccountGrant, AccountKey, DurableUsage, FleetAccount, LimitKey, Term};

    use super::*;

    fn limits(max: u64) -> [LimitSpec; 1] {
        [LimitSpec { name: "Budget a/b".to_owned(), unit: "usd", max, window: Periods::lifetime(), fail_open: None }]
    }

    fn kept(dir: &std::path::Path, max: u64) -> (Arc<Accounts>, LimitNo) {
        let accounts = Arc::new(Accounts::new(Some(dir.to_owned())));
        let [number] = accounts.adopt(&limits(max), Granter::Itself, 1_000).unwrap()[..] else { panic!("one limit") };
        (accounts, number)
    }

    /// A request that ends after midnight was charged to the day before, and that is the account that its record tells.
    #[test]
    fn a_request_over_midnight_is_told_with_the_account_that_it_was_charged_to() {
        const DAY: Millis = 86_400_000;
        let accounts = Arc::new(Accounts::new(None));
        let window = Periods::calendar(outrigger_core::CalendarUnit::Day, "UTC", 1).unwrap();
        let limits = [("day", window), ("ever", Periods::lifetime()), ("hour", Periods::rolling(3_600_000).unwrap())];
        let limits = limits.map(|(name, window)| LimitSpec {
            name: name.to_owned(),
            unit: "usd",
            max: 100,
            window,
            fail_open: None,
        });
        let (before, after) = (2 * DAY - 1, 2 * DAY + 1);
        let numbers = accounts.adopt(&limits, Granter::Itself, before).unwrap();
        let [day, ever, hour] = numbers[..] else { panic!("three limits") };
        let wants = [(day, 30), (ever, 30), (hour, 30)];
        let over_midnight = accounts.hold(before, &wants).unwrap();
        accounts.hold(after, &wants).unwrap().settle(&[(day, 5), (ever, 5), (hour, 5)]);
        let settled = over_midnight.settle(&[(day, 20), (ever, 20), (hour, 20)]);
        let charged: Vec<(LimitNo, Millis)> = settled.charged().collect();
        assert_eq!(charged[0], (day, DAY));
        let told: Vec<_> = accounts
            .accounts_of(charged.into_iter(), after)
            .into_iter()
            .map(|(spent, since, _)| (spent, since))
            .collect();
        assert_eq!(told, [(20, Some(DAY)), (25, None), (25, None)]);
        let today = accounts.accounts_of([(day, 2 * DAY)].into_iter(), after);
        assert_eq!(today, [(5, Some(2 * DAY), Duration::ZERO)]);
    }

    #[test]
    fn spent_amounts_survive_a_restart_and_requests_in_progress_are_charged_in_full() {
        let dir = tempfile::tempdir().unwrap();
        let (accounts, number) = kept(dir.path(), 100);
        accounts.hold(1_000, &[(number, 30)]).unwrap().settle(&[(number, 10)]);
        let under_way = accounts.hold(1_000, &[(number, 40)]).unwrap();
        assert_eq!((accounts.state(number, 1_000).spent, accounts.state(number, 1_000).reserved), (10, 40));
        // As after a kill: nothing is settled any more.
        std::mem::forget(under_way);
        drop(accounts.lock().pages.take());
        drop(accounts.lock().folder.take());
        let (accounts, number) = kept(dir.path(), 100);
        assert_eq!((accounts.state(number, 1_000).spent, accounts.state(number, 1_000).reserved), (50, 0));
        assert!(accounts.hold(1_000, &[(number, 51)]).is_err());
    }

    #[test]
    fn an_unsettled_reservation_is_charged_in_full() {
        let accounts = Arc::new(Accounts::new(None));
        let number = accounts.adopt(&limits(100), Granter::Itself, 1_000).unwrap()[0];
        drop(accounts.hold(1_000, &[(number, 30)]).unwrap());
        accounts.hold(1_000, &[(number, 30)]).unwrap().give_back();
        assert_eq!(accounts.state(number, 1_000).spent, 30);
    }

    #[test]
    fn a_folder_belongs_to_one_process() {
        let dir = tempfile::tempdir().unwrap();
        let (first, _) = kept(dir.path(), 100);
        let second = Accounts::new(Some(dir.path().to_owned()));
        let error = second.adopt(&limits(100), Granter::Itself, 1_000).unwrap_err().to_string();
        assert!(error.contains("another process's") && error.contains("--state"), "{error}");
        assert!(matches!(second.adopt(&[], Granter::Itself, 1_000), Err(JournalError::Taken { .. })));
        drop(first);
        assert!(second.adopt(&limits(100), Granter::Itself, 1_000).is_ok());
    }

    #[test]
    fn a_folder_is_locked_before_anything_is_limited() {
        let dir = tempfile::tempdir().unwrap();
        let [first, second] = [(); 2].map(|()| Accounts::new(Some(dir.path().to_owned())));
        assert!(first.adopt(&[], Granter::Itself, 1_000).unwrap().is_empty());
        assert!(matches!(second.adopt(&[], Granter::Itself, 1_000), Err(JournalError::Taken { .. })));
        assert!(matches!(second.adopt(&limits(100), Granter::Itself, 1_000), Err(JournalError::Taken { .. })));
        assert!(!dir.path().join("accounts").exists(), "nothing is to be written down yet");
        assert_eq!(first.adopt(&limits(100), Granter::Itself, 1_000).unwrap().len(), 1);
    }

    #[test]
    fn an_unusable_folder_is_ignored_without_limits() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        std::fs::write(&file, "").unwrap();
        let accounts = Accounts::new(Some(file.join("state")));
        assert!(accounts.adopt(&[], Granter::Itself, 1_000).unwrap().is_empty());
        assert!(matches!(accounts.adopt(&limits(100), Granter::Itself, 1_000), Err(JournalError::Open { .. })));
    }

    #[test]
    fn damage_is_reported_and_grants_no_money() {
        let dir = tempfile::tempdir().unwrap();
        let (accounts, number) = kept(dir.path(), 100);
        accounts.hold(1_000, &[(number, 30)]).unwrap().settle(&[(number, 30)]);
        drop(accounts);
        let file = dir.path().join("accounts");
        let mut bytes = std::fs::read(&file).unwrap();
        let whole = bytes.clone();
        let last = bytes.len() - 100;
        bytes[last] ^= 1;
        for (what, bytes, expected) in [
            ("a bit is turned", &bytes[..], "slot 1 of the page file is damaged"),
            ("cut in mid-slot", &whole[..whole.len() - 1], "slot 1 of the page file is damaged"),
            ("cut between slots", &whole[..512], "slot 1 of the page file is damaged"),
            ("cut in the header", &whole[..511], "its first 512 bytes are damaged"),
            ("empty", &[], "it is empty"),
            ("another file", &[b'x'; 1_024], "it is no page file"),
        ] {
            std::fs::write(&file, bytes).unwrap();
            let error = Accounts::new(Some(dir.path().to_owned()))
                .adopt(&limits(100), Granter::Itself, 1_000)
                .unwrap_err()
                .to_string();
            assert!(error.contains(expected) && error.contains("accounts"), "{what}: {error}");
            assert_eq!(std::fs::read(&file).unwrap(), bytes, "{what}: it stays as it is");
        }
        // The accounts are on a volume that is not mounted.
        std::fs::remove_file(&file).unwrap();
        std::os::unix::fs::symlink(dir.path().join("nowhere"), &file).unwrap();
        let error = Accounts::new(Some(dir.path().to_owned()))
            .adopt(&limits(100), Granter::Itself, 1_000)
            .unwrap_err()
            .to_string();
        assert!(error.contains("can't be opened") && file.is_symlink(), "{error}");
        // Removing the link is the explicit decision to start over.
        std::fs::remove_file(&file).unwrap();
        let (accounts, number) = kept(dir.path(), 100);
        assert_eq!(accounts.state(number, 1_000).spent, 0);
    }

    #[test]
    fn writes_that_a_full_disk_refused_are_made_in_order_later() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("accounts");
        let both =
            ["Budget a/b", "Budget a/c"].map(|name| LimitSpec { name: name.to_owned(), ..limits(100)[0].clone() });
        let accounts = Arc::new(Accounts::new(Some(dir.path().to_owned())));
        let numbers = accounts.adopt(&both, Granter::Itself, 1_000).unwrap();
        accounts.hold(1_000, &[(numbers[0], 1)]).unwrap().settle(&[(numbers[0], 1)]);
        let before = std::fs::read(&file).unwrap();
        let read_only = std::fs::File::open(&file).unwrap();
        let writable = accounts.lock().pages.as_mut().map(|pages| pages.swap(read_only)).unwrap();
        // A second account would make the file longer.
        assert!(accounts.hold(1_000, &[(numbers[1], 2)]).is_err());
        assert_eq!(std::fs::read(&file).unwrap(), before);
        accounts.lock().pages.as_mut().map(|pages| pages.swap(writable)).unwrap();
        accounts.hold(1_000, &[(numbers[0], 1), (numbers[1], 2)]).unwrap().settle(&[(numbers[0], 1), (numbers[1], 2)]);
        assert_eq!(std::fs::read(&file).unwrap().len(), before.len() + 512);
        drop(accounts);
        let accounts = Accounts::new(Some(dir.path().to_owned()));
        let numbers = accounts.adopt(&both, Granter::Itself, 1_000).unwrap();
        assert_eq!([0, 1].map(|at| accounts.state(numbers[at], 1_000).spent), [2, 2]);
    }

    #[test]
    fn nothing_is_spent_that_cannot_be_stored() {
        let dir = tempfile::tempdir().unwrap();
        let (accounts, number) = kept(dir.path(), 100);
        // A file that can't be written, as on a full disk.
        let read_only = std::fs::File::open(dir.path().join("accounts")).unwrap();
        let writable = accounts.lock().pages.as_mut().map(|pages| pages.swap(read_only)).unwrap();
        assert!(matches!(accounts.hold(1_000, &[(number, 10)]), Err(NotHeld::Journal(JournalError::Write { .. }))));
        assert_eq!((accounts.state(number, 1_000).spent, accounts.state(number, 1_000).reserved), (0, 0));
        accounts.lock().pages.as_mut().map(|pages| pages.swap(writable)).unwrap();
        accounts.hold(1_000, &[(number, 10)]).unwrap().settle(&[(number, 10)]);
        drop(accounts);
        let (accounts, number) = kept(dir.path(), 100);
        assert_eq!(accounts.state(number, 1_000).spent, 10);
    }

    #[tokio::test(start_paused = true)]
    async fn the_final_report_is_awaited_until_confirmed_or_timed_out() {
        const SILENCE: Duration = Duration::from_secs(7);
        let accounts = Arc::new(Accounts::new(None));
        let number = accounts.adopt(&limits(100), Granter::Ledger, 1_000).unwrap()[0];
        let second = || Instant::now() + Duration::from_secs(20);
        let begun = Instant::now();
        accounts.close(second(), SILENCE).await;
        assert_eq!(begun.elapsed().as_secs(), 0, "nothing was held");
        let accounts = Arc::new(Accounts::new(None));
        assert_eq!(accounts.adopt(&limits(100), Granter::Ledger, 1_000).unwrap(), [number]);
        let exchange = |term, durable, accounts: &Accounts| {
            let report = accounts.report().unwrap().unwrap();
            let account = AccountGrant {
                account: AccountKey { limit: LimitKey::new("Budget a/b", "usd"), start: 0 },
                end: None,
                valid_for_ms: None,
                begins_in_ms: 0,
                granted: 50,
                durable,
                over: false,
                recall: false,
                short: None,
                fleet: FleetAccount::default(),
            };
            let (epoch, answers) = (report.epoch, report.number);
            let grants = Grants { epoch, term: Term(term), answers, accounts: vec![account], ..Grants::default() };
            (accounts.take(&grants, 1_000).0, report)
        };
        assert_eq!(exchange(1, DurableUsage::default(), &accounts).0, MessageOutcome::Followed);
        assert_eq!(exchange(1, DurableUsage::default(), &accounts).0, MessageOutcome::Yes);
        accounts.hold(1_000, &[(number, 30)]).unwrap().settle(&[(number, 20)]);
        // No ledger answers.
        let begun = Instant::now();
        accounts.close(second(), SILENCE).await;
        assert_eq!(begun.elapsed().as_secs(), 7);
        let closing = tokio::spawn({
            let accounts = Arc::clone(&accounts);
            async move { accounts.close(second(), SILENCE).await }
        });
        tokio::task::yield_now().await;
        assert!(exchange(1, DurableUsage { spent: 20, returned: 0 }, &accounts).1.last);
        // A ledger answers, and needs longer.
        tokio::time::sleep(SILENCE + Duration::from_secs(5)).await;
        assert!(!closing.is_finished());
        let (_, last) = exchange(1, DurableUsage { spent: 20, returned: 30 }, &accounts);
        assert_eq!((last.last, last.accounts[0].spent, last.accounts[0].returned), (true, 20, 30));
        closing.await.unwrap();
        assert_eq!(begun.elapsed().as_secs(), 7 + 12, "without a further wait");
    }
}
