//! One account: what was granted to it, what is spent, and what is reserved.
//!
//! ```text
//!         grant                  reserve                  settle
//! source ──────► free to reserve ───────► reserved ─────────────────► spent
//!        ◄──────                ◄───────────────────────────────────
//!        give_back                        settle: what was not used
//! ```
//!
//! `granted`, `returned` and `spent` are sums since the account began. They only grow, so two reports of one account
//! are merged by taking the higher value of each. A report that is lost, repeated or late changes nothing. `reserved`
//! exists only in this process.
//!
//! An account does not know who grants: a [`Book`](crate::Book) grants a limit in full, a ledger of many machines
//! grants it in parts.

/// The part of an account that is reported and stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Wider than an amount: a limit that is raised and lowered repeatedly adds to both sums each time.
    pub granted: u128,
    pub returned: u128,
    pub spent: u64,
}

/// The state machine of an account. `spent + reserved <= granted - returned`, unless a request costs more than was
/// reserved for it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Account {
    counters: Counters,
    reserved: u64,
    /// The number of reservations that are not settled. A reservation of zero counts too, because it may still settle
    /// with an amount.
    open: u32,
}

/// Why an amount does not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Short {
    /// It would not fit even if every reservation were returned unused.
    Exhausted,
    /// It would fit if other reservations were returned.
    Contended,
}

impl Account {
    /// The account as it was stored. Amounts that were in flight then count as spent, because their settlement is lost.
    #[must_use]
    pub fn restored(counters: Counters, in_flight: u64) -> Self {
        let spent = counters.spent.saturating_add(in_flight);
        Account { counters: Counters { spent, ..counters }, reserved: 0, open: 0 }
    }

    /// Grants this much more.
    pub fn grant(&mut self, amount: u64) {
        self.counters.granted = self.counters.granted.saturating_add(amount.into());
    }

    /// Gives back at most this much of the free amount, and returns how much it gave back. Spent and reserved amounts
    /// stay.
    pub fn give_back(&mut self, amount: u64) -> u64 {
        let amount = amount.min(self.free());
        self.counters.returned = self.counters.returned.saturating_add(amount.into());
        amount
    }

    /// Whether this much can be reserved now.
    ///
    /// # Errors
    /// Why not.
    pub fn fits(&self, amount: u64) -> Result<(), Short> {
        let (held, spent) = (u128::from(self.held()), u128::from(self.counters.spent));
        match spent + u128::from(amount) {
            wanted if wanted > held => Err(Short::Exhausted),
            wanted if wanted + u128::from(self.reserved) > held => Err(Short::Contended),
            _ => Ok(()),
        }
    }

    /// Reserves this much, or nothing.
    ///
    /// # Errors
    /// Why it does not fit.
    pub fn reserve(&mut self, amount: u64) -> Result<(), Short> {
        self.fits(amount)?;
        self.promise(amount);
        Ok(())
    }

    /// Reserves this much without a check: a book has checked all accounts of a limit together.
    pub(crate) fn promise(&mut self, amount: u64) {
        self.reserved = self.reserved.saturating_add(amount);
        self.open = self.open.saturating_add(1);
    }

    /// Ends a reservation of this much: `actual` is spent, the rest is free again. Anything above the reservation is a
    /// debt.
    pub fn settle(&mut self, reserved: u64, actual: u64) {
        self.reserved = self.reserved.saturating_sub(reserved);
        self.open = self.open.saturating_sub(1);
        self.charge(actual);
    }

    /// Counts an amount that is already spent.
    pub fn charge(&mut self, amount: u64) {
        self.counters.spent = self.counters.spent.saturating_add(amount);
    }

    /// Merges another report of the same account.
    pub fn merge(&mut self, other: &Counters) {
        self.counters.granted = self.counters.granted.max(other.granted);
        self.counters.returned = self.counters.returned.max(other.returned);
        self.counters.spent = self.counters.spent.max(other.spent);
    }

    #[must_use]
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// What was granted and not given back.
    #[must_use]
    pub fn held(&self) -> u64 {
        u64::try_from(self.counters.granted.saturating_sub(self.counters.returned)).unwrap_or(u64::MAX)
    }

    /// What can be reserved.
    #[must_use]
    pub fn free(&self) -> u64 {
        self.held().saturating_sub(self.counters.spent).saturating_sub(self.reserved)
    }

    /// What is spent or reserved beyond what it was granted.
    #[must_use]
    pub fn owed(&self) -> u64 {
        self.counters.spent.saturating_add(self.reserved).saturating_sub(self.held())
    }

    #[must_use]
    pub fn spent(&self) -> u64 {
        self.counters.spent
    }

    #[must_use]
    pub fn reserved(&self) -> u64 {
        self.reserved
    }

    /// Whether a reservation may still come back.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.open > 0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn holding(amount: u64) -> Account {
        let mut account = Account::default();
        account.grant(amount);
        account
    }

    #[test]
    fn spent_and_reserved_amounts_are_distinguished() {
        let mut account = holding(100);
        account.reserve(60).unwrap();
        assert_eq!(account.fits(50), Err(Short::Contended));
        account.settle(60, 60);
        assert_eq!(account.fits(50), Err(Short::Exhausted));
        assert_eq!(account.fits(40), Ok(()));
    }

    #[test]
    fn a_cost_above_the_reservation_is_a_debt() {
        let mut account = holding(100);
        account.reserve(10).unwrap();
        account.settle(10, 130);
        assert_eq!((account.spent(), account.reserved(), account.free()), (130, 0, 0));
        // Not even for nothing.
        assert_eq!(account.fits(0), Err(Short::Exhausted));
        account.grant(40);
        assert_eq!(account.free(), 10);
    }

    #[test]
    fn only_free_amounts_are_given_back() {
        let mut account = holding(100);
        account.reserve(30).unwrap();
        account.charge(20);
        assert_eq!(account.give_back(80), 50);
        assert_eq!(account.held(), 50);
        account.settle(30, 0);
        assert_eq!(account.give_back(u64::MAX), 30);
    }

    #[test]
    fn the_largest_limit_can_be_lowered_and_raised_forever() {
        let mut account = holding(u64::MAX);
        for _ in 0..1000 {
            assert_eq!(account.give_back(u64::MAX), u64::MAX);
            account.grant(u64::MAX);
        }
        assert_eq!(account.free(), u64::MAX);
        account.charge(u64::MAX);
        account.charge(1);
        assert_eq!((account.spent(), account.free()), (u64::MAX, 0));
    }

    #[derive(Clone, Debug)]
    enum Op {
        Grant(u64),
        GiveBack(u64),
        Reserve(u64),
        /// The oldest reservation, for so many of its quarters.
        Settle(u64),
    }

    fn ops() -> impl Strategy<Value = Vec<Op>> {
        let op = prop_oneof![
            (0..500_u64).prop_map(Op::Grant),
            (0..500_u64).prop_map(Op::GiveBack),
            (0..200_u64).prop_map(Op::Reserve),
            (0..=4_u64).prop_map(Op::Settle),
        ];
        prop::collection::vec(op, 0..60)
    }

    proptest! {
        #[test]
        fn spent_and_reserved_never_exceed_what_is_held(ops in ops()) {
            let mut account = Account::default();
            let mut open = Vec::new();
            for op in ops {
                let before = account.counters();
                match op {
                    Op::Grant(amount) => account.grant(amount),
                    Op::GiveBack(amount) => { account.give_back(amount); }
                    Op::Reserve(amount) if account.reserve(amount).is_ok() => open.push(amount),
                    Op::Reserve(_) => {}
                    Op::Settle(quarters) if !open.is_empty() => {
                        let reserved = open.remove(0);
                        account.settle(reserved, reserved * quarters / 4);
                    }
                    Op::Settle(_) => {}
                }
                let after = account.counters();
                prop_assert!(after.granted >= before.granted && after.returned >= before.returned && after.spent >= before.spent);
                prop_assert_eq!(account.reserved(), open.iter().sum::<u64>());
                prop_assert_eq!(account.is_open(), !open.is_empty());
                prop_assert!(account.spent() + account.reserved() <= account.held());
            }
        }

        #[test]
        fn reports_may_arrive_late_twice_and_in_any_order(ops in ops(), mut order in prop::collection::vec(any::<prop::sample::Index>(), 1..60)) {
            let mut account = Account::default();
            let mut reports = Vec::new();
            for op in ops {
                match op {
                    Op::Grant(amount) => account.grant(amount),
                    Op::GiveBack(amount) => { account.give_back(amount); }
                    Op::Reserve(amount) => account.charge(amount.min(account.free())),
                    Op::Settle(_) => {}
                }
                reports.push(account.counters());
            }
            let mut other = Account::default();
            order.truncate(reports.len());
            for index in order {
                other.merge(index.get(&reports));
                let (partial, complete) = (other.counters(), account.counters());
                prop_assert!(partial.granted <= complete.granted && partial.returned <= complete.returned && partial.spent <= complete.spent);
            }
            other.merge(&account.counters());
            prop_assert_eq!(other, account);
        }
    }
}
