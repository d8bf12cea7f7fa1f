//! The slots of accounts that the ledger grants.

use crate::shared::holder::HeldNo;

/// The slot of each account. Found without hashing: a limit has few accounts, and the latest one is used most.
#[derive(Debug, Default)]
pub(super) struct HeldSlots {
    /// By the number of the limit in its holder.
    limits: Vec<Vec<HeldSlot>>,
}

#[derive(Clone, Copy, Debug)]
struct HeldSlot {
    account: HeldNo,
    slot: u32,
}

impl HeldSlots {
    pub(super) fn get(&self, account: HeldNo) -> Option<u32> {
        let of_limit = self.limits.get(account.limit_place())?;
        of_limit.iter().rev().find(|held| held.account == account).map(|held| held.slot)
    }

    /// Adds an account that is not here yet.
    pub(super) fn insert(&mut self, account: HeldNo, slot: u32) {
        let place = account.limit_place();
        if self.limits.len() <= place {
            self.limits.resize_with(place + 1, Vec::new);
        }
        if let Some(of_limit) = self.limits.get_mut(place) {
            of_limit.push(HeldSlot { account, slot });
        }
    }

    pub(super) fn remove(&mut self, account: HeldNo) -> Option<u32> {
        let of_limit = self.limits.get_mut(account.limit_place())?;
        let place = of_limit.iter().position(|held| held.account == account)?;
        Some(of_limit.remove(place).slot)
    }

    pub(super) fn contains(&self, slot: u32) -> bool {
        self.limits.iter().flatten().any(|held| held.slot == slot)
    }
}
