//! A limit and its accounts.
//!
//! A limit counts the sum over the accounts that were used within its window: one account for a calendar period or a
//! lifetime, the buckets of a rolling window. The same sum carries usage over to another window: accounts of the old
//! window count as long as the new window contains their last use. It is unknown when within its period an account was
//! spent, so it counts in full. An account that was used ahead of time by a wrong clock counts once the window reaches
//! it.

use std::collections::VecDeque;
use std::mem;
use std::sync::Arc;

use super::slots::{PageSlots, SlotOwner};
use super::{LimitNo, Refused, State};
use crate::account::Account;
use crate::name::{LONGEST_NAME, LONGEST_UNIT, fitted};
use crate::page::{PageRecord, WrittenRecord};
use crate::protocol::LimitKey;
use outrigger_core::{Millis, Period, Periods};

/// How many ended accounts are kept in case the window changes: two months of daily accounts, two days of hourly
/// ones.
const PAST: usize = 60;
/// The most buckets of a rolling window.
const BUCKETS: Millis = 61;

/// Used while the window is unknown.
const NO_PERIOD: Period = Period { start: 0, end: None };

/// Identifies an account, together with its period.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Identity {
    name: Box<str>,
    unit: Box<str>,
}

#[derive(Debug)]
pub(super) struct LimitAccounts {
    no: LimitNo,
    identity: Arc<Identity>,
    terms: Terms,
    /// The windows before the last policy was adopted.
    former: Terms,
    /// The period that is served. It only moves back if its book's time does.
    period: Period,
    /// Accounts that may count or have reservations; the served one is among the last.
    live: Vec<PeriodAccount>,
    /// Ended accounts, the latest last.
    past: VecDeque<PeriodAccount>,
}

/// A limit as policies describe it.
#[derive(Clone, Debug, Default)]
struct Terms {
    max: u64,
    /// Unknown for a limit that was only read from a file.
    window: Option<Periods>,
    /// Whether the current policy contains it.
    named: bool,
}

/// An account, its slot, and its period.
#[derive(Debug)]
struct PeriodAccount {
    slot: u32,
    period: Period,
    /// When it was last reserved from or charged.
    last: Millis,
    account: Account,
}

/// A sum over several accounts, so wider than an amount.
#[derive(Clone, Copy, Debug, Default)]
struct Sum {
    spent: u128,
    reserved: u128,
}

impl Identity {
    /// Truncated to the size of a slot in the page file.
    pub(super) fn new(name: &str, unit: &str) -> Self {
        Identity { name: fitted(name, LONGEST_NAME).into(), unit: fitted(unit, LONGEST_UNIT).into() }
    }
}

impl LimitAccounts {
    pub(super) fn new(no: LimitNo, identity: Arc<Identity>) -> Self {
        let (terms, former) = (Terms::default(), Terms::default());
        LimitAccounts { no, identity, terms, former, period: NO_PERIOD, live: Vec::new(), past: VecDeque::new() }
    }

    /// By which the ledger identifies it.
    pub(super) fn id(&self) -> LimitKey {
        LimitKey::new(&self.identity.name, &self.identity.unit)
    }

    pub(super) fn max(&self) -> u64 {
        self.terms.max
    }

    /// Whether usage leaves the window while its period lasts.
    pub(super) fn rolls(&self) -> bool {
        self.terms.window.as_ref().and_then(Periods::length).is_some()
    }

    /// The period of its window that contains an instant.
    pub(super) fn period_at(&self, at: Millis) -> Period {
        self.terms.window.as_ref().map_or(NO_PERIOD, |window| window.period(at))
    }

    /// Adds an account from a file.
    pub(super) fn restore(&mut self, record: &PageRecord, slots: &mut PageSlots) {
        let account = Account::restored(record.counters, record.reserved);
        let same = |entry: &&mut PeriodAccount| entry.period == record.period;
        if let Some(entry) = self.live.iter_mut().chain(&mut self.past).find(same) {
            entry.account.merge(&account.counters());
            entry.last = entry.last.max(record.last);
            // The merged account is written first, then the duplicate is freed.
            slots.touch(entry.slot);
            if slots.own(record.slot, SlotOwner::Limit(self.no)) {
                slots.give_back(record.slot);
            }
            return;
        }
        let mut slot = record.slot;
        if !slots.own(slot, SlotOwner::Limit(self.no)) {
            slot = slots.take(self.no);
            slots.touch(slot);
        }
        self.live.push(PeriodAccount { slot, period: record.period, last: record.last, account });
    }

    /// A policy is about to be adopted, and may not contain the limit.
    pub(super) fn leave(&mut self) {
        self.former = self.terms.clone();
        self.terms.named = false;
    }

    /// Applies a policy and keeps the accounts.
    pub(super) fn adopt(&mut self, max: u64, window: &Periods, at: Millis, slots: &mut PageSlots) {
        self.go_by(Terms { max, window: Some(window.clone()), named: true }, at, slots);
    }

    /// Undoes the adoption of the last policy.
    pub(super) fn take_back(&mut self, at: Millis, slots: &mut PageSlots) {
        self.go_by(self.former.clone(), at, slots);
    }

    fn go_by(&mut self, terms: Terms, at: Millis, slots: &mut PageSlots) {
        let before = mem::replace(&mut self.terms, terms);
        if before.window != self.terms.window {
            self.period = self.terms.window.as_ref().map_or(NO_PERIOD, |window| window.period(at));
            self.live.extend(self.past.drain(..));
            self.live.sort_by_key(|entry| (entry.last, entry.period.start));
            self.part(at);
        }
        self.move_to(at, slots);
        let (max, period) = (self.terms.max, self.period);
        let current = |entry: &&mut PeriodAccount| entry.period == period && entry.account.held() != max;
        if self.terms.window.is_some()
            && let Some(entry) = self.live.iter_mut().find(current)
        {
            entry.hold(max);
            slots.touch(entry.slot);
        }
    }

    /// Serves the period of an instant, if it is a later one.
    pub(super) fn move_to(&mut self, at: Millis, slots: &mut PageSlots) {
        if let Some(window) = &self.terms.window
            && !self.period.contains(at)
        {
            self.period = window.period(at);
            self.part(at);
            self.trim(PAST, slots);
        }
    }

    /// The clock was ahead and was corrected: accounts that had ended by it count again.
    pub(super) fn go_back(&mut self, at: Millis) {
        if let Some(window) = &self.terms.window {
            self.period = window.period(at);
        }
        self.live.extend(self.past.drain(..));
        self.live.sort_by_key(|entry| (entry.last, entry.period.start));
        self.part(at);
    }

    /// Forgets accounts that can no longer be needed.
    pub(super) fn sweep(&mut self, at: Millis, slots: &mut PageSlots) {
        self.move_to(at, slots);
        if self.terms.named {
            self.trim(PAST, slots);
        } else {
            self.part(at);
            self.trim(0, slots);
        }
    }

    /// Keeps this many of the ended accounts.
    fn trim(&mut self, keep: usize, slots: &mut PageSlots) {
        let surplus = self.past.len().saturating_sub(keep);
        self.past.drain(..surplus).for_each(|entry| slots.give_back(entry.slot));
    }

    /// Separates the accounts that may count from those that have ended.
    fn part(&mut self, at: Millis) {
        let (since, _) = self.reach(at);
        let (window, period) = (&self.terms.window, self.period);
        let ended = |entry: &mut PeriodAccount| {
            let counts = match window {
                Some(_) => entry.last >= since || entry.period == period,
                None => entry.may_be_in_a_window(at),
            };
            !counts && !entry.account.is_open()
        };
        self.past.extend(self.live.extract_if(.., ended));
    }

    /// Accounts count from the first instant on, and before the one after the last.
    fn reach(&self, at: Millis) -> (Millis, Millis) {
        let Some(window) = &self.terms.window else { return (Millis::MIN, Millis::MAX) };
        let period = match window.length() {
            Some(length) => {
                let next = at.saturating_add(1);
                return (next.saturating_sub(length), next);
            }
            None if self.period.contains(at) => self.period,
            None => window.period(at),
        };
        (period.start, period.end.unwrap_or(Millis::MAX))
    }

    /// The accounts that count.
    fn counted(&self, at: Millis) -> impl Iterator<Item = &PeriodAccount> {
        let (since, before) = self.reach(at);
        // For a time before the served period, some accounts have already ended.
        let past = if at < self.period.start { self.past.len() } else { 0 };
        let known = self.live.iter().chain(self.past.iter().take(past));
        known.filter(move |entry| entry.last >= since && entry.period.start < before)
    }

    fn sum(&self, at: Millis) -> Sum {
        let mut sum = Sum::default();
        for entry in self.counted(at) {
            sum.spent += u128::from(entry.account.spent());
            sum.reserved += u128::from(entry.account.reserved());
        }
        sum
    }

    /// Whether this much could be reserved.
    pub(super) fn fits(&self, amount: u64, at: Millis) -> Result<(), Refused> {
        let Sum { spent, reserved } = self.sum(at);
        let (limit, max) = (self.no, self.terms.max);
        match spent + u128::from(amount) {
            wanted if wanted > u128::from(max) => {
                Err(Refused::Exhausted { limit, spent: amount_of(spent), max, until: self.until(amount, at) })
            }
            wanted if wanted + reserved > u128::from(max) => Err(Refused::Contended { limit }),
            _ => Ok(()),
        }
    }

    /// When enough will have left so that an amount fits; `None` if it is more than the limit.
    fn until(&self, amount: u64, at: Millis) -> Option<Millis> {
        let room = self.terms.max.checked_sub(amount)?;
        let Some(length) = self.terms.window.as_ref().and_then(Periods::length) else { return self.ends(at) };
        let mut counted: Vec<(Millis, u64)> =
            self.counted(at).map(|entry| (entry.last, entry.account.spent())).collect();
        counted.sort_unstable_by(|a, b| b.cmp(a));
        // From the latest back: the first account with which the sum is too large has to leave.
        let mut spent = 0_u64;
        let mut stays = |(_, amount): &(Millis, u64)| {
            spent = spent.saturating_add(*amount);
            spent <= room
        };
        counted.into_iter().find(|entry| !stays(entry)).map(|(last, _)| last.saturating_add(length))
    }

    /// When the period that is served at an instant ends.
    fn ends(&self, at: Millis) -> Option<Millis> {
        match &self.terms.window {
            Some(window) if !self.period.contains(at) => window.period(at).end,
            _ => self.period.end,
        }
    }

    /// What is spent.
    pub(super) fn used(&self, at: Millis) -> u64 {
        amount_of(self.sum(at).spent)
    }

    /// What is neither spent nor reserved.
    pub(super) fn available(&self, at: Millis) -> u64 {
        let Sum { spent, reserved } = self.sum(at);
        self.terms.max.saturating_sub(amount_of(spent + reserved))
    }

    pub(super) fn state(&self, at: Millis) -> State {
        let Sum { spent, reserved } = self.sum(at);
        let end = match self.terms.window.as_ref().and_then(Periods::length) {
            None => self.ends(at),
            // When there is room again, or otherwise more room than now.
            Some(length) => self
                .until(1, at)
                .or_else(|| self.counted(at).map(|entry| entry.last).min().map(|last| last.saturating_add(length)))
                .or(Some(at.saturating_add(length))),
        };
        State {
            spent: amount_of(spent),
            reserved: amount_of(reserved),
            max: self.terms.max,
            start: self.reach(at).0,
            end,
            shared: None,
        }
    }

    /// Reserves this much from the served account, and returns the slot of the account.
    pub(super) fn reserve(&mut self, amount: u64, at: Millis, slots: &mut PageSlots) -> u32 {
        let entry = self.current(at, slots);
        entry.account.promise(amount);
        slots.touch(entry.slot);
        entry.slot
    }

    /// Ends a reservation, and returns when the period of its account began; `None` if it does not belong to this limit.
    pub(super) fn settle(&mut self, slot: u32, reserved: u64, actual: u64, slots: &mut PageSlots) -> Option<Millis> {
        let (max, period) = (self.terms.max, self.period);
        let entry = self.live.iter_mut().rev().find(|entry| entry.slot == slot)?;
        entry.account.settle(reserved, actual);
        if entry.period == period {
            // A lowered limit could not give this back while it was reserved.
            entry.hold(max);
        }
        slots.touch(slot);
        Some(entry.period.start)
    }

    /// What is spent of the account whose period began then, and that beginning. Of a window that rolls, what counts now.
    pub(super) fn account(&self, start: Millis, at: Millis) -> (u64, Option<Millis>) {
        if self.rolls() {
            return (self.used(at), None);
        }
        let ended = start < self.reach(at).0;
        let of_it = |entry: &&PeriodAccount| entry.period.start == start;
        let spent = || self.live.iter().chain(&self.past).find(of_it).map(|entry| entry.account.spent());
        let spent = if ended { spent() } else { None };
        (spent.unwrap_or_else(|| self.used(at)), (start > 0).then_some(start))
    }

    pub(super) fn charge(&mut self, amount: u64, at: Millis, slots: &mut PageSlots) {
        let entry = self.current(at, slots);
        entry.account.charge(amount);
        slots.touch(entry.slot);
    }

    /// The served account, used now.
    fn current(&mut self, at: Millis, slots: &mut PageSlots) -> &mut PeriodAccount {
        let period = self.period;
        let place = self.live.iter().rposition(|entry| entry.period == period).unwrap_or_else(|| {
            self.live.push(PeriodAccount { slot: slots.take(self.no), period, last: at, account: Account::default() });
            self.live.len() - 1
        });
        let entry = &mut self.live[place];
        entry.last = entry.last.max(at);
        // It is new, or a wrong clock began it ahead of time, with another limit.
        entry.hold(self.terms.max);
        entry
    }

    /// The content to write into a slot.
    pub(super) fn written(&self, slot: u32) -> Option<WrittenRecord<'_>> {
        let entry = self.live.iter().rev().chain(&self.past).find(|entry| entry.slot == slot)?;
        Some(WrittenRecord {
            slot,
            name: &self.identity.name,
            unit: &self.identity.unit,
            period: entry.period,
            last: entry.last,
            counters: entry.account.counters(),
            reserved: entry.account.reserved(),
            granted_to: None,
        })
    }
}

impl PeriodAccount {
    /// Grants or gives back until this much is held, or all that is possible is given back.
    fn hold(&mut self, max: u64) {
        let held = self.account.held();
        match held < max {
            true => self.account.grant(max - held),
            false => {
                self.account.give_back(held - max);
            }
        }
    }

    /// Whether it may count in an unknown window: in its own period, or as a bucket of a rolling one.
    fn may_be_in_a_window(&self, at: Millis) -> bool {
        self.period.end.is_none_or(|end| {
            let window = end.saturating_sub(self.period.start).saturating_mul(BUCKETS);
            at < end.saturating_add(window)
        })
    }
}

fn amount_of(sum: u128) -> u64 {
    u64::try_from(sum).unwrap_or(u64::MAX)
}
