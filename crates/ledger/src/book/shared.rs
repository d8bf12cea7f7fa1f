//! The limits of a book that the ledger grants, and the slots of their accounts in the page file.

use std::time::Duration;

use outrigger_core::{Millis, Period};

use super::held_slots::HeldSlots;
use super::limit::LimitAccounts;
use super::page_runs::PageRuns;
use super::slots::{PageSlots, SlotOwner};
use super::waiting::OtherHalf;
use super::{LimitNo, Refused, SharedState, State};
use crate::page::{GrantedTo, PageRecord, WrittenRecord};
use crate::protocol::{FleetAccount, Grants, LimitKey, UsageReport};
use crate::shared::holder::{
    Due, FailOpen, FleetView, HeldNo, HeldShort, HeldState, Holder, HolderState, JournalChange, MessageOutcome,
    SharedNo,
};

/// The limits that the ledger grants.
#[derive(Debug)]
pub(super) struct SharedLimits {
    holder: Holder,
    /// By the number of the limit in its book, for limits that the ledger grants.
    numbers: Vec<Option<GrantedLimit>>,
    /// The limits before the last policy was adopted.
    former: Vec<Option<GrantedLimit>>,
    slots: HeldSlots,
    /// As in the header of the file.
    written: Option<HolderState>,
    /// By the monotonic clock.
    steady: Millis,
    close: Close,
}

/// A limit that the ledger grants.
#[derive(Clone, Copy, Debug)]
struct GrantedLimit {
    no: SharedNo,
    /// What it lets pass while the ledger does not answer.
    fail_open: Option<FailOpen>,
}

/// The policy's facts about a limit that is to be reserved from.
#[derive(Clone, Copy, Debug)]
pub(super) struct LimitTerms {
    pub(super) max: u64,
    /// Whether usage leaves the window while its period lasts.
    pub(super) rolls: bool,
}

impl LimitTerms {
    pub(super) fn of(limit: &LimitAccounts) -> LimitTerms {
        LimitTerms { max: limit.max(), rolls: limit.rolls() }
    }
}

/// How an amount fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HeldFit {
    Granted,
    /// No grant covers it: the ledger does not answer, and the policy lets it pass.
    Open,
}

/// The progress of the final report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Close {
    Open,
    Requested,
    Reported,
}

/// An account of a page file, before its holder is known.
#[derive(Debug)]
pub(super) struct FoundAccount {
    slot: u32,
    to: GrantedTo,
    state: HeldState,
}

impl FoundAccount {
    pub(super) fn of(record: &PageRecord, to: GrantedTo) -> Self {
        let PageRecord { slot, period, counters, reserved, .. } = *record;
        let limit = LimitKey::new(record.name(), record.unit());
        let state = HeldState { limit, start: period.start, end: period.end, counters, reserved };
        FoundAccount { slot, to, state }
    }
}

impl SharedLimits {
    pub(super) fn begin(wall: Millis, steady: Millis) -> Self {
        Self::with(Holder::new(u64::try_from(wall).unwrap_or(0).max(1)).begun_at(steady), steady)
    }

    fn with(holder: Holder, steady: Millis) -> Self {
        let (numbers, former, slots) = (Vec::new(), Vec::new(), HeldSlots::default());
        SharedLimits { holder, numbers, former, slots, written: None, steady, close: Close::Open }
    }

    /// Continues with a journal. Accounts of an earlier journal are removed.
    pub(super) fn restore(
        state: HolderState,
        found: Vec<FoundAccount>,
        pages: &mut PageSlots,
        steady: Millis,
        wall: Millis,
    ) -> Self {
        let term = found.iter().map(|one| one.to.term).fold(state.term, Ord::max);
        let (own, others): (Vec<_>, Vec<_>) = found.into_iter().partition(|one| one.to.epoch == state.epoch);
        let places: Vec<u32> = own.iter().map(|one| one.slot).collect();
        let accounts = own.into_iter().map(|one| one.state);
        let (holder, numbers) = Holder::restore(HolderState { term, ..state }, accounts, steady, wall);
        let mut shared = Self::with(holder, steady);
        for (no, slot) in numbers.iter().zip(&places) {
            if shared.slots.get(*no).is_none() && pages.own(*slot, SlotOwner::Granted) {
                shared.slots.insert(*no, *slot);
            }
        }
        // Accounts of a void or closed journal, and duplicates.
        let gone = places.into_iter().chain(others.into_iter().map(|one| one.slot));
        for slot in gone.filter(|slot| !shared.slots.contains(*slot)) {
            if pages.own(slot, SlotOwner::Granted) {
                pages.give_back(slot);
            }
        }
        shared
    }

    /// Adopts those limits of a policy that the ledger grants: amounts held of other limits are returned.
    pub(super) fn adopt(&mut self, limits: &[(LimitNo, LimitKey, Option<FailOpen>)]) {
        let numbers = self.holder.adopt(limits.iter().map(|(_, id, _)| id));
        let mut by_limit = Vec::new();
        for ((limit, _, fail_open), no) in limits.iter().zip(numbers) {
            if by_limit.len() <= limit.place() {
                by_limit.resize(limit.place() + 1, None);
            }
            if let Some(place) = by_limit.get_mut(limit.place()) {
                *place = Some(GrantedLimit { no, fail_open: *fail_open });
            }
            self.holder.let_fail_open(no, *fail_open);
        }
        self.former = std::mem::replace(&mut self.numbers, by_limit);
    }

    /// The limits that the ledger granted before the last policy was adopted.
    pub(super) fn former(&self) -> impl Iterator<Item = (LimitNo, Option<FailOpen>)> + '_ {
        let numbers = self.former.iter().zip(0..);
        numbers.filter_map(|(granted, limit)| granted.map(|granted| (LimitNo(limit), granted.fail_open)))
    }

    pub(super) fn number(&self, limit: LimitNo) -> Option<SharedNo> {
        self.numbers.get(limit.place()).copied().flatten().map(|granted| granted.no)
    }

    pub(super) fn move_steadily(&mut self, steady: Millis) {
        self.steady = self.steady.max(steady);
    }

    /// Whether this much could be reserved. If not, it is requested.
    ///
    /// What can't fit is refused whatever is granted: after a limit was lowered, gateways hold more than it allows. For
    /// a limit that `rolls`, it is unknown here what has left the window since the ledger reported its state.
    pub(super) fn fits(
        &mut self,
        limit: LimitNo,
        no: SharedNo,
        amount: u64,
        terms: LimitTerms,
        other_half: Option<OtherHalf>,
    ) -> Result<HeldFit, Refused> {
        let LimitTerms { max: own, rolls } = terms;
        // Few limits are raised: it is looked at only where the limit itself does not suffice.
        let max = if amount > own { self.raised(no, own) } else { own };
        if amount > max {
            return Err(Refused::Exhausted { limit, spent: self.used(no), max, until: None });
        }
        if let Some(period) = self.holder.period(no, self.steady).filter(|_| !rolls) {
            let spent = self.used(no);
            let all = spent.saturating_add(amount);
            if all > max && all > self.raised(no, own) {
                return Err(Refused::Exhausted { limit, spent, max: self.raised(no, own), until: period.end });
            }
        }
        let short = match self.holder.fits(no, amount, self.steady) {
            Ok(()) if other_half.is_none_or(|half| half.has_room_for(amount)) => return Ok(HeldFit::Granted),
            Ok(()) => HeldShort::Contended,
            Err(short) => short,
        };
        match other_half {
            Some(half) => self.holder.wait_beside(no, half.needs(amount), self.steady),
            None => self.holder.wait(no, amount, self.steady),
        }
        if self.holder.fits_open(no, amount, rolls, self.steady) {
            return Ok(HeldFit::Open);
        }
        Err(match short {
            HeldShort::NotGranted if self.holder.is_answered(no, self.steady) => Refused::Contended { limit },
            HeldShort::NotGranted => Refused::NotGranted { limit },
            HeldShort::Contended => Refused::Contended { limit },
            // The ledger reported a lower limit: it will get this one soon.
            HeldShort::Spent { .. }
                if self.fleet(no).is_some_and(|fleet| fleet.account.limit < self.raised(no, own)) =>
            {
                Refused::NotGranted { limit }
            }
            HeldShort::Spent { until } => {
                Refused::Exhausted { limit, spent: self.used(no), max: self.raised(no, own), until }
            }
        })
    }

    /// What may be reserved without asking.
    pub(super) fn free(&self, no: SharedNo) -> u64 {
        self.holder.free(no, self.steady)
    }

    /// One of those that wait in turn was served.
    pub(super) fn served_in_turn(&mut self, no: SharedNo) {
        self.holder.served_in_turn(no);
    }

    /// Reserves an amount that [fits](Self::fits): nothing was reserved or returned since that was checked.
    pub(super) fn reserve_fitting(&mut self, no: SharedNo, amount: u64) -> Option<HeldNo> {
        self.holder.reserve_fitting(no, amount, self.steady)
    }

    /// Reserves an amount that [fits](HeldFit::Open) without a grant. `period` is the current one, by the gateway's
    /// clock.
    pub(super) fn reserve_open(&mut self, no: SharedNo, amount: u64, period: Period, wall: Millis) -> HeldNo {
        self.holder.reserve_open(no, amount, period, wall, self.steady)
    }

    pub(super) fn settle(&mut self, held: HeldNo, reserved: u64, actual: u64) {
        self.holder.settle(held, reserved, actual, self.steady);
    }

    /// When the period of an account began.
    pub(super) fn start(&self, held: HeldNo) -> Option<Millis> {
        self.holder.start(held)
    }

    /// What was spent in a period that began then and is over.
    pub(super) fn ended(&self, no: SharedNo, start: Millis) -> Option<u64> {
        let current = self.holder.period(no, self.steady).is_some_and(|period| period.start == start);
        if current { None } else { self.holder.spent_since(no, start) }
    }

    pub(super) fn charge(&mut self, no: SharedNo, amount: u64) {
        self.holder.charge(no, amount, self.steady);
    }

    /// What all gateways have spent, as far as it is known here.
    pub(super) fn used(&self, no: SharedNo) -> u64 {
        self.holder.used(no, self.steady)
    }

    /// A limit as policies say, with what it is raised by for a time.
    fn raised(&self, no: SharedNo, max: u64) -> u64 {
        max.saturating_add(self.fleet(no).map_or(0, |fleet| fleet.account.raised))
    }

    /// What all gateways have spent, as a part of what policies allow.
    pub(super) fn used_of_policy(&self, no: SharedNo) -> u64 {
        let used = self.used(no);
        match self.fleet(no).map(|fleet| fleet.account).filter(|account| account.raised > 0) {
            Some(FleetAccount { limit, raised, .. }) => {
                let part = u128::from(used) * u128::from(limit.saturating_sub(raised)) / u128::from(limit.max(1));
                u64::try_from(part).unwrap_or(u64::MAX)
            }
            None => used,
        }
    }

    /// What no gateway has spent or reserved, as far as it is known here: amounts that others merely hold are returned.
    /// While the ledger does not answer, what this gateway may reserve.
    pub(super) fn available(&self, no: SharedNo, LimitTerms { max, rolls }: LimitTerms) -> u64 {
        let max = self.raised(no, max);
        let free = self.holder.free(no, self.steady);
        if let Some(allowance) = self.holder.allowance(no, rolls, self.steady) {
            return free.saturating_add(allowance).min(max);
        }
        let gone = self.fleet(no).map_or(0, |fleet| fleet.account.reserved.saturating_add(fleet.account.unconfirmed));
        let left = max.saturating_sub(self.used(no));
        left.saturating_sub(gone).max(free.min(if rolls { max } else { left }))
    }

    /// The age of the information about other gateways.
    pub(super) fn age(&self, no: SharedNo) -> Duration {
        let age = |fleet: FleetView| {
            let since = u64::try_from(self.steady.saturating_sub(fleet.reported_at)).unwrap_or(0);
            Duration::from_millis(since.saturating_add(fleet.account.age_ms))
        };
        self.fleet(no).map_or(Duration::ZERO, age)
    }

    pub(super) fn state(&self, no: SharedNo, LimitTerms { max, rolls }: LimitTerms) -> State {
        let fleet = self.fleet(no).map(|fleet| fleet.account).unwrap_or_default();
        let period = self.holder.period(no, self.steady);
        State {
            spent: self.used(no),
            reserved: fleet.reserved,
            max: max.saturating_add(fleet.raised),
            start: period.map_or(0, |period| period.start),
            end: period.and_then(|period| period.end),
            shared: Some(SharedState {
                free: self.holder.free(no, self.steady),
                unconfirmed: fleet.unconfirmed,
                age: self.age(no),
                fail_open: self.holder.fail_open_state(no, rolls, self.steady),
            }),
        }
    }

    fn fleet(&self, no: SharedNo) -> Option<FleetView> {
        self.holder.fleet(no, self.steady)
    }

    /// Whether the ledger has reported the state of a limit.
    pub(super) fn is_known(&self, no: SharedNo) -> bool {
        self.fleet(no).is_some()
    }

    /// Whether anything has passed without a grant since the last answer of the ledger.
    pub(super) fn is_lost(&self) -> bool {
        self.holder.state().lost_at.is_some()
    }

    pub(super) fn due(&self) -> Due {
        match self.close {
            Close::Requested => Due::Now,
            _ => self.holder.due(self.steady),
        }
    }

    pub(super) fn connected(&mut self) {
        self.holder.connected();
    }

    pub(super) fn report(&mut self) -> Option<UsageReport> {
        match self.close {
            Close::Open => self.holder.report(self.steady),
            Close::Requested | Close::Reported => {
                self.close = Close::Reported;
                Some(self.holder.last_report(self.steady))
            }
        }
    }

    pub(super) fn take(&mut self, grants: &Grants, wall: Millis) -> MessageOutcome {
        let taken = self.holder.take(grants, self.steady);
        if taken == MessageOutcome::Void && self.close == Close::Open {
            self.holder.begin_anew(u64::try_from(wall).unwrap_or(0));
        }
        taken
    }

    /// The next report is the last one.
    pub(super) fn close(&mut self) {
        if self.close == Close::Open {
            self.close = Close::Requested;
        }
    }

    /// Whether the ledger has confirmed the final report, or there is nothing that it could lose.
    pub(super) fn is_closed(&self) -> bool {
        self.holder.is_empty() || (self.close == Close::Reported && self.holder.is_confirmed())
    }

    pub(super) fn unconfirmed(&self) -> impl Iterator<Item = HeldState> + '_ {
        self.holder.unconfirmed()
    }

    /// Adds the pending writes of the accounts; changed slots and freed slots are marked.
    pub(super) fn writes(&mut self, pages: &mut PageSlots, runs: &mut PageRuns, each: &mut impl FnMut(u32, &[u8])) {
        let SharedLimits { holder, slots, written, .. } = self;
        let HolderState { epoch, term, .. } = holder.state();
        holder.journal_in_place(|change| match change {
            JournalChange::Holder(state) => {
                *written = Some(state);
                pages.touch(0);
            }
            JournalChange::Account(no, limit, account) => {
                let slot = slots.get(no).unwrap_or_else(|| {
                    let slot = pages.take_for(SlotOwner::Granted);
                    slots.insert(no, slot);
                    slot
                });
                let record = WrittenRecord {
                    slot,
                    name: &limit.limit,
                    unit: &limit.unit,
                    period: account.period(),
                    last: account.period().start,
                    counters: account.counters(),
                    reserved: account.reserved(),
                    granted_to: Some(GrantedTo { epoch, term }),
                };
                runs.add(slot, |bytes| record.write(bytes), each);
            }
            JournalChange::Forgotten(no) => {
                if let Some(slot) = slots.remove(no) {
                    pages.give_back(slot);
                }
            }
        });
    }

    /// As in the header.
    pub(super) fn written(&self) -> Option<HolderState> {
        self.written
    }
}
