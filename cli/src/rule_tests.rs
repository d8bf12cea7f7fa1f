//! The tests that rules bring along, run against the policy that their folder amounts to.

use std::time::{Duration, Instant};

use outrigger_compile::{Compiled, Finding, LocatedTrial, Severity};
use outrigger_policy::trial::{TrialOutcome, run_within};
use outrigger_policy::{BuildError, TrialWork};

/// How much work the tests of a folder may be, in steps: about 30 seconds.
const WORK: u64 = 1_500_000_000;

/// A test that was run.
#[derive(Debug)]
pub(crate) struct RuleTest {
    pub trial: LocatedTrial,
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
    let policy = compiled.policy()?;
    let mut work = TrialWork::new(WORK);
    let one = |trial: &LocatedTrial| {
        let begun = Instant::now();
        let outcome = run_within(&policy, &trial.trial, &mut work);
        let took = begun.elapsed();
        let failure = match outcome {
            TrialOutcome::Passed => None,
            TrialOutcome::Failed(what) => Some(trial.failed(&what)),
            // Whoever asks for tests is not told that all is well where some were not run.
            TrialOutcome::Untried => Some(Finding { severity: Severity::Error, ..trial.untried() }),
        };
        RuleTest { trial: trial.clone(), took, failure }
    };
    let mut tests: Vec<RuleTest> = compiled.trials.iter().map(one).collect();
    tests.sort_by(|a, b| (&a.trial.location, a.trial.trial.index).cmp(&(&b.trial.location, b.trial.trial.index)));
    Ok(tests)
}
