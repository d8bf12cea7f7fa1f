//! One account of a limit, as the ledger granted it and as it is used here.

use std::collections::VecDeque;

use outrigger_core::{Millis, Period};

use super::FleetView;
use super::demand::Ask;
use super::journal::HeldState;
use crate::account::{Account, Counters};
use crate::protocol::{AccountGrant, AccountKey, AccountUsage, DurableUsage, FleetAccount, LimitKey, Shortage};

/// For how many unanswered reports their content is remembered.
const UNANSWERED: usize = 16;

#[derive(Clone, Debug)]
pub(crate) struct HeldAccount {
    pub(super) serial: u32,
    pub(super) start: Millis,
    pub(super) end: Option<Millis>,
    /// The period in which the account is used, by the gateway's own clock: from this time on, and before `until`.
    pub(super) from: Millis,
    pub(super) until: Millis,
    pub(super) account: Account,
    pub(super) durable: DurableUsage,
    /// Why the ledger granted no more, and for which reservation: a smaller one may still fit.
    pub(super) short: Option<(Shortage, u64)>,
    pub(super) fleet: Option<FleetView>,
    /// The first report with the current state, and whether the ledger has applied it.
    pub(super) reported_in: Option<u64>,
    pub(super) acknowledged: bool,
    /// The unanswered reports that named it, in order, with the spent amount at that time.
    unanswered: VecDeque<(u64, u64)>,
    /// Whether it must be written.
    pub(super) unwritten: bool,
}

impl HeldAccount {
    pub(super) fn new(serial: u32, start: Millis, end: Option<Millis>) -> Self {
        HeldAccount {
            serial,
            start,
            end,
            from: Millis::MAX,
            until: Millis::MIN,
            account: Account::default(),
            durable: DurableUsage::default(),
            short: None,
            fleet: None,
            unanswered: VecDeque::new(),
            reported_in: None,
            acknowledged: false,
            unwritten: false,
        }
    }

    /// Sets the period in which it is used.
    pub(super) fn serve(&mut self, now: Millis, lasts: Option<Millis>) {
        self.from = self.from.min(now);
        self.until = self.until.max(lasts.map_or(Millis::MAX, |lasts| now.saturating_add(lasts.max(1))));
    }

    /// What the fleet has spent, with what this gateway has spent since it told.
    pub(super) fn used(&self) -> u64 {
        let own = self.account.spent();
        self.fleet.map_or(own, |fleet| fleet.account.spent.saturating_add(own.saturating_sub(fleet.own)))
    }

    pub(super) fn is_current(&self, now: Millis) -> bool {
        self.from <= now && now < self.until
    }

    pub(super) fn changed(&mut self) {
        (self.acknowledged, self.reported_in, self.unwritten) = (false, None, true);
    }

    /// Records that a report names it.
    pub(super) fn record_report(&mut self, number: u64) {
        if self.unanswered.len() >= UNANSWERED
            && let Some((oldest, _)) = self.unanswered.pop_front()
            && let Some(next) = self.unanswered.front_mut()
        {
            // Counts as reported already, so that usage never seems higher than it is.
            next.0 = oldest;
        }
        self.unanswered.push_back((number, self.account.spent()));
    }

    pub(super) fn give_back(&mut self, amount: u64) {
        if self.account.give_back(amount) > 0 {
            self.changed();
        }
    }

    pub(super) fn granted(&self) -> u64 {
        narrow(self.account.counters().granted)
    }

    pub(super) fn returned(&self) -> u64 {
        narrow(self.account.counters().returned)
    }

    /// Applies the state of the limit. A shortage answers the request that asked; an older one refuses nothing.
    pub(super) fn note(&mut self, grant: &AccountGrant, answers: u64, asked: Option<u64>, more: bool, now: Millis) {
        let answered = self.unanswered.iter().take_while(|(number, _)| *number <= answers).count();
        // For a report that did not name the account, the ledger knows the content of the previous one, and of an
        // earlier process if this one has reported nothing yet.
        let known = self.fleet.map_or(self.account.spent(), |fleet| fleet.own);
        let own = self.unanswered.drain(..answered).next_back().map_or(known, |(_, spent)| spent);
        self.fleet = Some(FleetView { account: grant.fleet, reported_at: now, own });
        match (grant.short, asked) {
            (Some(short), Some(size)) => self.short = Some((short, size)),
            (None, _) if more => self.short = None,
            // The request was answered, but nobody said that others hold the amount: the ledger may still be writing this
            // holder.
            (None, Some(_)) if self.granted() == 0 => self.short = None,
            // The request was answered, and has to wait until something is returned or written.
            (None, Some(size)) => self.short = Some((Shortage::Leased, size)),
            // The limit was raised, or a charge was forgiven.
            (None, None)
                if self
                    .short
                    .is_some_and(|(short, size)| short == Shortage::Spent && unspent(&grant.fleet) >= size) =>
            {
                self.short = None;
            }
            (_, None) => {}
        }
    }

    pub(super) fn take_durable(&mut self, grant: &AccountGrant) {
        if grant.over {
            self.durable = DurableUsage { spent: u64::MAX, returned: u64::MAX };
        }
        self.durable.spent = self.durable.spent.max(grant.durable.spent);
        self.durable.returned = self.durable.returned.max(grant.durable.returned);
    }

    pub(super) fn is_durable(&self) -> bool {
        self.durable.spent >= self.account.spent() && self.durable.returned >= self.returned()
    }

    /// Its stored state.
    pub(super) fn state(&self, id: &LimitKey) -> HeldState {
        HeldState {
            limit: id.clone(),
            start: self.start,
            end: self.end,
            counters: self.counters(),
            reserved: self.reserved(),
        }
    }

    pub(crate) fn period(&self) -> Period {
        Period { start: self.start, end: self.end }
    }

    pub(crate) fn counters(&self) -> Counters {
        self.account.counters()
    }

    pub(crate) fn reserved(&self) -> u64 {
        self.account.reserved()
    }

    pub(super) fn usage(&self, id: &LimitKey, ask: Ask) -> AccountUsage {
        AccountUsage {
            account: AccountKey { limit: id.clone(), start: self.start },
            spent: self.account.spent(),
            reserved: self.account.reserved(),
            granted: self.granted(),
            returned: self.returned(),
            want: ask.want,
            least: ask.least,
        }
    }
}

/// What no gateway has spent, or may have spent.
fn unspent(fleet: &FleetAccount) -> u64 {
    fleet.limit.saturating_sub(fleet.spent).saturating_sub(fleet.unconfirmed)
}

fn narrow(sum: u128) -> u64 {
    u64::try_from(sum).unwrap_or(u64::MAX)
}
