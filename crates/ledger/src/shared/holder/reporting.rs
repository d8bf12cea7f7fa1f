//! What a holder reports, and when.

use outrigger_core::Millis;

use super::Holder;
use super::journal::HeldState;
use super::limit::{HeldLimit, ReportParts};
use crate::protocol::UsageReport;

/// How many reports are remembered: an answer to an older one is not used.
const REMEMBERED: usize = 64;
/// A report with a request is repeated after this time.
const AGAIN: Millis = 1000;

/// When the next report is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Due {
    /// No limit is shared, and nothing is held.
    Never,
    /// Nothing has changed: the report shows that the gateway is alive, and its answer contains the state of the
    /// limits.
    Seldom,
    /// Something has changed.
    Soon,
    /// A request waits, or there is a new leader.
    Now,
}

/// Reports are complete until the leader has answered a complete one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CompleteReport {
    /// The next report is one.
    Due,
    /// The number of the first one, and when the last one was sent.
    Sent(u64, Millis),
    Answered,
}

impl Holder {
    /// A stream to the ledger has begun: reports sent on the previous one may be lost.
    pub fn connected(&mut self) {
        self.report_all_again();
    }

    pub(super) fn report_all_again(&mut self) {
        self.complete = CompleteReport::Due;
        self.limits.iter_mut().for_each(HeldLimit::report_again);
    }

    /// When a report is due: immediately, within 5 s, within 30 s.
    #[must_use]
    pub fn due(&self, now: Millis) -> Due {
        if self.void || !self.limits.iter().any(|limit| limit.named || !limit.accounts.is_empty()) {
            return Due::Never;
        }
        let owes = match self.complete {
            CompleteReport::Due => true,
            CompleteReport::Sent(_, at) => now.saturating_sub(at) >= AGAIN,
            CompleteReport::Answered => false,
        };
        // A waiting request learns within a second whether the ledger answers.
        let silent = self.sent.back().is_none_or(|(_, sent)| now.saturating_sub(*sent) >= AGAIN);
        if owes || self.limits.iter().any(|limit| limit.is_urgent(now, AGAIN) || (silent && limit.waits())) {
            return Due::Now;
        }
        match self.limits.iter().any(|limit| limit.has_unacknowledged() || !limit.is_durable()) {
            true => Due::Soon,
            false => Due::Seldom,
        }
    }

    /// The next report to the ledger, to be sent immediately; `None` if nothing is shared. Write the journal first.
    pub fn report(&mut self, now: Millis) -> Option<UsageReport> {
        (self.due(now) > Due::Never).then(|| self.next_report(now))
    }

    /// The final report: everything that is free is returned, and nothing is reserved or granted from now on. Amounts
    /// that are still reserved count as spent, because their settlement can't be reported any more. Write the journal
    /// before it is sent. It is sent again until it is [confirmed](Self::is_confirmed).
    pub fn last_report(&mut self, now: Millis) -> UsageReport {
        self.closing = true;
        if !self.state.closed {
            (self.state.closed, self.unwritten) = (true, true);
            self.limits.iter_mut().for_each(HeldLimit::charge_open);
            self.report_all_again();
        }
        self.next_report(now)
    }

    fn next_report(&mut self, now: Millis) -> UsageReport {
        self.number += 1;
        let (number, whole) = (self.number, self.closing || self.complete != CompleteReport::Answered);
        if self.sent.len() == REMEMBERED {
            self.sent.pop_front();
        }
        self.sent.push_back((number, now));
        if whole {
            let first = if let CompleteReport::Sent(first, _) = self.complete { first } else { number };
            self.complete = CompleteReport::Sent(first, now);
        }
        let oldest = self.sent.front().map_or(number, |(number, _)| *number);
        let mut parts = ReportParts::default();
        for limit in &mut self.limits {
            limit.tidy(now, oldest, self.closing);
            limit.report(number, now, whole, &mut parts);
        }
        UsageReport {
            epoch: self.state.epoch,
            term: self.state.term,
            number,
            whole,
            accounts: parts.accounts,
            wanted: if self.closing { Vec::new() } else { parts.wanted },
            last: self.closing,
        }
    }

    /// Whether the ledger has stored the content of the final report, or does not know this holder any more.
    #[must_use]
    pub fn is_confirmed(&self) -> bool {
        self.void || self.limits.iter().all(HeldLimit::is_durable)
    }

    /// Accounts whose sums the ledger has not confirmed.
    pub fn unconfirmed(&self) -> impl Iterator<Item = HeldState> {
        self.limits.iter().flat_map(HeldLimit::unconfirmed)
    }
}
