//! Reports to the ledger, and takes what it grants.

use outrigger_core::Millis;
use smallvec::SmallVec;

use super::shared::SharedLimits;
use super::{Book, LimitNo};
use crate::protocol::{Grants, UsageReport};
use crate::reservation::{INLINE, Settled};
use crate::shared::holder::{Due, HeldState, MessageOutcome, SharedNo};

/// The connection to the ledger, which grants the limits of a policy that shares them. A caller that got
/// [`NotGranted`](crate::Refused::NotGranted) waits for its answers. The content of a report is [written](Book::writes)
/// before the report is sent.
impl Book {
    /// The time of the monotonic clock, in milliseconds from any origin. Periods of the ledger end by it, and it
    /// reveals jumps of the wall clock.
    pub fn move_steadily(&mut self, steady: Millis) {
        self.steady = self.steady.max(steady);
        self.clock.go_on(self.steady);
        if let Some(shared) = &mut self.shared {
            shared.move_steadily(steady);
        }
    }

    /// When the next report is due.
    #[must_use]
    pub fn due(&self) -> Due {
        self.shared.as_ref().map_or(Due::Never, SharedLimits::due)
    }

    /// Whether anything may pass without a grant, because the ledger does not answer.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.shared.as_ref().is_some_and(SharedLimits::is_lost)
    }

    /// A new connection to the ledger is open: reports sent on the previous one may be lost.
    pub fn connected(&mut self) {
        if let Some(shared) = &mut self.shared {
            shared.connected();
        }
    }

    /// The next report to the ledger; `None` if nothing is shared.
    pub fn report(&mut self) -> Option<UsageReport> {
        self.shared.as_mut()?.report()
    }

    /// Applies a message from the ledger, and returns its effect on each known limit. `now` is the time since 1970.
    pub fn take(&mut self, grants: &Grants, now: Millis) -> (MessageOutcome, Settled) {
        let Some(shared) = &mut self.shared else { return (MessageOutcome::Stale, Settled::default()) };
        let limits = (0..).map(LimitNo).take(self.limits.len());
        let known: SmallVec<[(LimitNo, SharedNo, u64); INLINE]> = limits
            .filter_map(|limit| {
                let no = shared.number(limit).filter(|no| shared.is_known(*no))?;
                Some((limit, no, shared.used(no)))
            })
            .collect();
        let taken = shared.take(grants, now);
        let mut changes = Settled::default();
        for (limit, no, before) in known {
            changes.note(limit, before, shared.used(no));
        }
        (taken, changes)
    }

    /// The next report is the last one: it returns everything that is left, and nothing is granted after it.
    pub fn close(&mut self) {
        if let Some(shared) = &mut self.shared {
            shared.close();
        }
    }

    /// Whether the ledger has confirmed the last report, or nothing was ever held.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.shared.as_ref().is_none_or(SharedLimits::is_closed)
    }

    /// Accounts whose spent and returned amounts the ledger has not confirmed.
    pub fn unconfirmed(&self) -> impl Iterator<Item = HeldState> + '_ {
        self.shared.iter().flat_map(SharedLimits::unconfirmed)
    }
}
