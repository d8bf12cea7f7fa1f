//! One limit of a holder, and its accounts.

use std::collections::BTreeMap;

use outrigger_core::Millis;

use super::demand::{Ask, Demand};
use super::fail_open::FailOpen;
use super::held_account::HeldAccount;
use super::journal::HeldState;
use super::{FleetView, HeldShort};
use crate::account::{Account, Counters, Short};
use crate::protocol::{AccountGrant, AccountKey, AccountUsage, LimitKey, Shortage, WantedLimit};

/// For how long an ended period's state also applies to the next period: as long as requests wait for a grant.
const JUST_ENDED: Millis = 2000;
#[derive(Clone, Debug)]
pub(super) struct HeldLimit {
    pub(super) id: LimitKey,
    /// Whether the current policy contains it.
    pub(super) named: bool,
    pub(super) accounts: Vec<HeldAccount>,
    /// Ended accounts, and the number of the last report before they were forgotten: grants that answer that report, or
    /// an earlier one, refer to an account that no longer exists.
    pub(super) forgotten: Vec<(Millis, u64)>,
    pub(super) demand: Demand,
    /// What it lets pass while the ledger does not answer.
    pub(super) fail_open: Option<FailOpen>,
    /// Since when a request has waited for the ledger without an answer.
    pub(super) asked_since: Option<Millis>,
    /// Since when the ledger reports that its store does not answer.
    pub(super) unavailable_since: Option<Millis>,
    /// What is still reserved from accounts of a void journal, and counts as spent already; by their serial numbers.
    charged: Vec<(u32, u64)>,
    /// The ledger has recalled what was returned: it is reported immediately.
    recalled: bool,
    asked: Option<Asked>,
    next: u32,
}

/// The last report that requested more.
#[derive(Clone, Copy, Debug)]
struct Asked {
    number: u64,
    at: Millis,
    /// One reservation.
    size: u64,
}

impl HeldLimit {
    pub(super) fn new(id: LimitKey) -> Self {
        HeldLimit {
            id,
            named: false,
            accounts: Vec::new(),
            forgotten: Vec::new(),
            demand: Demand::default(),
            fail_open: None,
            asked_since: None,
            unavailable_since: None,
            charged: Vec::new(),
            recalled: false,
            asked: None,
            next: 0,
        }
    }

    /// Adds an account from a journal. An account that occurs twice is merged. Returns its serial number.
    pub(super) fn restore(&mut self, state: &HeldState, now: Millis, wall: Millis) -> u32 {
        let restored = Account::restored(state.counters, state.reserved);
        let place = self.account(state.start, state.end);
        let Some(held) = self.accounts.get_mut(place) else { return 0 };
        held.account.merge(&restored.counters());
        held.unwritten = state.reserved > 0;
        if state.start <= wall && state.end.is_none_or(|end| wall < end) {
            held.from = now;
            held.until = state.end.map_or(Millis::MAX, |end| now.saturating_add(end.saturating_sub(wall)));
        }
        held.serial
    }

    /// The index of the account of this period; accounts are ordered by period.
    pub(super) fn account(&mut self, start: Millis, end: Option<Millis>) -> usize {
        match self.accounts.binary_search_by_key(&start, |held| held.start) {
            Ok(place) => place,
            Err(place) => {
                self.accounts.insert(place, HeldAccount::new(self.next, start, end));
                self.next += 1;
                place
            }
        }
    }

    /// The account that is used for reservations.
    pub(super) fn current(&self, now: Millis) -> Option<&HeldAccount> {
        self.accounts.iter().rev().find(|held| held.is_current(now))
    }

    pub(super) fn current_mut(&mut self, now: Millis) -> Option<&mut HeldAccount> {
        self.accounts.iter_mut().rev().find(|held| held.is_current(now))
    }

    pub(super) fn by_serial(&mut self, serial: u32) -> Option<&mut HeldAccount> {
        // The latest ones are settled most.
        self.accounts.iter_mut().rev().find(|held| held.serial == serial)
    }

    pub(super) fn fits(&self, amount: u64, now: Millis) -> Result<(), HeldShort> {
        let held = self.current(now).ok_or(HeldShort::NotGranted)?;
        match (held.account.fits(amount), held.short) {
            (Ok(()), _) => Ok(()),
            (Err(Short::Contended), _) => Err(HeldShort::Contended),
            // If the ledger is lost meanwhile, its earlier answers say nothing about waiting requests.
            (Err(Short::Exhausted), Some((Shortage::Leased, size))) if amount >= size && !self.is_lost(now) => {
                Err(HeldShort::Contended)
            }
            (Err(Short::Exhausted), Some((Shortage::Spent, size))) if amount >= size => {
                Err(HeldShort::Spent { until: held.end })
            }
            (Err(Short::Exhausted), _) => Err(HeldShort::NotGranted),
        }
    }

    /// Reserves an amount that [fits](Self::fits), and returns the account's serial number.
    pub(super) fn reserve_fitting(&mut self, amount: u64, now: Millis) -> Option<u32> {
        let held = self.current_mut(now)?;
        held.account.promise(amount);
        held.changed();
        let serial = held.serial;
        self.demand.reserved(amount);
        Some(serial)
    }

    /// Settles on the account that it was reserved from.
    pub(super) fn settle(&mut self, serial: u32, reserved: u64, actual: u64, now: Millis) {
        let Some(held) = self.by_serial(serial) else {
            let uncharged = self.uncharged(serial, reserved, actual);
            return self.charge(uncharged, now);
        };
        held.account.settle(reserved, actual);
        held.changed();
        if !held.is_current(now) {
            held.give_back(u64::MAX);
        }
        self.demand.came_back(reserved.saturating_sub(actual));
    }

    /// The part of a reservation's cost that does not count yet, if its account is gone.
    fn uncharged(&mut self, serial: u32, reserved: u64, actual: u64) -> u64 {
        let Some(place) = self.charged.iter().position(|(charged, _)| *charged == serial) else { return actual };
        if let Some((_, open)) = self.charged.get_mut(place) {
            *open = open.saturating_sub(reserved);
            if *open == 0 {
                self.charged.swap_remove(place);
            }
        }
        actual.saturating_sub(reserved)
    }

    /// Counts an amount that is already spent, on the current account or the latest one.
    pub(super) fn charge(&mut self, amount: u64, now: Millis) {
        let current = self.current(now).or(self.accounts.last()).map(|held| held.serial);
        if let Some(held) = current.and_then(|serial| self.by_serial(serial))
            && amount > 0
        {
            held.account.charge(amount);
            held.changed();
        }
    }

    /// Applies the ledger's message about one account, in answer to a report that was sent at `sent`. Returns whether
    /// the account is closed.
    pub(super) fn take(
        &mut self,
        grant: &AccountGrant,
        answers: u64,
        sent: Millis,
        now: Millis,
        last: u64,
    ) -> Option<u32> {
        let start = grant.account.start;
        if self.forgotten.iter().any(|(forgotten, before)| *forgotten == start && answers <= *before) {
            return None;
        }
        let known = self.accounts.iter().any(|held| held.start == start);
        if grant.over {
            return if known { self.over(start, now, last) } else { None };
        }
        let place = self.account(start, grant.end);
        let held = self.accounts.get_mut(place)?;
        let before = held.account.counters().granted;
        let asked = self.asked.filter(|asked| answers >= asked.number);
        held.account.merge(&Counters { granted: grant.granted.into(), ..Counters::default() });
        let more = held.account.counters().granted > before;
        if more {
            held.changed();
        }
        held.end = grant.end;
        held.take_durable(grant);
        // The transmission time counts against the gateway at both ends.
        let begins = i64::try_from(grant.begins_in_ms).map_or(Millis::MAX, |ms| now.saturating_add(ms));
        held.from = if grant.begins_in_ms == 0 { held.from.min(now) } else { held.from.min(begins) };
        held.until = match grant.valid_for_ms {
            None => Millis::MAX,
            Some(0) => held.until.min(now),
            Some(ms) => held.until.max(i64::try_from(ms).map_or(Millis::MAX, |ms| sent.saturating_add(ms))),
        };
        if !self.named {
            held.give_back(u64::MAX);
        } else if grant.recall {
            let free = held.account.free();
            held.give_back(free.saturating_sub(self.demand.kept(free)));
            self.recalled |= held.account.free() < free;
        }
        held.note(grant, answers, asked.map(|asked| asked.size), more, now);
        None
    }

    /// After the final report: the state that the ledger has, and nothing else.
    pub(super) fn take_durable(&mut self, grant: &AccountGrant) {
        if let Some(held) = self.accounts.iter_mut().find(|held| held.start == grant.account.start) {
            held.take_durable(grant);
        }
    }

    /// Forgets an account if nothing of it is left here; otherwise it first returns the rest.
    fn over(&mut self, start: Millis, now: Millis, last: u64) -> Option<u32> {
        let place = self.accounts.iter().position(|held| held.start == start)?;
        let held = self.accounts.get_mut(place)?;
        if held.account.is_open() || held.account.free() > 0 {
            held.until = held.until.min(now);
            held.give_back(u64::MAX);
            return None;
        }
        self.forgotten.push((start, last));
        Some(self.accounts.remove(place).serial)
    }

    /// Forgets all accounts, because the holder is void, and returns their serial numbers. What was spent and not
    /// `charged` continues in a new account, without a grant. Open reservations count there as spent, because the ledger
    /// may grant the rest to others before they are settled. Those of an account that the ledger did not name are settled
    /// as usual, on the newest account that there is.
    pub(super) fn begin_anew(&mut self, charged: &BTreeMap<AccountKey, u64>) -> Vec<u32> {
        self.forgotten.clear();
        let former = std::mem::take(&mut self.accounts);
        for held in &former {
            let key = AccountKey { limit: self.id.clone(), start: held.start };
            let (spent, open) = (held.account.spent(), held.account.reserved());
            let more = charged.get(&key).map_or(0, |charged| spent.saturating_add(open).saturating_sub(*charged));
            if open > 0 && charged.contains_key(&key) {
                self.charged.push((held.serial, open));
            }
            if more == 0 && open == 0 {
                continue;
            }
            let place = self.account(held.start, held.end);
            if let Some(next) = self.accounts.get_mut(place) {
                (next.from, next.until) = (held.from, held.until);
                next.account.charge(more);
                next.changed();
            }
        }
        former.into_iter().map(|held| held.serial).collect()
    }

    /// The accounts that changed since the last write.
    pub(super) fn take_unwritten(&mut self, mut each: impl FnMut(&LimitKey, &HeldAccount)) {
        let HeldLimit { id, accounts, .. } = self;
        for held in accounts.iter_mut().filter(|held| held.unwritten) {
            held.unwritten = false;
            each(id, held);
        }
    }

    pub(super) fn unconfirmed(&self) -> impl Iterator<Item = HeldState> {
        self.accounts.iter().filter(|held| !held.is_durable()).map(|held| held.state(&self.id))
    }

    /// Returns what is free on accounts that are no longer used, and measures the rate.
    pub(super) fn tidy(&mut self, now: Millis, oldest: u64, closing: bool) {
        self.demand.look(now);
        let named = self.named;
        for held in &mut self.accounts {
            if closing || !named || held.until <= now {
                held.give_back(u64::MAX);
            }
        }
        self.forgotten.retain(|(_, before)| *before >= oldest);
    }

    pub(super) fn ask(&self, now: Millis) -> Ask {
        match (self.named, self.current(now)) {
            (false, _) => Ask::default(),
            (true, Some(held)) => {
                let owed = held.account.spent().saturating_sub(held.account.held());
                self.demand.ask(held.account.free(), owed)
            }
            (true, None) => self.demand.ask(0, 0),
        }
    }

    /// Whether a report is due immediately, for a waiting request.
    pub(super) fn is_urgent(&self, now: Millis, again: Millis) -> bool {
        let ask = self.ask(now);
        if self.recalled {
            return true;
        }
        let asked = |asked: Asked| asked.size <= ask.size && now.saturating_sub(asked.at) < again;
        ask.urgent && !self.asked.is_some_and(asked)
    }

    /// Whether an account changed since the last report to the ledger, or still needs a confirmation.
    pub(super) fn has_unacknowledged(&self) -> bool {
        self.accounts.iter().any(|held| !held.acknowledged)
    }

    /// Whether the ledger has stored everything.
    pub(super) fn is_durable(&self) -> bool {
        self.accounts.iter().all(HeldAccount::is_durable)
    }

    /// The content of a report about it.
    pub(super) fn report(&mut self, number: u64, now: Millis, whole: bool, into: &mut ReportParts) {
        let ask = self.ask(now);
        let current = self.current(now).map(|held| held.serial);
        self.recalled = false;
        if ask.want > 0 {
            self.asked = Some(Asked { number, at: now, size: ask.size });
        }
        let id = &self.id;
        for held in &mut self.accounts {
            let own = if Some(held.serial) == current { ask } else { Ask::default() };
            if whole || !held.acknowledged || own.want > 0 {
                held.reported_in.get_or_insert(number);
                held.record_report(number);
                into.accounts.push(held.usage(id, own));
            }
        }
        if self.named && current.is_none() {
            into.wanted.push(WantedLimit { limit: id.clone(), want: ask.want, least: ask.least });
        }
    }

    /// The ledger has applied the reports up to this one.
    pub(super) fn confirm(&mut self, answers: u64) {
        for held in &mut self.accounts {
            held.acknowledged = held.acknowledged || held.reported_in.is_some_and(|number| number <= answers);
        }
    }

    /// Counts reserved amounts as spent.
    pub(super) fn charge_open(&mut self) {
        for held in self.accounts.iter_mut().filter(|held| held.account.is_open()) {
            held.account = Account::restored(held.account.counters(), held.account.reserved());
            held.changed();
        }
    }

    pub(super) fn report_again(&mut self) {
        for held in &mut self.accounts {
            (held.acknowledged, held.reported_in) = (false, None);
        }
        self.asked = None;
    }

    /// Whether the ledger answered within this time, has granted something or said why not, and its store answers.
    pub(super) fn is_answered(&self, now: Millis, within: Millis) -> bool {
        self.current(now).is_some_and(|held| {
            let recent = held.fleet.is_some_and(|fleet| now.saturating_sub(fleet.reported_at) < within);
            let explained = held.granted() > 0 || held.short.is_some();
            recent && explained && !matches!(held.short, Some((Shortage::Unavailable, _)))
        })
    }

    /// The account that is used for reservations, or was until just now. The usage of an ended period does not apply to
    /// the next one, whose state the ledger will report soon.
    fn known(&self, now: Millis) -> Option<&HeldAccount> {
        let just_ended = |held: &&HeldAccount| held.from <= now && now.saturating_sub(held.until) < JUST_ENDED;
        self.current(now).or_else(|| self.accounts.last().filter(just_ended))
    }

    /// The state of the limit, as the ledger last reported it.
    pub(super) fn fleet(&self, now: Millis) -> Option<FleetView> {
        self.known(now)?.fleet
    }

    /// The usage of all gateways, including this gateway's usage since that report.
    pub(super) fn used(&self, now: Millis) -> u64 {
        self.known(now).map_or(0, HeldAccount::used)
    }

    /// The same of the period that began then.
    pub(super) fn spent_since(&self, start: Millis) -> Option<u64> {
        self.accounts.iter().find(|held| held.start == start).map(HeldAccount::used)
    }

    /// When the period of an account began.
    pub(super) fn start(&self, serial: u32) -> Option<Millis> {
        self.accounts.iter().rev().find(|held| held.serial == serial).map(|held| held.start)
    }
}

/// The content of a report.
#[derive(Clone, Debug, Default)]
pub(super) struct ReportParts {
    pub(super) accounts: Vec<AccountUsage>,
    pub(super) wanted: Vec<WantedLimit>,
}
