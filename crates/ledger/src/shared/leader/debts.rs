//! What holders have spent over what they hold, and how much of it counts.

use super::books::LedgerBooks;
use super::granting::narrow;
use super::input::GatewayLimits;
use super::shards::Urgency;
use super::{AccountNo, HolderNo};
use crate::protocol::UsageReport;

/// What counts of what a holder says it has spent: all of it, up to a debt of `most_owed` over what it holds; and what it
/// said beyond that.
pub(super) fn counted_spent(said: u64, held: u64, most_owed: u128) -> (u64, u64) {
    let counted = narrow(u128::from(held).saturating_add(most_owed)).min(said);
    (counted, said - counted)
}

impl LedgerBooks {
    /// What a holder has spent without a part that may be granted anything counts all the same.
    pub(super) fn count_spent(&mut self, account_no: AccountNo, holder: HolderNo, limits: &GatewayLimits, said: u64) {
        let most_owed = self.most_owed(account_no, limits);
        let Some(account) = self.accounts.get_mut(&account_no) else { return };
        account.change(holder, |part| {
            let (counted, _) = counted_spent(said, part.held(), most_owed);
            part.spent = part.spent.max(counted);
        });
        self.touch_part(account_no, holder, Urgency::Lazy);
    }

    /// A holder that is void has not heard of it yet, and has spent more: as far as that was not charged already, it is a
    /// debt.
    pub(super) fn spent_meanwhile(&mut self, no: HolderNo, limits: &GatewayLimits, report: &UsageReport) {
        for usage in &report.accounts {
            let Some(account_no) = self.account_no(&usage.account) else { continue };
            let part = self.accounts.get(&account_no).and_then(|account| account.parts.get(&no));
            if part.is_some_and(|part| !part.is_folding() && usage.spent > part.spent) {
                self.count_spent(account_no, no, limits, usage.spent);
            }
        }
    }

    /// More debt than this does not count. Requests in flight cost more than was reserved for them, but a pod that lies
    /// must not use up a limit for ever, at whatever it is raised to. Of a limit that was lowered, or that no policy names
    /// yet, what was granted says how much it was.
    ///
    /// A limit that fails open lets a gateway owe so much more.
    pub(super) fn most_owed(&self, account: AccountNo, limits: &GatewayLimits) -> u128 {
        let Some(account) = self.accounts.get(&account) else { return 0 };
        let max = u128::from(self.max_of(account));
        let fail_open = limits.fail_open.get(&account.key.limit).copied().unwrap_or_default();
        max.max(account.outstanding()).saturating_add(fail_open.into())
    }
}
