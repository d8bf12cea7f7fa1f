//! Keeps amounts for the want that has waited longest.
//!
//! When little is left, holders with small wants take whatever is returned, and a holder with a larger want would wait
//! forever. So half of what is returned is kept for the oldest want that can't be met yet. The others share the other
//! half. If nothing is returned, or it takes too long, the want queues again, and what was kept for it is available to
//! all.

use outrigger_core::Millis;

use super::HolderNo;
use super::account::LedgerAccount;

/// Nothing was returned for this long: others hold it and use it.
const NOTHING_COMES: Millis = 4_000;
/// One want is kept for at most this long at a time.
const LONGEST: Millis = 60_000;

/// The amount kept of an account, for one holder.
#[derive(Clone, Copy, Debug)]
pub(super) struct KeptForOldest {
    holder: HolderNo,
    amount: u128,
    /// What was left at the last check: anything above it was returned since.
    seen: u128,
    since: Millis,
    /// When something was last returned.
    grown_at: Millis,
}

impl LedgerAccount {
    /// This holder has the oldest want that can't be met, with this much `left`. Returns how much of that is not for
    /// others; `None` if nothing is kept for it any more, and it queues again.
    pub(super) fn keep_for(&mut self, holder: HolderNo, left: u128, now: Millis) -> Option<u128> {
        let new = KeptForOldest { holder, amount: left.div_ceil(2), seen: left, since: now, grown_at: now };
        let kept = self.kept.get_or_insert(new);
        if kept.holder != holder {
            *kept = new;
        }
        if let Some(more) = left.checked_sub(kept.seen).filter(|more| *more > 0) {
            (kept.amount, kept.grown_at) = (kept.amount.saturating_add(more.div_ceil(2)), now);
        }
        (kept.amount, kept.seen) = (kept.amount.min(left), left);
        let is_over = now.saturating_sub(kept.grown_at) >= NOTHING_COMES || now.saturating_sub(kept.since) >= LONGEST;
        let amount = kept.amount;
        if is_over {
            self.kept = None;
            return None;
        }
        Some(amount)
    }

    /// This much was granted to others since.
    pub(super) fn granted_beside(&mut self, amount: u128) {
        if let Some(kept) = &mut self.kept {
            kept.seen = kept.seen.saturating_sub(amount);
        }
    }
}
