//! Runs the tests of rules against the policy of their folder.

use std::time::{Duration, Instant};

use outrigger_compile::{Compiled, Finding, LocatedTrial, Severity};
use outrigger_policy::trial::{TrialOutcome, run_within};
use outrigger_policy::{BuildError, TrialWork};

/// The limit for the tests of a folder, in steps: about 30 seconds.
const WORK: u64 = 1_500_000_000;

/// A test that was run.
#[derive(Debug)]
pub(crate) struct RuleTest {
    pub trial: LocatedTrial,
    pub took: Duration,
    /// The difference between the expected and the actual result, if any.
    pub failure: Option<Finding>,
}

/// Runs the tests in the order of the files.
///
/// # Errors
/// The valid objects do not form a policy.
pub(crate) fn run(compiled: &Compiled) -> Result<Vec<RuleTest>, BuildError> {
    // Most folders have no tests, and need no policy.
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
            // A test that was not run is a failure, because the user asked for its result.
            TrialOutcome::Untried => Some(Finding { severity: Severity::Error, ..trial.untried() }),
        };
        RuleTest { trial: trial.clone(), took, failure }
    };
    let mut tests: Vec<RuleTest> = compiled.trials.iter().map(one).collect();
    tests.sort_by(|a, b| (&a.trial.location, a.trial.trial.index).cmp(&(&b.trial.location, b.trial.trial.index)));
    Ok(tests)
}
