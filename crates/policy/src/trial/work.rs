//! How much work tests of rules may be: an object has many, a namespace has many objects, and whoever plans must come to
//! an end.

/// What one test may come to, in steps: some 100 ms.
pub const OF_A_TEST: u64 = 5_000_000;
/// What looking at a rule comes to, telling that one failed, and what a decision does beside.
const RULE: u64 = 1;
const FAILURE: u64 = 100;
const DECISION: u64 = 200;

/// Steps that are left for tests, and what is left for the one that runs.
#[derive(Clone, Debug)]
pub struct TrialWork {
    left: u64,
    own: u64,
}

/// The test was not run to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unfinished {
    /// It is too much work by itself.
    Own,
    /// There is no work left for all.
    All,
}

impl TrialWork {
    #[must_use]
    pub fn new(steps: u64) -> Self {
        TrialWork { left: steps, own: 0 }
    }

    /// Whether no test is run any more.
    #[must_use]
    pub fn is_spent(&self) -> bool {
        self.left == 0
    }

    /// The next test begins: if there is nothing left for it, it must not even be looked at.
    pub(super) fn begin(&mut self) -> Result<(), Unfinished> {
        self.own = OF_A_TEST;
        if self.is_spent() { Err(Unfinished::All) } else { Ok(()) }
    }

    /// A decision among so many rules, of which so many failed, and whose conditions took so many steps. Once a decision was
    /// too much, nothing is left: else each of thousands of tests would be decided before that is found out.
    pub(super) fn decided(&mut self, rules: usize, failed: usize, steps: u64) -> Result<(), Unfinished> {
        let looked = RULE.saturating_mul(rules as u64).saturating_add(FAILURE.saturating_mul(failed as u64));
        let steps = DECISION.saturating_add(looked).saturating_add(steps);
        let Some(left) = self.left.checked_sub(steps) else {
            self.left = 0;
            return Err(Unfinished::All);
        };
        self.left = left;
        self.own = self.own.checked_sub(steps).ok_or(Unfinished::Own)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn once_a_test_was_too_much_no_other_is_begun() {
        let mut work = TrialWork::new(1_000);
        assert_eq!(work.begin(), Ok(()));
        assert_eq!(work.decided(1, 0, 500), Ok(()));
        assert_eq!(work.decided(1, 0, 500), Err(Unfinished::All));
        assert!(work.is_spent());
        assert_eq!(work.begin(), Err(Unfinished::All));
    }

    #[test]
    fn rules_that_fail_are_work_too() {
        let mut work = TrialWork::new(1_000);
        assert_eq!(work.begin(), Ok(()));
        assert_eq!(work.decided(10, 10, 0), Err(Unfinished::All));
    }

    #[test]
    fn a_test_has_its_own_measure() {
        let mut work = TrialWork::new(u64::MAX);
        for _ in 0..2 {
            assert_eq!(work.begin(), Ok(()));
            assert_eq!(work.decided(0, 0, OF_A_TEST - 200), Ok(()));
            assert_eq!(work.decided(0, 0, 0), Err(Unfinished::Own));
        }
    }
}
