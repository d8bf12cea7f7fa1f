//! All accounts of a process.

mod clock;
mod held_slots;
mod ledger_connection;
mod limit;
mod limit_spec;
mod page_runs;
mod reading;
mod refused;
mod reserving;
mod shared;
mod slots;
mod state;
mod waiting;
mod writing;

use std::collections::HashMap;
use std::mem;
use std::sync::Arc;

use outrigger_core::Millis;

use crate::page::{Damaged, PageRecord};
use crate::protocol::LimitKey;
use crate::shared::can_be_shared;
use crate::shared::holder::{FailOpen, HolderState, SharedNo};
use clock::BookClock;
use limit::{Identity, LimitAccounts};
pub use limit_spec::{Granter, LimitNo, LimitSpec};
use page_runs::PageRuns;
pub use refused::Refused;
use shared::{FoundAccount, LimitTerms, SharedLimits};
use slots::{PageSlots, SlotOwner};
pub use state::{SharedState, State};
use waiting::WaitingLine;
pub use waiting::WaitingPlace;

/// How often limits that no policy names are checked.
const SWEEP: Millis = 3_600_000;
/// An account that was used more than this after now was used with a wrong clock. A clock that is merely adjusted steps
/// back by less.
const AHEAD: Millis = 86_400_000;

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

    /// The number of reservations that are not settled. Without a request in progress it must be zero; otherwise a
    /// reservation was lost.
    #[must_use]
    pub fn open(&self) -> usize {
        self.open
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
