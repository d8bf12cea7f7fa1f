//! The tests that rules bring along, run against the policy that their folder amounts to.

use std::time::{Duration, Instant};

use outrigger_compile::{Compiled, Finding, PlacedTrial};
use outrigger_policy::{BuildError, Policy, trial};

/// A test that was run.
#[derive(Debug)]
pub(crate) struct RuleTest {
    pub trial: PlacedTrial,
    pub took: Duration,
    /// What was expected and what came, if that is something else.
    pub failure: Option<Finding>,
}

/// Runs them, in the order of the files.
///
/// # Errors
/// What is left of the objects is no policy.
pub(crate) fn run(compiled: &Compiled) -> Result<Vec<RuleTest>, BuildError> {
    // Most folders have none, and need no policy built.
    if compiled.trials.is_empty() {
        return Ok(Vec::new());
    }
    let policy = Policy::build(compiled.document.clone())?;
    let one = |trial: &PlacedTrial| {
        let begun = Instant::now();
        let outcome = trial::run(&policy, &trial.trial);
        let took = begun.elapsed();
        RuleTest { trial: trial.clone(), took, failure: outcome.err().map(|what| trial.failed(&what)) }
    };
    let mut tests: Vec<RuleTest> = compiled.trials.iter().map(one).collect();
    tests.sort_by(|a, b| (&a.trial.place, a.trial.trial.index).cmp(&(&b.trial.place, b.trial.trial.index)));
    Ok(tests)
}
