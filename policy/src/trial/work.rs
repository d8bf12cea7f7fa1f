//! How much work tests of rules may be: an object has many, a namespace has many objects, and whoever plans must come to
//! an end.

/// What one test may come to, in steps: some 100 ms.
pub const OF_A_TEST: u64 = 5_000_000;
/// What looking at a rule comes to, and what a decision does beside.
const RULE: u64 = 1;
const DECISION: u64 = 200;

/// Steps that are left for tests, and what is left for the one that runs.
#[derive(Clone, Debug)]
pub struct Work {
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

impl Work {
    #[must_use]
    pub fn new(steps: u64) -> Self {
        Work { left: steps, own: 0 }
    }

    /// The next test begins.
    pub(super) fn begin(&mut self) {
        self.own = OF_A_TEST;
    }

    /// A decision among so many rules, of which conditions took so many steps.
    pub(super) fn decided(&mut self, rules: usize, steps: u64) -> Result<(), Unfinished> {
        let steps = DECISION.saturating_add(RULE.saturating_mul(rules as u64)).saturating_add(steps);
        self.left = self.left.checked_sub(steps).ok_or(Unfinished::All)?;
        self.own = self.own.checked_sub(steps).ok_or(Unfinished::Own)?;
        Ok(())
    }
}
