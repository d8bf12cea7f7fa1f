//! The tests that rules bring along, run against the policy that their folder amounts to.

use std::time::{Duration, Instant};

use outrigger_compile::{Compiled, Finding, Object, Place, Severity};
use outrigger_policy::{BuildError, ObjectRef, Policy, trial};

/// A test that was run.
#[derive(Debug)]
pub(crate) struct RuleTest {
    /// `RoutingRule search/premium`.
    pub rule: String,
    pub name: String,
    pub place: Place,
    pub took: Duration,
    /// What was expected and what came, if that is something else.
    pub failure: Option<Finding>,
}

/// Runs them, in the order of the files.
///
/// # Errors
/// What is left of the objects is no policy.
pub(crate) fn run(objects: &[Object], compiled: &Compiled) -> Result<Vec<RuleTest>, BuildError> {
    // Most folders have none, and need no policy built.
    if compiled.trials.is_empty() {
        return Ok(Vec::new());
    }
    let policy = Policy::build(compiled.document.clone())?;
    let mut tests: Vec<RuleTest> = compiled
        .trials
        .iter()
        .filter_map(|trial| {
            let object = object(objects, &trial.rule)?;
            let path = format!("spec.tests[{}]", trial.index);
            let begun = Instant::now();
            let outcome = trial::run(&policy, trial);
            let took = begun.elapsed();
            let failure = outcome.err().map(|what| {
                object.finding(Severity::Error, &path, format!("the test `{}` fails: {what}", trial.name))
            });
            Some(RuleTest { rule: object.label(), name: trial.name.clone(), place: object.at(&path), took, failure })
        })
        .collect();
    tests.sort_by(|a, b| a.place.cmp(&b.place));
    Ok(tests)
}

fn object<'o>(objects: &'o [Object], rule: &ObjectRef) -> Option<&'o Object> {
    objects.iter().find(|object| {
        object.kind == "RoutingRule" && object.namespace == rule.namespace && object.name == rule.name
    })
}
