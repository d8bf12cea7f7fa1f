//! The findings of one compilation, by object.

use std::collections::{BTreeMap, HashMap, HashSet};

use outrigger_compile::{Cause, Compiled, Finding, Severity};
use outrigger_policy::TrialWork;
use outrigger_policy::trial::{self, TrialOutcome};

use crate::objects::id::{ObjectId, ObjectKind};
use crate::objects::version::ObjectVersion;

/// The limit for the tests of a namespace's rules, in steps: about 100 ms.
const TESTS: u64 = 5_000_000;

/// The work that is left for a plan's tests. All tests run once. Then substitutes are tried a few times, and all these
/// runs together get the same amount again. So a plan ends, whatever its objects are.
#[derive(Debug)]
pub(super) struct TestBudget {
    work: TrialWork,
    again: TrialWork,
}

impl TestBudget {
    pub fn new() -> Self {
        TestBudget { work: TrialWork::new(TESTS), again: TrialWork::new(TESTS) }
    }

    /// Called after the first run; further runs use the second amount.
    pub fn next_runs(&mut self) {
        self.work = std::mem::replace(&mut self.again, TrialWork::new(0));
    }
}

/// How much of an object is usable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    /// Nothing is usable.
    Absent,
    /// A rule whose own tests fail.
    Untested,
    /// A part is usable.
    Partial,
    Sound,
}

/// When an object is decided: after the objects that it depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum DecisionStage {
    First,
    Keys,
    /// Objects that are checked against what keys allow.
    Last,
}

pub(super) struct PassFindings {
    findings: HashMap<String, Vec<Finding>>,
    failed: HashMap<String, Vec<Finding>>,
    ranks: BTreeMap<ObjectId, Rank>,
    /// How many tests of each rule were run.
    tried: HashMap<String, usize>,
}

impl PassFindings {
    /// Collects the findings about a namespace's own objects, and runs the tests of its rules.
    pub fn of<'a>(
        compiled: &Compiled,
        namespace: &str,
        own: impl Iterator<Item = &'a ObjectId>,
        tests: &mut TestBudget,
    ) -> Self {
        let mut findings: HashMap<String, Vec<Finding>> = HashMap::new();
        for finding in &compiled.findings {
            findings.entry(finding.object.clone()).or_default().push(finding.clone());
        }
        let TestRuns { failed, untried } = run_tests(compiled, namespace, &mut tests.work);
        let mut tried: HashMap<String, usize> = HashMap::new();
        for placed in compiled.trials.iter().filter(|placed| !untried.contains_key(&placed.object)) {
            *tried.entry(placed.object.clone()).or_default() += 1;
        }
        for (object, finding) in untried {
            findings.entry(object).or_default().push(finding);
        }
        let mut seen = PassFindings { findings, failed, ranks: BTreeMap::new(), tried };
        let compiled_objects = compiled_objects(compiled);
        for id in own {
            let rank = match seen.problems(id).next() {
                _ if !compiled_objects.contains(&(id.kind, id.namespace.as_str(), id.name.as_str())) => Rank::Absent,
                _ if seen.failed.contains_key(&id.to_string()) => Rank::Untested,
                Some(_) => Rank::Partial,
                None => Rank::Sound,
            };
            seen.ranks.insert(id.clone(), rank);
        }
        seen
    }

    pub fn rank(&self, id: &ObjectId) -> Rank {
        self.ranks.get(id).copied().unwrap_or(Rank::Absent)
    }

    pub fn findings(&self, id: &ObjectId) -> Vec<Finding> {
        let label = id.to_string();
        let failed = self.failed.get(&label).into_iter().flatten().cloned();
        self.findings.get(&label).into_iter().flatten().cloned().chain(failed).collect()
    }

    pub fn has_error_at(&self, id: &ObjectId, path: &str) -> bool {
        self.problems(id).any(|finding| finding.path == path)
    }

    pub fn stage(&self, id: &ObjectId) -> DecisionStage {
        let by_keys = |finding: &Finding| {
            let path = finding.path.as_str();
            finding.cause == Cause::RefNotFound
                && (path.starts_with("spec.thresholds") || path.starts_with("spec.appliesTo"))
        };
        match id.kind {
            ObjectKind::LlmProvider | ObjectKind::ModelCatalog => DecisionStage::First,
            ObjectKind::Budget if self.problems(id).next().is_some() && self.problems(id).all(by_keys) => {
                DecisionStage::Last
            }
            ObjectKind::Budget => DecisionStage::First,
            ObjectKind::VirtualKey => DecisionStage::Keys,
            ObjectKind::RoutingRule => DecisionStage::Last,
        }
    }

    /// Whether some tests of a rule were not run, so that it is not known whether it is valid.
    pub fn is_untried(&self, id: &ObjectId, version: &ObjectVersion) -> bool {
        let tried = self.tried.get(&id.to_string()).copied().unwrap_or_default();
        id.kind == ObjectKind::RoutingRule && tried < version.rule_tests()
    }

    /// Whether its only problems are those of objects that it depends on.
    pub fn has_only_dependency_problems(&self, id: &ObjectId) -> bool {
        let mut problems = self.problems(id).peekable();
        problems.peek().is_some()
            && problems.all(|finding| finding.cause == Cause::Dependency)
            && !self.failed.contains_key(&id.to_string())
    }

    /// Whether its problems are a proper subset of those of another version.
    pub fn has_fewer_problems(&self, id: &ObjectId, previous_findings: &[Finding]) -> bool {
        let another = previous_findings.iter().filter(|finding| is_problem(finding)).count();
        self.problems(id).count() < another && self.problems(id).all(|finding| previous_findings.contains(finding))
    }

    fn problems(&self, id: &ObjectId) -> impl Iterator<Item = &Finding> {
        self.findings.get(&id.to_string()).into_iter().flatten().filter(|finding| is_problem(finding))
    }
}

/// An error, or a warning that something is missing and cannot be used.
fn is_problem(finding: &Finding) -> bool {
    finding.severity == Severity::Error || finding.cause == Cause::Dependency
}

/// The objects that became part of the document.
fn compiled_objects(compiled: &Compiled) -> HashSet<(ObjectKind, &str, &str)> {
    let document = &compiled.document;
    let providers =
        document.providers.iter().map(|one| (ObjectKind::LlmProvider, one.namespace.as_str(), one.name.as_str()));
    let keys = document.keys.iter().filter(|key| !key.keyless);
    let keys = keys.map(|one| (ObjectKind::VirtualKey, one.namespace.as_str(), one.name.as_str()));
    let rules = document.rules.iter().map(|one| (ObjectKind::RoutingRule, one.namespace.as_str(), one.name.as_str()));
    let budgets = document.budgets.iter().map(|one| (ObjectKind::Budget, one.namespace.as_str(), one.name.as_str()));
    let catalogues = document.catalogues.iter();
    let catalogues = catalogues.map(|one| (ObjectKind::ModelCatalog, one.namespace.as_str(), one.name.as_str()));
    providers.chain(keys).chain(rules).chain(budgets).chain(catalogues).collect()
}

/// The results of the tests of a namespace's own rules, by rule.
#[derive(Default)]
struct TestRuns {
    failed: HashMap<String, Vec<Finding>>,
    /// Findings about rules with tests that there was no time for.
    untried: HashMap<String, Finding>,
}

fn run_tests(compiled: &Compiled, namespace: &str, work: &mut TrialWork) -> TestRuns {
    let mut all = TestRuns::default();
    let mut own = compiled.trials.iter().filter(|placed| placed.trial.rule.namespace == namespace).peekable();
    if own.peek().is_none() {
        return all;
    }
    // Never an error: each expression was compiled before, and each key has its providers.
    let Ok(policy) = compiled.policy() else { return all };
    for placed in own {
        match trial::run_within(&policy, &placed.trial, work) {
            TrialOutcome::Passed => {}
            TrialOutcome::Failed(message) => {
                all.failed.entry(placed.object.clone()).or_default().push(placed.failed(&message));
            }
            TrialOutcome::Untried => {
                all.untried.entry(placed.object.clone()).or_insert_with(|| placed.untried());
            }
        }
    }
    all
}
