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
mod journal;
mod limit;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};

use outrigger_core::{Millis, Period};

use crate::protocol::{AccountKey, FleetAccount, Grants, LimitKey, Term, UsageReport};
use fail_open::OpenAt;
pub use fail_open::{FailOpen, FailOpenState};
pub(crate) use journal::JournalChange;
pub use journal::{HeldNo, HeldState, HolderState, JournalWrite};
use limit::{HeldLimit, ReportParts};

/// How many reports are remembered: an answer to an older one is not used.
const REMEMBERED: usize = 64;
/// A report with a request is repeated after this time.
const AGAIN: Millis = 1000;
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
    pub heard_at: Millis,
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

/// What one gateway was granted of all shared limits. For one thread at a time, like a [`Book`](crate::Book).
#[derive(Clone, Debug)]
pub struct Holder {
    state: HolderState,
    unwritten: bool,
    /// The number of the last report, and the times at which it and earlier ones were sent.
    number: u64,
    sent: VecDeque<(u64, Millis)>,
    /// Reports are complete until the leader has answered a complete one: this is the first.
    whole: Whole,
    /// When the ledger last answered, or the journal was begun.
    heard_at: Millis,
    /// It sends its final report, and reserves nothing any more.
    closing: bool,
    void: bool,
    /// What the void journal is charged with.
    charged: BTreeMap<AccountKey, u64>,
    limits: Vec<HeldLimit>,
    numbers: BTreeMap<LimitKey, SharedNo>,
    forgotten: Vec<HeldNo>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whole {
    Owed,
    Sent(u64, Millis),
    Heard,
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
            whole: Whole::Owed,
            heard_at: 0,
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
        holder.heard_at = now.saturating_sub(silent);
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
        Holder { heard_at: now, ..self }
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

    /// Sets what a limit lets pass while the ledger does not answer: nothing, unless a policy allows it.
    pub fn let_fail_open(&mut self, limit: SharedNo, fail_open: Option<FailOpen>) {
        if let Some(limit) = self.limits.get_mut(limit.place()) {
            limit.fail_open = fail_open;
        }
    }

    fn open_at(&self, limit: &HeldLimit, rolls: bool) -> Option<OpenAt> {
        let fail_open = limit.fail_open.filter(|_| limit.named && !self.closing && !self.void)?;
        Some(OpenAt { fail_open, heard_at: self.heard_at, rolls })
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
        let heard_at = self.heard_at;
        let Some(held) = self.limits.get_mut(limit.place()) else { return HeldNo { limit: limit.0, serial: 0 } };
        let lost_at = wall.saturating_sub(now.saturating_sub(held.lost_since(heard_at, now)).max(0));
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
            self.say_all();
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
        if let Whole::Sent(number, _) = self.whole
            && grants.answers >= number
        {
            self.whole = Whole::Heard;
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
        self.limits.iter_mut().for_each(|limit| {
            limit.confirm(grants.answers);
            limit.answered(now);
        });
        self.heard_at = self.heard_at.max(now);
        if self.state.lost_at.is_some() && self.limits.iter().all(|limit| limit.unavailable_since.is_none()) {
            (self.state.lost_at, self.unwritten) = (None, true);
        }
        MessageOutcome::Yes
    }

    /// A stream to the ledger has begun: reports sent on the previous one may be lost.
    pub fn connected(&mut self) {
        self.say_all();
    }

    fn say_all(&mut self) {
        self.whole = Whole::Owed;
        self.limits.iter_mut().for_each(HeldLimit::unsaid_again);
    }

    /// When a report is due: immediately, within 5 s, within 30 s.
    #[must_use]
    pub fn due(&self, now: Millis) -> Due {
        if self.void || !self.limits.iter().any(|limit| limit.named || !limit.accounts.is_empty()) {
            return Due::Never;
        }
        let owes = match self.whole {
            Whole::Owed => true,
            Whole::Sent(_, at) => now.saturating_sub(at) >= AGAIN,
            Whole::Heard => false,
        };
        // A waiting request learns within a second whether the ledger answers.
        let silent = self.sent.back().is_none_or(|(_, sent)| now.saturating_sub(*sent) >= AGAIN);
        if owes || self.limits.iter().any(|limit| limit.is_urgent(now, AGAIN) || (silent && limit.waits())) {
            return Due::Now;
        }
        match self.limits.iter().any(|limit| limit.is_unsaid() || !limit.is_durable()) {
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
            self.say_all();
        }
        self.next_report(now)
    }

    fn next_report(&mut self, now: Millis) -> UsageReport {
        self.number += 1;
        let (number, whole) = (self.number, self.closing || self.whole != Whole::Heard);
        if self.sent.len() == REMEMBERED {
            self.sent.pop_front();
        }
        self.sent.push_back((number, now));
        if whole {
            let first = if let Whole::Sent(first, _) = self.whole { first } else { number };
            self.whole = Whole::Sent(first, now);
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
        self.say_all();
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
