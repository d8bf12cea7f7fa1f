//! The gateway's side: what it was granted of each limit, and what it does with it.
//!
//! A holder reserves from what it was granted, and from nothing else. What the ledger grants is a sum for each account, so
//! messages may come late, twice, or never. How long an account is reserved from is the ledger's word, measured on the
//! gateway's monotonic clock: the wall clock is asked only when a journal is read after a restart, and decides no amount.
//!
//! Its user keeps one order: [`take`](Holder::take) or [`reserve`](Holder::reserve), then write what
//! [`journal`](Holder::journal) gives out, then let the request leave or the [`report`](Holder::report) go.
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

use crate::protocol::{FleetAccount, Grants, LimitKey, Term, UsageReport};
use fail_open::OpenAt;
pub use fail_open::{FailOpen, FailOpenState};
pub use journal::{HeldNo, HeldState, HolderState, JournalWrite};
use limit::{HeldLimit, Said};

/// So many reports are remembered: an answer to an older one is no use to anybody.
const REMEMBERED: usize = 64;
/// A report that asks for something is repeated after so long.
const AGAIN: Millis = 1000;
/// A ledger that was not heard for so long does not answer.
const ANSWERED: Millis = 2000;

/// A limit of a holder: the same as long as the holder lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SharedNo(u32);

/// Why nothing was reserved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeldShort {
    /// Too little is granted so far: ask, and wait.
    NotGranted,
    /// It would fit if reservations came back, here or at other holders.
    Contended,
    /// The ledger says that it is spent, until this period ends by the ledger's clock; absent if it never does.
    Spent { until: Option<Millis> },
}

/// How a limit stood over all gateways.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FleetView {
    pub account: FleetAccount,
    /// When the ledger said so, by the gateway's clock; `account.age_ms` older is what it speaks of.
    pub heard_at: Millis,
    /// What of `account.spent` is this gateway's own.
    own: u64,
}

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a holder that is void grants nothing until it is begun anew"]
pub enum MessageOutcome {
    Yes,
    /// There is a later leader: a report is due at once. It names the term, so the journal is written before.
    Followed,
    /// It is of an earlier leader, or answers no report that is remembered.
    Stale,
    /// The ledger does not know this holder any more: [`Holder::begin_anew`].
    Void,
}

/// How soon a report is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Due {
    /// No limit is shared, and nothing is held.
    Never,
    /// Nothing has changed: a report tells that the gateway lives, and hears how the limits stand.
    Seldom,
    /// Something has changed.
    Soon,
    /// A request waits, or there is a new leader.
    Now,
}

/// What one gateway was granted of all limits that are shared. For one thread at a time, like a [`Book`](crate::Book).
#[derive(Clone, Debug)]
pub struct Holder {
    state: HolderState,
    unwritten: bool,
    /// The number of the last report, and when it and those before it were sent.
    number: u64,
    sent: VecDeque<(u64, Millis)>,
    /// Reports are whole until the leader has answered one that was: this is the first.
    whole: Whole,
    /// When the ledger was last heard, or the journal was begun.
    heard_at: Millis,
    /// It says its last word, and takes nothing any more.
    closing: bool,
    void: bool,
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
    /// A holder with a new journal. `epoch` is the time at which it was begun, in milliseconds since 1970: later than that
    /// of any journal that its pod had before.
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
            limits: Vec::new(),
            numbers: BTreeMap::new(),
            forgotten: Vec::new(),
        }
    }

    /// A holder that goes on with a journal, and by which number each of its accounts goes, in their order. What was in
    /// flight is spent. `wall` is the time since 1970: accounts whose period it lies in are reserved from until the
    /// ledger says otherwise.
    ///
    /// A journal that was closed is not gone on with: a new one begins, and no account has a number.
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

    /// The same, whose journal is begun now.
    #[must_use]
    pub fn begun_at(self, now: Millis) -> Holder {
        Holder { heard_at: now, ..self }
    }

    /// What is kept of it, beside its accounts.
    #[must_use]
    pub fn state(&self) -> HolderState {
        self.state
    }

    /// Takes the limits of a policy, and says by which numbers they go, in the same order. What is held of limits that are
    /// not named any more is given back as it becomes free.
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

    /// Whether so much can be reserved now.
    ///
    /// # Errors
    /// Why not. Nothing is asked for: see [`wait`](Self::wait).
    pub fn fits(&self, limit: SharedNo, amount: u64, now: Millis) -> Result<(), HeldShort> {
        match self.limits.get(limit.place()) {
            Some(limit) if !self.closing && !self.void => limit.fits(amount, now),
            _ => Err(HeldShort::NotGranted),
        }
    }

    /// Takes so much, or nothing, and says of which account.
    ///
    /// # Errors
    /// Why it does not fit. The next report asks for it.
    pub fn reserve(&mut self, limit: SharedNo, amount: u64, now: Millis) -> Result<HeldNo, HeldShort> {
        let fits = self.fits(limit, amount, now);
        let Some(held) = self.limits.get_mut(limit.place()) else { return Err(HeldShort::NotGranted) };
        match fits.and_then(|()| held.reserve(amount, now)) {
            Ok(serial) => Ok(HeldNo { limit: limit.0, serial }),
            Err(short) => {
                held.demand.did_not_fit(amount, now);
                Err(short)
            }
        }
    }

    /// A request waits for so much: the next report asks for it.
    pub fn wait(&mut self, limit: SharedNo, amount: u64, now: Millis) {
        if let Some(limit) = self.limits.get_mut(limit.place()) {
            limit.demand.did_not_fit(amount, now);
            limit.asked_since.get_or_insert(now);
        }
    }

    /// What a limit lets through while the ledger does not answer: nothing, unless a policy says so.
    pub fn let_fail_open(&mut self, limit: SharedNo, fail_open: Option<FailOpen>) {
        if let Some(limit) = self.limits.get_mut(limit.place()) {
            limit.fail_open = fail_open;
        }
    }

    fn open_at(&self, limit: &HeldLimit, rolls: bool) -> Option<OpenAt> {
        let fail_open = limit.fail_open.filter(|_| limit.named && !self.closing && !self.void)?;
        Some(OpenAt { fail_open, heard_at: self.heard_at, rolls })
    }

    /// Whether so much may be reserved though it was not granted: the ledger does not answer, and the policy allows it.
    /// `rolls`: the window of the limit does, so that its accounts count together.
    #[must_use]
    pub fn fits_open(&self, limit: SharedNo, amount: u64, rolls: bool, now: Millis) -> bool {
        let limit = self.limits.get(limit.place());
        limit.is_some_and(|limit| self.open_at(limit, rolls).is_some_and(|open| limit.fits_open(amount, open, now)))
    }

    /// Takes so much that [fits so](Self::fits_open), and says of which account: of `period`, which the gateway's clock
    /// says, if the ledger has not said any. `wall` is the time since 1970.
    pub fn reserve_open(&mut self, limit: SharedNo, amount: u64, period: Period, wall: Millis, now: Millis) -> HeldNo {
        let heard_at = self.heard_at;
        let Some(held) = self.limits.get_mut(limit.place()) else { return HeldNo { limit: limit.0, serial: 0 } };
        let lost_at = wall.saturating_sub(now.saturating_sub(held.lost_since(heard_at, now)).max(0));
        let serial = held.reserve_open(amount, period, wall, now);
        if self.state.lost_at.is_none() {
            // Zero is none on disk.
            (self.state.lost_at, self.unwritten) = (Some(lost_at.max(1)), true);
        }
        HeldNo { limit: limit.0, serial }
    }

    /// What may be reserved of a limit beyond what is free; absent while the ledger answers, or if nothing may be.
    #[must_use]
    pub fn allowance(&self, limit: SharedNo, rolls: bool, now: Millis) -> Option<u64> {
        let limit = self.limits.get(limit.place())?;
        let open = self.open_at(limit, rolls)?;
        limit.is_lost(now).then(|| limit.allowance(open, now))
    }

    /// How a limit stands that may fail open; absent for one that may not.
    #[must_use]
    pub fn fail_open_state(&self, limit: SharedNo, rolls: bool, now: Millis) -> Option<FailOpenState> {
        let limit = self.limits.get(limit.place())?;
        let open = self.open_at(limit, rolls)?;
        let lasts = limit.lasts(open, now).map(|lasts| u64::try_from(lasts).unwrap_or(0));
        Some(FailOpenState { most: open.fail_open.most, owed: limit.owed(now, rolls), lasts })
    }

    /// Ends a reservation: `actual` is spent, the rest is free again, or given back if the account's time is over. More
    /// than was reserved is a debt.
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

    /// Counts what is spent without asking.
    pub fn charge(&mut self, limit: SharedNo, amount: u64, now: Millis) {
        if let Some(limit) = self.limits.get_mut(limit.place()) {
            limit.charge(amount, now);
        }
    }

    /// Takes what the ledger says. Write the journal before anything else is sent.
    pub fn take(&mut self, grants: &Grants, now: Millis) -> MessageOutcome {
        if grants.epoch != self.state.epoch {
            return MessageOutcome::Stale;
        }
        if grants.term > self.state.term {
            self.state.term = grants.term;
            self.unwritten = true;
            self.say_all();
            // It was granted nothing yet by who has not heard what it holds.
            return MessageOutcome::Followed;
        }
        let sent = self.sent.iter().find(|(number, _)| *number == grants.answers).map(|(_, sent)| *sent);
        let (Some(sent), true) = (sent, grants.term == self.state.term) else { return MessageOutcome::Stale };
        if grants.void {
            self.void = true;
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
            limit.heard(grants.answers);
            limit.answered(now);
        });
        self.heard_at = self.heard_at.max(now);
        if self.state.lost_at.is_some() && self.limits.iter().all(|limit| limit.unavailable_since.is_none()) {
            (self.state.lost_at, self.unwritten) = (None, true);
        }
        MessageOutcome::Yes
    }

    /// A stream to the ledger has begun: what was sent on the one before may be lost.
    pub fn connected(&mut self) {
        self.say_all();
    }

    fn say_all(&mut self) {
        self.whole = Whole::Owed;
        self.limits.iter_mut().for_each(HeldLimit::unsaid_again);
    }

    /// How soon a report is due: at once, within 5 s, within 30 s.
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
        // Whoever waits hears within a second whether the ledger is there.
        let silent = self.sent.back().is_none_or(|(_, sent)| now.saturating_sub(*sent) >= AGAIN);
        if owes || self.limits.iter().any(|limit| limit.is_urgent(now, AGAIN) || (silent && limit.waits())) {
            return Due::Now;
        }
        match self.limits.iter().any(|limit| limit.is_unsaid() || !limit.is_durable()) {
            true => Due::Soon,
            false => Due::Seldom,
        }
    }

    /// What the ledger is to know now, to be sent at once; absent if nothing is shared. The journal is written before.
    pub fn report(&mut self, now: Millis) -> Option<UsageReport> {
        (self.due(now) > Due::Never).then(|| self.next_report(now))
    }

    /// The last word: everything that is free is given back, and nothing is reserved or taken from now on. What is still
    /// reserved is spent: nobody will hear what became of it. The journal is written before it is sent. It is sent again until it is [confirmed](Self::is_confirmed).
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
        let mut said = Said::default();
        for limit in &mut self.limits {
            limit.tidy(now, oldest, self.closing);
            limit.report(number, now, whole, &mut said);
        }
        UsageReport {
            epoch: self.state.epoch,
            term: self.state.term,
            number,
            whole,
            accounts: said.accounts,
            wanted: if self.closing { Vec::new() } else { said.wanted },
            last: self.closing,
        }
    }

    /// Whether the ledger has durably what the last word said, or knows this holder no more.
    #[must_use]
    pub fn is_confirmed(&self) -> bool {
        self.void || self.limits.iter().all(HeldLimit::is_durable)
    }

    /// What the ledger may not have yet: accounts whose sums it has not confirmed.
    pub fn unconfirmed(&self) -> impl Iterator<Item = HeldState> {
        self.limits.iter().flat_map(HeldLimit::unconfirmed)
    }

    /// Begins a new journal, after [`MessageOutcome::Void`]: nothing is held any more. What is still reserved counts, when it is
    /// settled, on the account that the limit then has.
    pub fn begin_anew(&mut self, epoch: u64) {
        let epoch = epoch.max(self.state.epoch.saturating_add(1));
        for (place, limit) in self.limits.iter_mut().enumerate() {
            let limit_no = u32::try_from(place).unwrap_or(u32::MAX);
            self.forgotten.extend(limit.drop_accounts().map(|serial| HeldNo { limit: limit_no, serial }));
        }
        self.state = HolderState { epoch, runs: 0, ..self.state };
        (self.number, self.void, self.unwritten) = (0, false, true);
        self.sent.clear();
        self.say_all();
    }

    /// Gives out what has to be written since the last call: the holder itself first.
    pub fn journal(&mut self, mut each: impl FnMut(JournalWrite)) {
        if std::mem::take(&mut self.unwritten) {
            each(JournalWrite::Holder(self.state));
        }
        for (place, limit) in self.limits.iter_mut().enumerate() {
            let no = u32::try_from(place).unwrap_or(u32::MAX);
            for state in limit.unwritten() {
                each(JournalWrite::Account(HeldNo { limit: no, serial: state.0 }, state.1));
            }
        }
        self.forgotten.drain(..).for_each(|no| each(JournalWrite::Forgotten(no)));
    }

    /// How the limit stands over all gateways; absent until the ledger has said so.
    #[must_use]
    pub fn fleet(&self, limit: SharedNo, now: Millis) -> Option<FleetView> {
        self.limits.get(limit.place())?.fleet(now)
    }

    /// What all gateways have spent in the window: what the ledger said, and what this one has spent since.
    #[must_use]
    pub fn used(&self, limit: SharedNo, now: Millis) -> u64 {
        self.limits.get(limit.place()).map_or(0, |limit| limit.used(now))
    }

    /// Whether the ledger has said of late how the limit stands, and can grant: who is not granted enough then has to wait
    /// for other holders, and not for the ledger.
    #[must_use]
    pub fn is_answered(&self, limit: SharedNo, now: Millis) -> bool {
        self.limits.get(limit.place()).is_some_and(|limit| limit.is_answered(now, ANSWERED))
    }

    /// The period that is reserved from; absent until something of it was granted.
    #[must_use]
    pub fn period(&self, limit: SharedNo, now: Millis) -> Option<Period> {
        let held = self.limits.get(limit.place())?.current(now)?;
        Some(Period { start: held.start, end: held.end })
    }

    /// Whether it has no account at all: there is nothing that the ledger could lose.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.limits.iter().all(|limit| limit.accounts.is_empty())
    }

    /// What can be reserved of a limit now, without asking.
    #[must_use]
    pub fn free(&self, limit: SharedNo, now: Millis) -> u64 {
        let limit = self.limits.get(limit.place());
        limit.and_then(|limit| limit.current(now)).map_or(0, |held| held.account.free())
    }
}
