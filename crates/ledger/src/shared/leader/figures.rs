//! How limits stand, for people: figures of those that changed.

use std::collections::BTreeMap;

use outrigger_core::Millis;

use super::LedgerLimitNo;
use super::account::LedgerAccount;
use super::books::{LedgerBooks, LedgerLimit};
use super::granting::narrow;
use super::input::{AccountStatus, LimitFigures, SPENDERS_SHOWN};
use crate::protocol::{AccountKey, FleetAccount, LimitKey};

/// A new leader waits so long for gateways before it shows less than they have spent.
const RETURN: Millis = 40_000;

impl LedgerBooks {
    pub(super) fn status(&self, limit: &LimitKey) -> Option<AccountStatus> {
        let limit = self.limit(*self.limit_numbers.get(limit)?)?;
        let period = limit.window.as_ref()?.period(self.latest);
        let account = self.accounts.get(limit.accounts.get(&period.start)?)?;
        Some(self.account_status(limit, account))
    }

    fn account_status(&self, limit: &LedgerLimit, account: &LedgerAccount) -> AccountStatus {
        AccountStatus {
            key: account.key.clone(),
            end: account.end,
            fleet: self.fleet(account),
            available: narrow(self.room(account).saturating_add(account.at_hand())),
            holders: account.parts.len(),
            raise: self.raise_of(account),
            spenders: self.spenders(limit, account),
        }
    }

    /// The workloads that spent most.
    fn spenders(&self, limit: &LedgerLimit, account: &LedgerAccount) -> Vec<(String, u64)> {
        let mut spent: BTreeMap<&str, u128> = BTreeMap::new();
        let mut add = |workload, amount: u128| {
            if amount > 0 {
                let sum: &mut u128 = spent.entry(workload).or_default();
                *sum = sum.saturating_add(amount);
            }
        };
        for account in self.counted(limit, account) {
            for (holder, part) in account.parts.iter().filter(|(_, part)| !part.is_folding()) {
                let pod = self.holders.get(holder).map(|holder| holder.id.pod.as_str());
                if let Some(workload) = pod.and_then(|pod| self.workloads.get(pod)) {
                    add(workload, part.spent.into());
                }
            }
            let pages = account.pages.iter().filter_map(|no| self.pages.get(no));
            for (workload, amount) in pages.flat_map(|page| &page.spenders) {
                add(workload, *amount);
            }
        }
        let mut spent: Vec<(&str, u128)> = spent.into_iter().collect();
        spent.sort_by_key(|(_, amount)| std::cmp::Reverse(*amount));
        spent.into_iter().take(SPENDERS_SHOWN).map(|(name, amount)| (name.to_owned(), narrow(amount))).collect()
    }

    /// Those that changed since it was asked last.
    pub(super) fn figures(&mut self) -> Vec<LimitFigures> {
        let returning = self.steady < RETURN;
        for account in self.accounts.values_mut().filter(|account| account.changed) {
            if returning && account.totals.unreported > 0 {
                continue;
            }
            account.changed = false;
            if let Some(limit) = self.limits.get_mut(account.limit.0 as usize) {
                limit.changed = true;
            }
        }
        let latest = self.latest;
        let is_due = |limit: &LedgerLimit| limit.changed || limit.changes_at.is_some_and(|at| at <= latest);
        let due = self.limit_numbers.iter().filter(|(_, no)| self.limit(**no).is_some_and(is_due));
        let due: Vec<(LimitKey, LedgerLimitNo)> = due.map(|(id, no)| (id.clone(), *no)).collect();
        let mut figures = Vec::new();
        for (id, no) in due {
            let Some(limit) = self.limits.get_mut(no.0 as usize) else { continue };
            let accounts = limit.accounts.values().filter_map(|no| self.accounts.get(no));
            if returning && accounts.clone().any(|account| account.changed) {
                continue;
            }
            limit.changed = false;
            let Some(limit) = self.limit(no) else { continue };
            let (named, status) = (limit.named, self.figure(&id, limit));
            let ends = status.iter().flat_map(|status| [status.end, status.raise.map(|raise| raise.until)]);
            let changes_at = ends.flatten().filter(|at| *at > latest).min();
            if let Some(limit) = self.limits.get_mut(no.0 as usize) {
                limit.changes_at = changes_at;
            }
            figures.push(LimitFigures { limit: id, named, status });
        }
        figures
    }

    fn figure(&self, id: &LimitKey, limit: &LedgerLimit) -> Option<AccountStatus> {
        if !limit.named {
            // What its accounts still have, if it was renamed or removed.
            let last = limit.accounts.values().next_back().and_then(|no| self.accounts.get(no))?;
            let counts = last.end.is_none_or(|end| end > self.latest);
            return counts.then(|| self.account_status(limit, last));
        }
        let period = limit.window.as_ref()?.period(self.latest);
        match limit.accounts.get(&period.start).and_then(|no| self.accounts.get(no)) {
            Some(account) => Some(self.account_status(limit, account)),
            // Nobody has wanted any of it yet; of a rolling window, what counts was spent before.
            None => {
                let last = limit.accounts.values().next_back().and_then(|no| self.accounts.get(no));
                let last = last.filter(|last| {
                    limit.window.as_ref().is_some_and(|window| window.length().is_some()) && last.end.is_some()
                });
                let fleet =
                    last.map_or(FleetAccount { limit: limit.max, ..FleetAccount::default() }, |last| self.fleet(last));
                Some(AccountStatus {
                    key: AccountKey { limit: id.clone(), start: period.start },
                    end: period.end,
                    available: fleet.limit.saturating_sub(fleet.spent).saturating_sub(fleet.unconfirmed),
                    fleet,
                    holders: 0,
                    raise: last.and_then(|last| self.raise_of(last)),
                    spenders: last.map_or_else(Vec::new, |last| self.spenders(limit, last)),
                })
            }
        }
    }
}
