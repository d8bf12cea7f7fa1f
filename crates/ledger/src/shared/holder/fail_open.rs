//! What a limit lets pass while the ledger does not answer.
//!
//! A policy may allow a gateway to spend more than it was granted, for a while. The excess is a debt of the account:
//! the journal contains it, the next report states it, and the ledger counts it like everything that is spent. The
//! allowance limits the debt itself. So neither a restart renews it, nor a ledger that answers and is lost again before
//! it has granted the debt.
//!
//! ```text
//! answered ── a request waits for 2 s, or the store does not answer ──► lost ── an answer ──► answered
//! ```
//!
//! Only what helps a request to go on, or to be refused, is an answer: something was granted, or the ledger said why not.
//! A ledger that is reached, and does neither, is as good as one that is not reached.
//!
//! The duration counts from the last answer of the ledger, or from when the request began to wait if the ledger sent
//! something else since. For a journal that never got an answer, it counts from the journal's beginning.

use outrigger_core::{Millis, Period};

use super::journal::HeldNo;
use super::limit::HeldLimit;
use super::{ANSWERED, HeldShort, Holder, SharedNo};
use crate::protocol::Shortage;

/// How far a limit may be exceeded while the ledger does not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FailOpen {
    /// The highest debt: spent or reserved beyond what was granted. In the limit's unit.
    pub most: u64,
    /// For how long after the last answer of the ledger.
    pub lasts: Millis,
}

/// The state of a limit that may fail open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FailOpenState {
    pub most: u64,
    /// The debt: spent or reserved beyond what was granted.
    pub owed: u64,
    /// While the ledger does not answer: the remaining time in milliseconds. Zero: none is left.
    pub lasts: Option<u64>,
}

/// Where a reservation without a grant may be made.
#[derive(Clone, Copy, Debug)]
pub(super) struct OpenAt {
    pub(super) fail_open: FailOpen,
    /// When the ledger last answered this journal.
    pub(super) answered_at: Millis,
    /// Whether usage leaves the window while its period lasts: then all accounts count together.
    pub(super) rolls: bool,
}

impl HeldLimit {
    /// Whether a request has waited since the last answer of the ledger.
    pub(super) fn waits(&self) -> bool {
        self.named && self.asked_since.is_some()
    }

    /// Whether the ledger does not answer: a request waited too long, or its store does not answer.
    pub(super) fn is_lost(&self, now: Millis) -> bool {
        let waited = self.asked_since.is_some_and(|since| now.saturating_sub(since) >= ANSWERED);
        waited || self.store_lost_since(now).is_some()
    }

    fn store_lost_since(&self, now: Millis) -> Option<Millis> {
        let held = self.current(now)?;
        held.short.is_some_and(|(short, _)| short == Shortage::Unavailable).then_some(self.unavailable_since).flatten()
    }

    /// Since when: the last answer of the ledger, or the time when it reported that its store does not answer, or when
    /// a request began to wait.
    pub(super) fn lost_since(&self, answered_at: Millis, now: Millis) -> Millis {
        let since = self.store_lost_since(now).into_iter().chain(self.asked_since);
        since.fold(answered_at, Millis::min).min(now)
    }

    /// Whether the ledger has ever granted something of this period, or has said why not.
    fn is_explained(&self, now: Millis) -> bool {
        self.current(now).is_some_and(|held| held.granted() > 0 || held.short.is_some())
    }

    /// The debt: spent or reserved beyond what was granted.
    pub(super) fn owed(&self, now: Millis, rolls: bool) -> u64 {
        let counts = |serial: u32| rolls || self.current(now).is_some_and(|current| current.serial == serial);
        let owed = self.accounts.iter().filter(|held| counts(held.serial)).map(|held| held.account.owed());
        owed.fold(0, u64::saturating_add)
    }

    /// How long the limit still lets requests pass; `None` while the ledger answers.
    pub(super) fn lasts(&self, open: OpenAt, now: Millis) -> Option<Millis> {
        let until = self.lost_since(open.answered_at, now).saturating_add(open.fail_open.lasts);
        self.is_lost(now).then(|| until.saturating_sub(now).max(0))
    }

    /// What may still be reserved beyond what is free; zero while the ledger answers.
    pub(super) fn allowance(&self, open: OpenAt, now: Millis) -> u64 {
        match self.lasts(open, now) {
            Some(lasts) if lasts > 0 => open.fail_open.most.saturating_sub(self.owed(now, open.rolls)),
            _ => 0,
        }
    }

    /// Whether this much may be reserved without a grant. What the ledger reported as spent stays refused.
    pub(super) fn fits_open(&self, amount: u64, open: OpenAt, now: Millis) -> bool {
        let free = self.current(now).map_or(0, |held| held.account.free());
        !matches!(self.fits(amount, now), Err(HeldShort::Spent { .. }))
            && amount <= free.saturating_add(self.allowance(open, now))
            && self.allowance(open, now) > 0
    }

    /// Reserves an amount that [fits](Self::fits_open), from the account of `period` if the ledger has opened none.
    pub(super) fn reserve_open(&mut self, amount: u64, period: Period, wall: Millis, now: Millis) -> u32 {
        if self.current(now).is_none() {
            let place = self.account(period.start, period.end);
            if let Some(held) = self.accounts.get_mut(place) {
                held.serve(now, period.end.map(|end| end.saturating_sub(wall)));
            }
        }
        let serial = self.current_mut(now).map_or(0, |held| {
            held.account.promise(amount);
            held.changed();
            held.serial
        });
        self.demand.reserved(amount);
        serial
    }

    /// The ledger has answered, and `before` that some time ago. Its entry shows whether the answer also covers this limit.
    pub(super) fn answered(&mut self, before: Millis, now: Millis) {
        let unexplained = !self.is_explained(now) && self.demand.waits(now);
        // A request that still waits for its first grant has learnt nothing. But a ledger that was silent is back.
        self.asked_since =
            self.asked_since.filter(|asked| unexplained && now.saturating_sub(before.max(*asked)) < ANSWERED);
        let lost = self.current(now).is_some_and(|held| matches!(held.short, Some((Shortage::Unavailable, _))));
        self.unavailable_since = lost.then(|| self.unavailable_since.unwrap_or(now));
    }
}

impl Holder {
    /// Sets what a limit lets pass while the ledger does not answer: nothing, unless a policy allows it.
    pub fn let_fail_open(&mut self, limit: SharedNo, fail_open: Option<FailOpen>) {
        if let Some(limit) = self.limits.get_mut(limit.place()) {
            limit.fail_open = fail_open;
        }
    }

    fn open_at(&self, limit: &HeldLimit, rolls: bool) -> Option<OpenAt> {
        let fail_open = limit.fail_open.filter(|_| limit.named && !self.closing && !self.void)?;
        Some(OpenAt { fail_open, answered_at: self.last_answer(), rolls })
    }

    /// When the ledger last answered; if it was lost when an earlier process ended, and has not come back, before that.
    fn last_answer(&self) -> Millis {
        self.lost_since.map_or(self.answered_at, |since| since.min(self.answered_at))
    }

    /// Whether this much may be reserved without a grant: the ledger does not answer, and the policy allows it.
    /// `rolls`: the limit has a rolling window, so its accounts count together.
    #[must_use]
    pub fn fits_open(&self, limit: SharedNo, amount: u64, rolls: bool, now: Millis) -> bool {
        let limit = self.limits.get(limit.place());
        limit.is_some_and(|limit| self.open_at(limit, rolls).is_some_and(|open| limit.fits_open(amount, open, now)))
    }

    /// Reserves an amount that [fits](Self::fits_open), and returns the account: the one of `period`, by the gateway's
    /// clock, if the ledger has named none. `wall` is the time since 1970.
    pub fn reserve_open(&mut self, limit: SharedNo, amount: u64, period: Period, wall: Millis, now: Millis) -> HeldNo {
        let answered_at = self.last_answer();
        let Some(held) = self.limits.get_mut(limit.place()) else { return HeldNo { limit: limit.0, serial: 0 } };
        let lost_at = wall.saturating_sub(now.saturating_sub(held.lost_since(answered_at, now)).max(0));
        let serial = held.reserve_open(amount, period, wall, now);
        if self.state.lost_at.is_none() {
            // On disk, zero means none.
            (self.state.lost_at, self.unwritten) = (Some(lost_at.max(1)), true);
        }
        HeldNo { limit: limit.0, serial }
    }

    /// What may be reserved of a limit beyond what is free; `None` while the ledger answers, or if nothing may be.
    #[must_use]
    pub fn allowance(&self, limit: SharedNo, rolls: bool, now: Millis) -> Option<u64> {
        let limit = self.limits.get(limit.place())?;
        let open = self.open_at(limit, rolls)?;
        limit.is_lost(now).then(|| limit.allowance(open, now))
    }

    /// The state of a limit that may fail open; `None` for other limits.
    #[must_use]
    pub fn fail_open_state(&self, limit: SharedNo, rolls: bool, now: Millis) -> Option<FailOpenState> {
        let limit = self.limits.get(limit.place())?;
        let open = self.open_at(limit, rolls)?;
        let lasts = limit.lasts(open, now).map(|lasts| u64::try_from(lasts).unwrap_or(0));
        Some(FailOpenState { most: open.fail_open.most, owed: limit.owed(now, rolls), lasts })
    }
}
