//! Limits the work of rules' tests: an object has many tests, a namespace has many objects, and planning must end.

/// The most work of one test, in steps: some 100 ms.
pub const OF_A_TEST: u64 = 5_000_000;
/// The work of evaluating a rule, of reporting a failed one, and the base work of a decision.
const RULE: u64 = 1;
const FAILURE: u64 = 100;
const DECISION: u64 = 200;

/// The remaining steps of all tests, and those of the current test.
#[derive(Clone, Debug)]
pub struct TrialWork {
    left: u64,
    own: u64,
}

/// The test was not completed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unfinished {
    /// It needs too much work by itself.
    Own,
    /// The work for all tests is used up.
    All,
}

impl TrialWork {
    #[must_use]
    pub fn new(steps: u64) -> Self {
        TrialWork { left: steps, own: 0 }
    }

    /// Whether no further test runs.
    #[must_use]
    pub fn is_spent(&self) -> bool {
        self.left == 0
    }

    /// Begins the next test. If no work is left, the test must not even be parsed.
    pub(super) fn begin(&mut self) -> Result<(), Unfinished> {
        self.own = OF_A_TEST;
        if self.is_spent() { Err(Unfinished::All) } else { Ok(()) }
    }

    /// Counts a decision with this many rules, failed rules and steps of conditions. If one decision was too much,
    /// nothing is left: otherwise each of thousands of tests would be decided before that is noticed.
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
    fn after_a_test_exceeds_the_work_no_other_starts() {
        let mut work = TrialWork::new(1_000);
        assert_eq!(work.begin(), Ok(()));
        assert_eq!(work.decided(1, 0, 500), Ok(()));
        assert_eq!(work.decided(1, 0, 500), Err(Unfinished::All));
        assert!(work.is_spent());
        assert_eq!(work.begin(), Err(Unfinished::All));
    }

    #[test]
    fn failed_rules_count_as_work() {
        let mut work = TrialWork::new(1_000);
        assert_eq!(work.begin(), Ok(()));
        assert_eq!(work.decided(10, 10, 0), Err(Unfinished::All));
    }

    #[test]
    fn each_test_has_its_own_limit() {
        let mut work = TrialWork::new(u64::MAX);
        for _ in 0..2 {
            assert_eq!(work.begin(), Ok(()));
            assert_eq!(work.decided(0, 0, OF_A_TEST - 200), Ok(()));
            assert_eq!(work.decided(0, 0, 0), Err(Unfinished::Own));
        }
    }
}
