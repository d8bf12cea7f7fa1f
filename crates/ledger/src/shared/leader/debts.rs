//! Debts: what holders have spent beyond what they hold, and how much of it counts.

use super::books::LedgerBooks;
use super::granting::narrow;
use super::input::GatewayLimits;
use super::shards::Urgency;
use super::{AccountNo, HolderNo};
use crate::protocol::{AccountUsage, ChargedAccount, UsageReport};

/// The part of a reported spent amount that counts: all of it, up to a debt of `most_owed` beyond what the holder
/// holds; and the rest.
pub(super) fn counted_spent(reported: u64, held: u64, most_owed: u128) -> (u64, u64) {
    let counted = narrow(u128::from(held).saturating_add(most_owed)).min(reported);
    (counted, reported - counted)
}

impl LedgerBooks {
    /// Amounts that a holder spent without a grantable part also count.
    pub(super) fn count_spent(
        &mut self,
        account_no: AccountNo,
        holder: HolderNo,
        limits: &GatewayLimits,
        reported: u64,
    ) {
        let most_owed = self.most_owed(account_no, limits);
        let Some(account) = self.accounts.get_mut(&account_no) else { return };
        account.change(holder, |part| {
            let (counted, _) = counted_spent(reported, part.held(), most_owed);
            part.spent = part.spent.max(counted);
        });
        self.touch_part(account_no, holder, Urgency::Lazy);
    }

    /// A void holder that does not know that yet has spent more. What was not charged already is a debt.
    pub(super) fn spent_meanwhile(&mut self, no: HolderNo, limits: &GatewayLimits, report: &UsageReport) {
        for usage in &report.accounts {
            let Some(account_no) = self.account_no(&usage.account) else { continue };
            let part = self.accounts.get(&account_no).and_then(|account| account.parts.get(&no));
            let spent = usage.at_most_spent();
            if part.is_some_and(|part| !part.is_folding() && spent > part.spent) {
                self.count_spent(account_no, no, limits, spent);
            }
        }
    }

    /// What a void holder's accounts are charged with: what they hold, or what they have spent if that is more. Only those
    /// of the report, because it answers that.
    pub(super) fn charged(&self, no: HolderNo, report: &UsageReport) -> Vec<ChargedAccount> {
        let charged = |usage: &AccountUsage| {
            let part = self.accounts.get(&self.account_no(&usage.account)?)?.parts.get(&no)?;
            Some(ChargedAccount { account: usage.account.clone(), charged: part.held().max(part.spent) })
        };
        report.accounts.iter().filter_map(charged).collect()
    }

    /// More debt than this does not count. Requests in flight may cost more than was reserved for them, but a false
    /// report must not use up a limit forever, even if the limit is raised. For a limit that was lowered, or that no
    /// policy names yet, its former grants show how large it was.
    ///
    /// A limit that fails open allows a gateway this much additional debt.
    pub(super) fn most_owed(&self, account: AccountNo, limits: &GatewayLimits) -> u128 {
        let Some(account) = self.accounts.get(&account) else { return 0 };
        let max = u128::from(self.max_of(account));
        let fail_open = limits.fail_open.get(&account.key.limit).copied().unwrap_or_default();
        max.max(account.outstanding()).saturating_add(fail_open.into())
    }
}
