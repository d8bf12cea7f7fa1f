//! All accounts of a process.

mod clock;
mod held_slots;
mod limit;
mod page_runs;
mod shared;
mod slots;
mod waiting;

use std::collections::HashMap;
use std::mem;
use std::sync::Arc;
use std::time::Duration;

use outrigger_core::{Millis, Periods};
use smallvec::SmallVec;

use crate::page::{self, Damaged, PageRecord, SLOT};
use crate::protocol::{Grants, LimitKey, UsageReport};
use crate::reservation::{INLINE, Reservation, ReservedLine, ReservedOf, Settled};
use crate::shared::can_be_shared;
use crate::shared::holder::{Due, FailOpen, FailOpenState, HeldState, HolderState, MessageOutcome, SharedNo};
use clock::BookClock;
use limit::{Identity, LimitAccounts};
use page_runs::PageRuns;
use shared::{FoundAccount, HeldFit, LimitTerms, SharedLimits};
use slots::{PageSlots, SlotOwner};
pub use waiting::WaitingPlace;
use waiting::{OtherHalf, WaitingLine};

/// How often limits that no policy names are checked.
const SWEEP: Millis = 3_600_000;
/// An account that was used more than this after now was used with a wrong clock. A clock that is merely adjusted steps
/// back by less.
const AHEAD: Millis = 86_400_000;

/// An amount in a window.
#[derive(Clone, Debug)]
pub struct LimitSpec {
    /// Identifies its accounts, together with the unit: `Budget search/team`.
    pub name: String,
    /// The counted unit; at most 16 bytes are kept.
    pub unit: &'static str,
    pub max: u64,
    pub window: Periods,
    /// What passes while the ledger that grants it does not answer. Absent: nothing.
    pub fail_open: Option<FailOpen>,
}

/// A limit in its book: the same for the lifetime of the book, whatever policies are adopted.
#[derive(Copy, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct LimitNo(u32);

/// Who grants what limits allow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Granter {
    /// The book itself: each limit in full.
    #[default]
    Itself,
    /// The ledger, from which the book requests a part.
    Ledger,
}

/// Why nothing was reserved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// It would not fit even if every reservation came back unused.
    Exhausted {
        limit: LimitNo,
        spent: u64,
        max: u64,
        /// When the period ends, or when enough has left a rolling window. Absent if waiting does not help: the window
        /// never ends, or the request asks for more than the whole limit.
        until: Option<Millis>,
    },
    /// It would fit if other reservations were returned: of this process, or of others that share the limit.
    Contended { limit: LimitNo },
    /// The ledger has not granted enough, and is not known to answer. The next report asks for it.
    NotGranted { limit: LimitNo },
}

impl Refused {
    /// The limit that has no room.
    #[must_use]
    pub fn limit(&self) -> LimitNo {
        match self {
            Refused::Exhausted { limit, .. } | Refused::Contended { limit } | Refused::NotGranted { limit } => *limit,
        }
    }

    /// Until when it has no room. Forever if waiting does not help; unknown if others hold the amount, or if the ledger
    /// must answer first.
    fn lasts(&self) -> Millis {
        match self {
            Refused::Exhausted { until, .. } => until.unwrap_or(Millis::MAX),
            Refused::Contended { .. } => Millis::MIN,
            Refused::NotGranted { .. } => Millis::MIN + 1,
        }
    }
}

/// The state of a limit. Of a shared limit: over all gateways that share it, as far as it is known here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct State {
    pub spent: u64,
    pub reserved: u64,
    pub max: u64,
    /// When its period began; of a rolling window, the first instant that counts.
    pub start: Millis,
    /// When its period ends. Of a rolling window: when some of its usage will have left, and if it is exhausted, when
    /// there will be room.
    pub end: Option<Millis>,
    /// Of a limit that the ledger grants.
    pub shared: Option<SharedState>,
}

/// Facts about a shared limit that others do not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SharedState {
    /// What this process may reserve without a request to the ledger.
    pub free: u64,
    /// What lost gateways may have spent: those that ended without a last report. It counts as spent.
    pub unconfirmed: u64,
    /// The age of the information about other gateways.
    pub age: Duration,
    /// Of one that may fail open.
    pub fail_open: Option<FailOpenState>,
}

/// The result of reading a page file.
#[must_use = "an account that is damaged may hide what was spent"]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Restored {
    pub accounts: usize,
    /// Accounts with amounts in flight, which count as spent.
    pub in_flight: usize,
    /// Accounts that were used more than a day later than now: the clock is wrong, or was.
    pub ahead: usize,
    /// It is unknown what these accounts have spent. Whoever continues without them must report it.
    pub damaged: Vec<Damaged>,
}

/// All accounts of a process. For one thread at a time: its user keeps it in a mutex, and does not await while holding
/// the lock.
///
/// The book never uses an earlier time than the latest it has seen, so a clock that steps back does not return to an
/// old period. If the book also gets the time of a [monotonic clock](Book::move_steadily), it follows a clock that
/// jumps ahead only until that clock is corrected. Then the accounts of the right period count again, with everything
/// that was spent on them. Limits that policies no longer name keep their numbers, for requests in progress.
#[derive(Debug)]
pub struct Book {
    limits: Vec<LimitAccounts>,
    numbers: HashMap<Arc<Identity>, LimitNo>,
    slots: PageSlots,
    runs: PageRuns,
    clock: BookClock,
    /// Not set before a policy was adopted: until then it is unknown what may be forgotten.
    sweep_at: Millis,
    /// The state before the last policy was adopted.
    former_sweep: Millis,
    open: usize,
    /// From the first limit on that the ledger grants.
    shared: Option<SharedLimits>,
    /// Accounts that the ledger granted, until their holder is known.
    found: Vec<FoundAccount>,
    /// By the monotonic clock.
    steady: Millis,
    waiting: WaitingLine,
}

impl Default for Book {
    fn default() -> Self {
        Book::new()
    }
}

impl Book {
    #[must_use]
    pub fn new() -> Book {
        let (slots, never) = (PageSlots::new(), Millis::MAX);
        let (limits, numbers) = (Vec::new(), HashMap::new());
        let (shared, found) = (None, Vec::new());
        Book {
            limits,
            numbers,
            slots,
            runs: PageRuns::default(),
            clock: BookClock::default(),
            sweep_at: never,
            former_sweep: never,
            open: 0,
            shared,
            found,
            steady: 0,
            waiting: WaitingLine::default(),
        }
    }

    /// Takes over the accounts of a page file, before anything else is done. Amounts in flight count as spent. An
    /// account that occurs twice is merged by the higher value of each counter. A damaged slot is never overwritten.
    ///
    /// If the clock has stepped back since by at most a day, the book stays in the later period. A clock that was
    /// further ahead was wrong, and its accounts must not block every request until their time has come. Those accounts
    /// stay unchanged and count in the windows that contain their time.
    pub fn restore(&mut self, records: impl IntoIterator<Item = Result<PageRecord, Damaged>>, now: Millis) -> Restored {
        let farthest = now.saturating_add(AHEAD);
        let mut restored = Restored::default();
        for record in records {
            match record {
                Ok(record) => {
                    restored.accounts += 1;
                    restored.in_flight += usize::from(record.reserved() > 0);
                    if let Some(to) = record.granted_to() {
                        self.found.push(FoundAccount::of(&record, to));
                        continue;
                    }
                    match record.last <= farthest {
                        true => self.clock.was_at(record.last),
                        false => restored.ahead += 1,
                    }
                    let no = self.number(Identity::new(record.name(), record.unit()));
                    if let Some(limit) = self.limits.get_mut(no.place()) {
                        limit.restore(&record, &mut self.slots);
                    }
                }
                Err(damaged) => {
                    self.slots.own(damaged.slot, SlotOwner::Damaged);
                    restored.damaged.push(damaged);
                }
            }
        }
        self.slots.find_free();
        restored
    }

    /// Continues as the holder that a page file names ([`holder_state`](crate::holder_state)), after
    /// [`restore`](Self::restore). `now` is the time since 1970.
    pub fn restore_holder(&mut self, state: Option<HolderState>, now: Millis) {
        let found = mem::take(&mut self.found);
        if let Some(state) = state {
            self.shared = Some(SharedLimits::restore(state, found, &mut self.slots, self.steady, now));
        }
        self.slots.find_free();
    }

    /// Adopts a policy's limits, and returns their numbers in the same order. Accounts are found by name and unit. If
    /// two limits share both, the later one applies.
    ///
    /// Another `max` keeps the account. Another window or zone begins a new account, which counts what was spent in the
    /// overlap. It is unknown how much of an old account falls into the overlap, so the account counts in full if it
    /// was used since the new window's period began. This reaches back as far as accounts are kept: the last 60 that
    /// ended. Limits that are no longer named keep their accounts until these have ended and their reservations are
    /// settled.
    ///
    /// Nothing is forgotten before the next reservation or charge, so that the adoption can be [taken
    /// back](Self::take_back). For the limits of the previous policy, adopting that policy again has the same effect.
    pub fn adopt(&mut self, specs: &[LimitSpec], now: Millis) -> Vec<LimitNo> {
        self.adopt_from(Granter::Itself, specs, now)
    }

    /// Like [`adopt`](Self::adopt), for limits that another grantor may grant: those that [can be
    /// shared](can_be_shared). If the grantor of a limit changes, a new account begins there; what was spent on the
    /// former one is not carried over.
    pub fn adopt_from(&mut self, by: Granter, specs: &[LimitSpec], now: Millis) -> Vec<LimitNo> {
        let at = self.look(now);
        self.limits.iter_mut().for_each(LimitAccounts::leave);
        let mut numbers = Vec::with_capacity(specs.len());
        for spec in specs {
            let no = self.number(Identity::new(&spec.name, spec.unit));
            if let Some(limit) = self.limits.get_mut(no.place()) {
                limit.adopt(spec.max, &spec.window, at, &mut self.slots);
            }
            numbers.push(no);
        }
        self.former_sweep = mem::replace(&mut self.sweep_at, at);
        self.share(by, specs, &numbers, now);
        numbers
    }

    fn share(&mut self, by: Granter, specs: &[LimitSpec], numbers: &[LimitNo], now: Millis) {
        let id = |(spec, no): (&LimitSpec, &LimitNo)| (*no, LimitKey::new(&spec.name, spec.unit), spec.fail_open);
        let shared: Vec<(LimitNo, LimitKey, Option<FailOpen>)> = match by {
            Granter::Itself => Vec::new(),
            Granter::Ledger => {
                let both = specs.iter().zip(numbers);
                both.filter(|(spec, _)| can_be_shared(&spec.window)).map(id).collect()
            }
        };
        if self.shared.is_none() && !shared.is_empty() {
            self.shared = Some(SharedLimits::begin(now, self.steady));
        }
        if let Some(limits) = &mut self.shared {
            limits.adopt(&shared);
        }
    }

    /// Takes back the last [`adopt`](Self::adopt), before anything else is done. The previous policy continues: each
    /// limit has its former amount and window, with the same amount free. What was granted and given back in between
    /// stays in the sums of the accounts, and is written like everything else. The new numbers stay valid.
    pub fn take_back(&mut self) {
        for limit in &mut self.limits {
            limit.take_back(self.clock.time(), &mut self.slots);
        }
        self.sweep_at = self.former_sweep;
        if let Some(shared) = &mut self.shared {
            let limits = &self.limits;
            let id = |(no, fail_open): (LimitNo, Option<FailOpen>)| {
                limits.get(no.place()).map(|limit| (no, limit.id(), fail_open))
            };
            let former: Vec<(LimitNo, LimitKey, Option<FailOpen>)> = shared.former().filter_map(id).collect();
            shared.adopt(&former);
        }
    }

    /// Reserves all of these amounts, or none. If a limit occurs twice, the sum is reserved.
    ///
    /// If several limits have no room, the error names the one that has no room for the longest time: exhausted limits
    /// before contended ones; of those the one that has room last, and first of all one for which waiting does not
    /// help. So a limit per minute does not hide a monthly one. Among equals the lowest number is named.
    ///
    /// # Errors
    /// The limit that has no room, and why.
    pub fn reserve(&mut self, now: Millis, wants: &[(LimitNo, u64)]) -> Result<Reservation, Refused> {
        self.reserve_from(now, wants, None)
    }

    /// The same for a request that waits if others hold what it wants: then it has a place among those that wait for that
    /// limit, until it [leaves](Self::leave). Half of what is free and of what comes back is kept for the oldest of them.
    ///
    /// # Errors
    /// As [`reserve`](Self::reserve).
    pub fn reserve_in_turn(
        &mut self,
        now: Millis,
        wants: &[(LimitNo, u64)],
        place: &mut Option<WaitingPlace>,
    ) -> Result<Reservation, Refused> {
        let reserved = self.reserve_from(now, wants, *place);
        match &reserved {
            Err(Refused::Contended { limit }) => {
                let of_it = wants.iter().filter(|(wanted, _)| wanted == limit);
                let amount = of_it.fold(0_u64, |sum, (_, amount)| sum.saturating_add(*amount));
                *place = Some(self.waiting.join(*place, *limit, amount));
            }
            // Nothing comes back to those who wait for the ledger: others may spend what is here.
            Err(Refused::NotGranted { .. }) => {
                if let Some(place) = place.take() {
                    self.waiting.leave(place);
                }
            }
            Ok(_) | Err(Refused::Exhausted { .. }) => {}
        }
        reserved
    }

    /// A request waits no more. Says whether others wait for the same limit: they may look again.
    pub fn leave(&mut self, place: WaitingPlace) -> bool {
        self.waiting.leave(place)
    }

    fn reserve_from(
        &mut self,
        now: Millis,
        wants: &[(LimitNo, u64)],
        place: Option<WaitingPlace>,
    ) -> Result<Reservation, Refused> {
        let at = self.move_to(now);
        let in_order;
        let wants = match is_in_order(wants) {
            true => wants,
            false => {
                in_order = put_in_order(wants);
                &in_order[..]
            }
        };
        let mut refused: Option<Refused> = None;
        let mut open: SmallVec<[LimitNo; INLINE]> = SmallVec::new();
        let nobody_waits = self.waiting.is_empty();
        for (no, amount) in wants {
            let granted = self.granted(*no);
            let other_half = if nobody_waits { None } else { self.other_half(*no, place, at) };
            let fits = match self.limits.get_mut(no.place()) {
                Some(limit) if let (Some(held), Some(shared)) = (granted, &mut self.shared) => {
                    shared.fits(*no, held, *amount, LimitTerms::of(limit), other_half)
                }
                Some(limit) => {
                    limit.move_to(at, &mut self.slots);
                    let fits = limit.fits(*amount, at).map(|()| HeldFit::Granted);
                    let is_kept = other_half.is_some_and(|half| !half.has_room_for(*amount));
                    fits.and_then(|fits| if is_kept { Err(Refused::Contended { limit: *no }) } else { Ok(fits) })
                }
                None => Err(Refused::Exhausted { limit: *no, spent: 0, max: 0, until: None }),
            };
            match fits {
                Ok(HeldFit::Granted) => {}
                Ok(HeldFit::Open) => open.push(*no),
                Err(one) if refused.is_none_or(|other| one.lasts() > other.lasts()) => refused = Some(one),
                Err(_) => {}
            }
        }
        if let Some(refused) = refused {
            return Err(refused);
        }
        let mut lines = SmallVec::new();
        for (no, amount) in wants {
            let (no, amount) = (*no, *amount);
            let Some(limit) = self.limits.get_mut(no.place()) else { continue };
            let granted = self.shared.as_mut().and_then(|shared| Some((shared.number(no)?, shared)));
            let of = match granted {
                None => Some(ReservedOf::Slot(limit.reserve(amount, at, &mut self.slots))),
                Some((shared_no, shared)) => {
                    let held = match open.contains(&no) {
                        // The wall clock's time, which may be set back. The book's own time never goes back.
                        true => Some(shared.reserve_open(shared_no, amount, limit.period_at(at), at)),
                        false => shared.reserve_fitting(shared_no, amount),
                    };
                    if !nobody_waits {
                        shared.served_in_turn(shared_no);
                    }
                    held.map(ReservedOf::Held)
                }
            };
            if !nobody_waits {
                self.waiting.took(no, amount);
            }
            lines.extend(of.map(|of| ReservedLine { limit: no, of, amount }));
        }
        self.open += 1;
        Ok(Reservation { lines, open })
    }

    /// What a request finds of a limit, if half of it is kept for another one.
    fn other_half(&mut self, no: LimitNo, place: Option<WaitingPlace>, at: Millis) -> Option<OtherHalf> {
        let (granted, Book { limits, shared, waiting, .. }) = (self.granted(no), self);
        waiting.other_half(no, place, || match (granted, shared) {
            (Some(held), Some(shared)) => shared.free(held),
            _ => limits.get(no.place()).map_or(0, |limit| limit.available(at)),
        })
    }

    /// Ends a reservation: the actual amounts are spent in the periods in which they were reserved, and the rest is
    /// free again. A limit that is absent from `actual` has spent nothing. More than was reserved is counted in full. A
    /// limit that was not reserved is charged at the latest time seen.
    ///
    /// Returns the effect on each limit, so that a caller that watches thresholds sees each crossing exactly once.
    pub fn settle(&mut self, reservation: Reservation, actual: &[(LimitNo, u64)]) -> Settled {
        let spent = |no: LimitNo| {
            let of_it = actual.iter().filter(|(limit, _)| *limit == no);
            of_it.fold(0_u64, |sum, (_, amount)| sum.saturating_add(*amount))
        };
        let Book { limits, slots, clock, shared, .. } = self;
        let at = clock.time();
        let mut settled = Settled::default();
        for line in &reservation.lines {
            let slot = match line.of {
                ReservedOf::Slot(slot) => slot,
                ReservedOf::Held(held) => {
                    let Some(shared) = shared else { continue };
                    let used = |shared: &SharedLimits| shared.number(line.limit).map_or(0, |no| shared.used(no));
                    let before = used(shared);
                    if let Some(start) = shared.start(held) {
                        settled.note_account(line.limit, start);
                    }
                    shared.settle(held, line.amount, spent(line.limit));
                    settled.note(line.limit, before, used(shared));
                    continue;
                }
            };
            let Some(limit) = limits.get_mut(line.limit.place()) else { continue };
            let (amount, before) = (spent(line.limit), limit.used(at));
            match limit.settle(slot, line.amount, amount, slots) {
                Some(start) => settled.note_account(line.limit, start),
                None => {
                    // It belongs to another book. The amount is spent nevertheless, so it must be counted.
                    limit.move_to(at, slots);
                    limit.charge(amount, at, slots);
                }
            }
            settled.note(line.limit, before, limit.used(at));
        }
        let reserved = |no: LimitNo| reservation.lines.iter().any(|line| line.limit == no);
        for (no, amount) in actual.iter().filter(|(no, _)| !reserved(*no)) {
            if let Some(shared) = shared
                && let Some(held) = shared.number(*no)
            {
                let before = shared.used(held);
                shared.charge(held, *amount);
                settled.note(*no, before, shared.used(held));
                continue;
            }
            let Some(limit) = limits.get_mut(no.place()) else { continue };
            let before = limit.used(at);
            // An account whose period has ended must not be used again: it would count in the new period.
            limit.move_to(at, slots);
            limit.charge(*amount, at, slots);
            settled.note(*no, before, limit.used(at));
        }
        self.open = self.open.saturating_sub(1);
        settled
    }

    /// Counts an amount that is already spent.
    pub fn charge(&mut self, now: Millis, amounts: &[(LimitNo, u64)]) {
        let at = self.move_to(now);
        for (no, amount) in amounts.iter().filter(|(_, amount)| *amount > 0) {
            if let (Some(held), Some(shared)) = (self.granted(*no), &mut self.shared) {
                shared.charge(held, *amount);
            } else if let Some(limit) = self.limits.get_mut(no.place()) {
                limit.move_to(at, &mut self.slots);
                limit.charge(*amount, at, &mut self.slots);
            }
        }
    }

    /// The spent amount of a limit, and nothing else: cheap enough for every rule of every request.
    #[must_use]
    pub fn used(&self, limit: LimitNo, now: Millis) -> u64 {
        if let (Some(held), Some(shared)) = (self.granted(limit), &self.shared) {
            return shared.used(held);
        }
        let at = self.clock.seen(now);
        self.limits.get(limit.place()).map_or(0, |limit| limit.used(at))
    }

    /// The same, as a part of what policies allow: while a limit is raised for a time, what is spent is told in proportion, so
    /// that shares of the limit are right.
    #[must_use]
    pub fn used_of_policy(&self, limit: LimitNo, now: Millis) -> u64 {
        if let (Some(held), Some(shared)) = (self.granted(limit), &self.shared) {
            return shared.used_of_policy(held);
        }
        self.used(limit, now)
    }

    /// The account of a limit whose period began at `start`: what of it is spent, and when its period began. A window that
    /// rolls, or never ends, has one account at any time, and no beginning.
    #[must_use]
    pub fn account(&self, limit: LimitNo, start: Millis, now: Millis) -> (u64, Option<Millis>) {
        if let (Some(held), Some(shared)) = (self.granted(limit), &self.shared) {
            let rolls = self.limits.get(limit.place()).is_some_and(LimitAccounts::rolls);
            let ended = shared.ended(held, start).filter(|_| !rolls);
            return (ended.unwrap_or_else(|| shared.used(held)), (!rolls && start > 0).then_some(start));
        }
        let at = self.clock.seen(now);
        self.limits.get(limit.place()).map_or((0, None), |limit| limit.account(start, at))
    }

    /// The age of the information about others that share a limit; zero if the limit is not shared.
    #[must_use]
    pub fn age(&self, limit: LimitNo) -> Duration {
        let shared = self.shared.as_ref().zip(self.granted(limit));
        shared.map_or(Duration::ZERO, |(shared, held)| shared.age(held))
    }

    /// The state of a limit; all zeros for a number of another book. For a rolling window it is slow to compute when
    /// there is room again: use [`used`](Self::used) or [`available`](Self::available) if that is not needed.
    #[must_use]
    pub fn state(&self, limit: LimitNo, now: Millis) -> State {
        let at = self.clock.seen(now);
        if let (Some(held), Some(shared)) = (self.granted(limit), &self.shared) {
            return shared.state(held, self.terms(limit));
        }
        let nothing = State { spent: 0, reserved: 0, max: 0, start: 0, end: None, shared: None };
        self.limits.get(limit.place()).map_or(nothing, |limit| limit.state(at))
    }

    /// How much could be reserved of this limit alone. Of a shared limit: if the others returned what they have not
    /// reserved.
    #[must_use]
    pub fn available(&self, limit: LimitNo, now: Millis) -> u64 {
        if let (Some(held), Some(shared)) = (self.granted(limit), &self.shared) {
            return shared.available(held, self.terms(limit));
        }
        let at = self.clock.seen(now);
        self.limits.get(limit.place()).map_or(0, |limit| limit.available(at))
    }

    /// The number of reservations that are not settled. Without a request in progress it must be zero; otherwise a
    /// reservation was lost.
    #[must_use]
    pub fn open(&self) -> usize {
        self.open
    }

    /// Returns what has to be written to the page file since the last call: the bytes at `slot * SLOT`, each slot once,
    /// in the order of writing. The header is last, because it counts the slots before it.
    ///
    /// An attempt may be sent only after the writes that follow its reservation are complete. Two calls must not
    /// overtake each other on their way to the file: write before the next caller gets the book, or pass the writes to
    /// one writer in order.
    pub fn writes(&mut self, mut each: impl FnMut(u32, &[u8; SLOT])) {
        self.write_runs(|first, bytes| {
            let (slots, _) = bytes.as_chunks();
            (first..).zip(slots).for_each(|(slot, bytes)| each(slot, bytes));
        });
    }

    /// The same, with slots that follow each other in one piece: the number of the first one, and the bytes of all.
    pub fn write_runs(&mut self, mut each: impl FnMut(u32, &[u8])) {
        let Book { limits, slots, runs, shared, .. } = self;
        if let Some(shared) = shared {
            shared.writes(slots, runs, &mut each);
        }
        let count = slots.count();
        let mut header = false;
        for (slot, owner) in slots.drain() {
            match owner {
                SlotOwner::Header => header = true,
                SlotOwner::Free => runs.add(slot, |bytes| page::write_free(bytes, slot), &mut each),
                SlotOwner::Damaged | SlotOwner::Granted => {}
                SlotOwner::Limit(no) => {
                    if let Some(written) = limits.get(no.place()).and_then(|limit| limit.written(slot)) {
                        runs.add(slot, |bytes| written.write(bytes), &mut each);
                    }
                }
            }
        }
        runs.finish(&mut each);
        if header {
            let holder = shared.as_ref().and_then(SharedLimits::written);
            runs.add(0, |bytes| page::write_header(bytes, count, holder), &mut each);
            runs.finish(&mut each);
        }
    }

    /// Returns a slot once more, because the file could not be written.
    pub fn write_again(&mut self, slot: u32) {
        self.slots.touch(slot);
    }

    fn granted(&self, limit: LimitNo) -> Option<SharedNo> {
        self.shared.as_ref()?.number(limit)
    }

    fn terms(&self, limit: LimitNo) -> LimitTerms {
        self.limits.get(limit.place()).map_or(LimitTerms { max: 0, rolls: false }, LimitTerms::of)
    }

    /// The current time of the book.
    fn move_to(&mut self, now: Millis) -> Millis {
        let at = self.look(now);
        if at >= self.sweep_at && self.clock.is_believed() {
            self.sweep(at);
        }
        at
    }

    /// Reads the clock. If a wrong clock was corrected, the accounts of the right time count again.
    fn look(&mut self, now: Millis) -> Millis {
        let before = self.clock.time();
        let at = self.clock.see(now);
        if at < before {
            self.limits.iter_mut().for_each(|limit| limit.go_back(at));
            if self.sweep_at < Millis::MAX {
                self.sweep_at = self.sweep_at.min(at);
            }
        }
        at
    }

    fn sweep(&mut self, at: Millis) {
        self.sweep_at = at.saturating_add(SWEEP);
        for limit in &mut self.limits {
            limit.sweep(at, &mut self.slots);
        }
    }

    fn number(&mut self, identity: Identity) -> LimitNo {
        if let Some(no) = self.numbers.get(&identity) {
            return *no;
        }
        let no = LimitNo(u32::try_from(self.limits.len()).unwrap_or(u32::MAX));
        let identity = Arc::new(identity);
        self.limits.push(LimitAccounts::new(no, Arc::clone(&identity)));
        self.numbers.insert(identity, no);
        no
    }
}

/// The connection to the ledger, which grants the limits of a policy that shares them. A caller that got
/// [`Refused::NotGranted`] waits for its answers. The content of a report is [written](Book::writes) before the report
/// is sent.
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

impl LimitTerms {
    fn of(limit: &LimitAccounts) -> LimitTerms {
        LimitTerms { max: limit.max(), rolls: limit.rolls() }
    }
}

impl LimitNo {
    fn place(self) -> usize {
        self.0 as usize
    }
}

/// By number, each limit once.
fn is_in_order(wants: &[(LimitNo, u64)]) -> bool {
    wants.is_sorted_by(|(a, _), (b, _)| a < b)
}

fn put_in_order(wants: &[(LimitNo, u64)]) -> SmallVec<[(LimitNo, u64); INLINE]> {
    let mut ordered: SmallVec<[(LimitNo, u64); INLINE]> = SmallVec::from_slice(wants);
    ordered.sort_unstable();
    ordered.dedup_by(|(no, amount), (kept, sum)| {
        let same = no == kept;
        if same {
            *sum = sum.saturating_add(*amount);
        }
        same
    });
    ordered
}
