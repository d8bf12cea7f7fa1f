//! The gateway's side: what it was granted of each limit, and how it uses that.
//!
//! A holder reserves only from what it was granted. Each grant is a sum for one account, so messages may arrive late,
//! twice, or never. The ledger decides how long an account is used, and the gateway measures that on its monotonic
//! clock. The wall clock is read only when a journal is loaded after a restart, and decides no amount.
//!
//! The user of a holder must keep this order: [`take`](Holder::take) or [`reserve`](Holder::reserve), then write what
//! [`journal`](Holder::journal) returns, then send the request or the [`report`](Holder::report).
//!
//! Times named `now` are milliseconds of a monotonic clock, from any origin.

mod demand;
mod fail_open;
mod held_account;
mod journal;
mod limit;
mod reporting;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};

use outrigger_core::{Millis, Period};

use crate::protocol::{AccountKey, FleetAccount, Grants, LimitKey, Term};
pub use fail_open::{FailOpen, FailOpenState};
pub(crate) use journal::JournalChange;
pub use journal::{HeldNo, HeldState, HolderState, JournalWrite};
use limit::HeldLimit;
use reporting::CompleteReport;
pub use reporting::Due;

/// A ledger that is silent for this long counts as unreachable.
const ANSWERED: Millis = 2000;

/// A limit of a holder: the same for the lifetime of the holder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SharedNo(u32);

/// Why nothing was reserved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeldShort {
    /// Too little is granted so far: request more, and wait.
    NotGranted,
    /// It would fit if reservations were returned, here or at other holders.
    Contended,
    /// The ledger reported that it is spent, until this period ends by the ledger's clock; absent if it never ends.
    Spent { until: Option<Millis> },
}

/// The state of a limit over all gateways.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FleetView {
    pub account: FleetAccount,
    /// When the ledger reported this, by the gateway's clock; the information was then already `account.age_ms` old.
    pub reported_at: Millis,
    /// The part of `account.spent` that is this gateway's own.
    own: u64,
}

/// The result of handling a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a holder that is void grants nothing until it is begun anew"]
pub enum MessageOutcome {
    Yes,
    /// There is a later leader: a report is due immediately. It names the term, so the journal is written first.
    Followed,
    /// It is from an earlier leader, or answers no remembered report.
    Stale,
    /// The ledger does not know this holder any more: call [`Holder::begin_anew`].
    Void,
}

/// What one gateway was granted of all shared limits. For one thread at a time, like a [`Book`](crate::Book).
#[derive(Clone, Debug)]
pub struct Holder {
    state: HolderState,
    unwritten: bool,
    /// The number of the last report, and the times at which it and earlier ones were sent.
    number: u64,
    sent: VecDeque<(u64, Millis)>,
    /// Reports are complete until the leader has answered a complete one: this is the first.
    complete: CompleteReport,
    /// When the ledger last answered, or the journal was begun.
    answered_at: Millis,
    /// Since when the ledger was lost when the last process ended, until it is back.
    lost_since: Option<Millis>,
    /// It sends its final report, and reserves nothing any more.
    closing: bool,
    void: bool,
    /// What the void journal is charged with.
    charged: BTreeMap<AccountKey, u64>,
    limits: Vec<HeldLimit>,
    numbers: BTreeMap<LimitKey, SharedNo>,
    forgotten: Vec<HeldNo>,
}

impl SharedNo {
    fn place(self) -> usize {
        self.0 as usize
    }
}

impl Holder {
    /// A holder with a new journal. `epoch` is the time at which the journal was begun, in milliseconds since 1970:
    /// later than that of every earlier journal of its pod.
    #[must_use]
    pub fn new(epoch: u64) -> Holder {
        Holder::with(HolderState { epoch, runs: 0, term: Term(0), closed: false, lost_at: None })
    }

    fn with(state: HolderState) -> Holder {
        Holder {
            state,
            unwritten: true,
            number: u64::from(state.runs) << 32,
            sent: VecDeque::new(),
            complete: CompleteReport::Due,
            answered_at: 0,
            lost_since: None,
            closing: false,
            void: false,
            charged: BTreeMap::new(),
            limits: Vec::new(),
            numbers: BTreeMap::new(),
            forgotten: Vec::new(),
        }
    }

    /// A holder that continues a journal, and the numbers of its accounts, in order. Amounts in flight are spent.
    /// `wall` is the time since 1970: accounts whose period contains it are used until the ledger decides otherwise.
    ///
    /// A closed journal is not continued: a new one begins, and no account has a number.
    #[must_use]
    pub fn restore(
        state: HolderState,
        accounts: impl IntoIterator<Item = HeldState>,
        now: Millis,
        wall: Millis,
    ) -> (Holder, Vec<HeldNo>) {
        if state.closed {
            let epoch = u64::try_from(wall).unwrap_or(0).max(state.epoch.saturating_add(1));
            return (Holder::new(epoch), Vec::new());
        }
        let mut holder = Holder::with(HolderState { runs: state.runs.saturating_add(1), ..state });
        let begun = i64::try_from(state.epoch).ok().filter(|_| state.term == Term(0));
        let silent = state.lost_at.or(begun).map_or(0, |since| wall.saturating_sub(since).max(0));
        holder.answered_at = now.saturating_sub(silent);
        holder.lost_since = state.lost_at.map(|_| holder.answered_at);
        let mut numbers = Vec::new();
        for account in accounts {
            let no = holder.number_of(&account.limit);
            if let Some(limit) = holder.limits.get_mut(no.place()) {
                numbers.push(HeldNo { limit: no.0, serial: limit.restore(&account, now, wall) });
            }
        }
        (holder, numbers)
    }

    /// The same, with a journal that begins now.
    #[must_use]
    pub fn begun_at(self, now: Millis) -> Holder {
        Holder { answered_at: now, ..self }
    }

    /// The stored state of the holder, besides its accounts.
    #[must_use]
    pub fn state(&self) -> HolderState {
        self.state
    }

    /// Adopts the limits of a policy, and returns their numbers in the same order. Amounts held of limits that are no
    /// longer named are returned as they become free.
    pub fn adopt<'a>(&mut self, limits: impl IntoIterator<Item = &'a LimitKey>) -> Vec<SharedNo> {
        self.limits.iter_mut().for_each(|limit| limit.named = false);
        let mut numbers = Vec::new();
        for id in limits {
            let no = self.number_of(id);
            if let Some(limit) = self.limits.get_mut(no.place()) {
                limit.named = true;
            }
            numbers.push(no);
        }
        numbers
    }

    fn number_of(&mut self, id: &LimitKey) -> SharedNo {
        if let Some(no) = self.numbers.get(id) {
            return *no;
        }
        let no = SharedNo(u32::try_from(self.limits.len()).unwrap_or(u32::MAX));
        self.limits.push(HeldLimit::new(id.clone()));
        self.numbers.insert(id.clone(), no);
        no
    }

    /// Whether this much can be reserved now.
    ///
    /// # Errors
    /// The reason why not. This does not request more: see [`wait`](Self::wait).
    pub fn fits(&self, limit: SharedNo, amount: u64, now: Millis) -> Result<(), HeldShort> {
        match self.limits.get(limit.place()) {
            Some(limit) if !self.closing && !self.void => limit.fits(amount, now),
            _ => Err(HeldShort::NotGranted),
        }
    }

    /// Reserves this much, or nothing, and returns the account.
    ///
    /// # Errors
    /// It does not fit. The next report requests it.
    pub fn reserve(&mut self, limit: SharedNo, amount: u64, now: Millis) -> Result<HeldNo, HeldShort> {
        match self.fits(limit, amount, now) {
            Ok(()) => self.reserve_fitting(limit, amount, now).ok_or(HeldShort::NotGranted),
            Err(short) => {
                if let Some(held) = self.limits.get_mut(limit.place()) {
                    held.demand.did_not_fit(amount, now);
                }
                Err(short)
            }
        }
    }

    /// Reserves an amount that [fits](Self::fits), and returns the account.
    pub(crate) fn reserve_fitting(&mut self, limit: SharedNo, amount: u64, now: Millis) -> Option<HeldNo> {
        let serial = self.limits.get_mut(limit.place())?.reserve_fitting(amount, now)?;
        Some(HeldNo { limit: limit.0, serial })
    }

    /// A request waits for this much: the next report requests it.
    pub fn wait(&mut self, limit: SharedNo, amount: u64, now: Millis) {
        if let Some(limit) = self.limits.get_mut(limit.place()) {
            limit.demand.did_not_fit(amount, now);
            limit.asked_since.get_or_insert(now);
        }
    }

    /// A request waits beside one for which half of what is free is kept: it fits when so much is free.
    pub fn wait_beside(&mut self, limit: SharedNo, amount: u64, now: Millis) {
        let free = self.free(limit, now);
        if let Some(limit) = self.limits.get_mut(limit.place()) {
            limit.demand.is_free(free);
        }
        self.wait(limit, amount, now);
    }

    /// One of those that wait in turn was served.
    pub fn served_in_turn(&mut self, limit: SharedNo) {
        if let Some(limit) = self.limits.get_mut(limit.place()) {
            limit.demand.served_in_turn();
        }
    }

    /// Ends a reservation: `actual` is spent. The rest is free again, or is returned if the account's period has ended.
    /// An amount above the reservation is a debt.
    pub fn settle(&mut self, account: HeldNo, reserved: u64, actual: u64, now: Millis) {
        if let Some(limit) = self.limits.get_mut(account.limit as usize) {
            limit.settle(account.serial, reserved, actual, now);
        }
    }

    /// When the period of an account began.
    #[must_use]
    pub fn start(&self, account: HeldNo) -> Option<Millis> {
        self.limits.get(account.limit as usize)?.start(account.serial)
    }

    /// What all gateways have spent in the period that began then, as far as is known here; absent if this gateway has no
    /// account of it any more.
    #[must_use]
    pub fn spent_since(&self, limit: SharedNo, start: Millis) -> Option<u64> {
        self.limits.get(limit.place())?.spent_since(start)
    }

    /// Counts an amount that is already spent.
    pub fn charge(&mut self, limit: SharedNo, amount: u64, now: Millis) {
        if let Some(limit) = self.limits.get_mut(limit.place()) {
            limit.charge(amount, now);
        }
    }

    /// Applies a message of the ledger. Write the journal before anything else is sent.
    pub fn take(&mut self, grants: &Grants, now: Millis) -> MessageOutcome {
        if grants.epoch != self.state.epoch {
            return MessageOutcome::Stale;
        }
        if grants.term > self.state.term {
            self.state.term = grants.term;
            self.unwritten = true;
            self.report_all_again();
            // A leader that does not know yet what this holder has grants nothing.
            return MessageOutcome::Followed;
        }
        let sent = self.sent.iter().find(|(number, _)| *number == grants.answers).map(|(_, sent)| *sent);
        let (Some(sent), true) = (sent, grants.term == self.state.term) else { return MessageOutcome::Stale };
        if grants.void {
            self.void = true;
            self.charged = grants.charged.iter().map(|one| (one.account.clone(), one.charged)).collect();
            return MessageOutcome::Void;
        }
        if let CompleteReport::Sent(number, _) = self.complete
            && grants.answers >= number
        {
            self.complete = CompleteReport::Answered;
        }
        for grant in &grants.accounts {
            let no = self.number_of(&grant.account.limit);
            let Some(limit) = self.limits.get_mut(no.place()) else { continue };
            if self.closing {
                limit.take_durable(grant);
                continue;
            }
            if let Some(serial) = limit.take(grant, grants.answers, sent, now, self.number) {
                self.forgotten.push(HeldNo { limit: no.0, serial });
            }
        }
        let before = self.answered_at;
        self.limits.iter_mut().for_each(|limit| {
            limit.confirm(grants.answers);
            limit.answered(before, now);
        });
        self.answered_at = self.answered_at.max(now);
        let is_back = |limit: &HeldLimit| limit.unavailable_since.is_none() && limit.asked_since.is_none();
        if self.state.lost_at.is_some() && self.limits.iter().all(is_back) {
            (self.state.lost_at, self.lost_since, self.unwritten) = (None, None, true);
        }
        MessageOutcome::Yes
    }

    /// Begins a new journal, after [`MessageOutcome::Void`]: nothing is held any more. What was spent and is not charged
    /// continues there. Reservations that are still open are settled on the account that the limit has then.
    pub fn begin_anew(&mut self, epoch: u64) {
        let epoch = epoch.max(self.state.epoch.saturating_add(1));
        for (place, limit) in self.limits.iter_mut().enumerate() {
            let limit_no = u32::try_from(place).unwrap_or(u32::MAX);
            let former = limit.begin_anew(&self.charged).into_iter();
            self.forgotten.extend(former.map(|serial| HeldNo { limit: limit_no, serial }));
        }
        self.charged.clear();
        self.state = HolderState { epoch, runs: 0, ..self.state };
        (self.number, self.void, self.unwritten) = (0, false, true);
        self.sent.clear();
        self.report_all_again();
    }

    /// Returns what has to be written since the last call: the holder itself first.
    pub fn journal(&mut self, mut each: impl FnMut(JournalWrite)) {
        self.journal_in_place(|change| {
            each(match change {
                JournalChange::Holder(state) => JournalWrite::Holder(state),
                JournalChange::Account(no, limit, account) => JournalWrite::Account(no, account.state(limit)),
                JournalChange::Forgotten(no) => JournalWrite::Forgotten(no),
            });
        });
    }

    /// The same without copies, for each request.
    pub(crate) fn journal_in_place(&mut self, mut each: impl FnMut(JournalChange<'_>)) {
        if std::mem::take(&mut self.unwritten) {
            each(JournalChange::Holder(self.state));
        }
        for (limit, no) in self.limits.iter_mut().zip(0..) {
            limit.take_unwritten(|id, account| {
                let held = HeldNo { limit: no, serial: account.serial };
                each(JournalChange::Account(held, id, account));
            });
        }
        self.forgotten.drain(..).for_each(|no| each(JournalChange::Forgotten(no)));
    }

    /// The state of the limit over all gateways; `None` until the ledger has reported it.
    #[must_use]
    pub fn fleet(&self, limit: SharedNo, now: Millis) -> Option<FleetView> {
        self.limits.get(limit.place())?.fleet(now)
    }

    /// The usage of all gateways in the window: as the ledger reported it, plus what this gateway has spent since.
    #[must_use]
    pub fn used(&self, limit: SharedNo, now: Millis) -> u64 {
        self.limits.get(limit.place()).map_or(0, |limit| limit.used(now))
    }

    /// Whether the ledger recently reported the state of the limit, and can grant. Then a request without a sufficient
    /// grant has to wait for other holders, and not for the ledger.
    #[must_use]
    pub fn is_answered(&self, limit: SharedNo, now: Millis) -> bool {
        self.limits.get(limit.place()).is_some_and(|limit| limit.is_answered(now, ANSWERED))
    }

    /// The period in which reservations are made; `None` until something was granted.
    #[must_use]
    pub fn period(&self, limit: SharedNo, now: Millis) -> Option<Period> {
        let held = self.limits.get(limit.place())?.current(now)?;
        Some(Period { start: held.start, end: held.end })
    }

    /// Whether it has no account at all, so the ledger can't lose anything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.limits.iter().all(|limit| limit.accounts.is_empty())
    }

    /// What can be reserved of a limit now, without a request to the ledger.
    #[must_use]
    pub fn free(&self, limit: SharedNo, now: Millis) -> u64 {
        let limit = self.limits.get(limit.place());
        limit.and_then(|limit| limit.current(now)).map_or(0, |held| held.account.free())
    }
}
