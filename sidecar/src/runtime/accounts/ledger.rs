//! The connection to the ledger: reports, grants, and the end of the process.

use std::collections::BTreeMap;
use std::time::Duration;

use outrigger_core::Millis;
use outrigger_ledger::protocol::{Grants, UsageReport};
use outrigger_ledger::shared::holder::{Due, HeldState, MessageOutcome};
use outrigger_ledger::{LimitNo, Settled};
use tokio::time::Instant;

use super::Accounts;
use crate::runtime::journal::JournalError;

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
