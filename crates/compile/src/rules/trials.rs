//! Tests of rules, with their locations.

use outrigger_core::ObjectRef;
use outrigger_crds::RoutingRule;
use outrigger_crds::rule_test::RuleTestSpec;
use outrigger_policy::{Document, Expect, Given, KeyDoc, Trial, TrialRequest};

use crate::findings::finding::{Cause, Finding, Severity, SourceLocation};
use crate::objects::id::id;
use crate::objects::kind::PolicyKind;
use crate::objects::number::count;
use crate::objects::sorted::{Keyless, ReadObject, SortedObjects};
use crate::read::source::DEFAULT_KEY;

/// A test of a rule, and its location.
#[derive(Clone, Debug, PartialEq)]
pub struct LocatedTrial {
    pub trial: Trial,
    /// The location of the expected result.
    pub location: SourceLocation,
    /// `RoutingRule search/premium`.
    pub object: String,
    /// `spec.tests[0]`.
    pub path: String,
}

impl LocatedTrial {
    /// The finding that the test was not run.
    #[must_use]
    pub fn untried(&self) -> Finding {
        Finding {
            severity: Severity::Warning,
            cause: Cause::Invalid,
            location: self.location.clone(),
            object: self.object.clone(),
            path: self.path.clone(),
            message: format!(
                "the test `{}` and those after it were not run: the tests of all rules together are too much work, so leave \
                 out `shares` and `anyOf` where another expectation will do, or have fewer tests",
                self.trial.name
            ),
        }
    }

    /// The finding that the test fails, with the actual result.
    #[must_use]
    pub fn failed(&self, message: &str) -> Finding {
        Finding {
            severity: Severity::Error,
            cause: Cause::TestFailed,
            location: self.location.clone(),
            object: self.object.clone(),
            path: self.path.clone(),
            message: format!("the test `{}` fails: {message}", self.trial.name),
        }
    }
}

/// The tests of the rules in the policy. A test that depends on an object that can't be used is skipped: its failure
/// would have no meaning.
pub(crate) fn compile(
    sorted: &SortedObjects<'_>,
    operator_namespace: &str,
    document: &Document,
    findings: &mut Vec<Finding>,
) -> Vec<LocatedTrial> {
    let mut trials = Vec::new();
    for (id, rule) in
        sorted.rules.iter().filter(|(id, _)| !sorted.has_unusable(PolicyKind::RoutingRule, |missing| missing == *id))
    {
        let reached = |namespace: &str| id.namespace == operator_namespace || namespace == id.namespace;
        for (index, test) in rule.typed.spec.tests.iter().enumerate() {
            let located = located(rule, index, test, findings);
            trials.extend(located.filter(|located| !depends_on_unusable(sorted, document, &reached, &located.trial)));
        }
    }
    trials
}

fn depends_on_unusable(
    sorted: &SortedObjects<'_>,
    document: &Document,
    reached: &dyn Fn(&str) -> bool,
    trial: &Trial,
) -> bool {
    let is = |id: &ObjectRef, name: &str| id.name == name || id.to_string() == name;
    // Without a name, the first key of the scope is used, which may be one that can't be used.
    let may_use =
        |id: &ObjectRef| reached(&id.namespace) && trial.request.key.as_deref().is_none_or(|name| is(id, name));
    let of_key = |key: &KeyDoc| may_use(&id(&key.namespace, &key.name)) && !sorted.unusable_providers(key).is_empty();
    let rule = trial.expect.rule.as_deref().filter(|name| !name.is_empty());
    sorted.has_unusable(PolicyKind::VirtualKey, may_use)
        || (may_be_keyless(sorted, document, reached, trial) && sorted.may_miss_keyless(|id| reached(&id.namespace)))
        || document.keys.iter().any(of_key)
        || (!trial.given.spent.is_empty() && sorted.has_unusable(PolicyKind::Budget, |_| true))
        || rule.is_some_and(|name| sorted.has_unusable(PolicyKind::RoutingRule, |id| is(id, name)))
}

/// Whether the test may use the key of callers without a key: that is the last one.
fn may_be_keyless(
    sorted: &SortedObjects<'_>,
    document: &Document,
    reached: &dyn Fn(&str) -> bool,
    trial: &Trial,
) -> bool {
    let keyed = || document.keys.iter().any(|key| !key.keyless && reached(&key.namespace));
    match (sorted.keyless, trial.request.key.as_deref()) {
        (Keyless::WithoutAnyKey, _) => true,
        (Keyless::WithoutDefault, Some(name)) => name.rsplit('/').next() == Some(DEFAULT_KEY),
        (Keyless::WithoutDefault, None) => !keyed(),
    }
}

/// `None`, with a finding, if no result can match it.
fn located(
    ReadObject { object, .. }: &ReadObject<'_, RoutingRule>,
    index: usize,
    test: &RuleTestSpec,
    findings: &mut Vec<Finding>,
) -> Option<LocatedTrial> {
    let path = format!("spec.tests[{index}]");
    let RuleTestSpec { name, given, request, expect } = test;
    let given = given.clone().unwrap_or_default();
    let shares: std::collections::BTreeMap<String, u32> =
        expect.shares.iter().map(|(name, share)| (name.clone(), percent(share))).collect();
    let sum: u32 = shares.values().sum();
    if sum > 100 {
        let message = format!("add up to {sum} %, and no more than 100 % can come: lower them");
        findings.push(object.error(&format!("{path}.expect.shares"), message));
        return None;
    }
    let trial = Trial {
        rule: object.id(),
        index,
        name: name.clone(),
        given: Given {
            unhealthy: given.unhealthy,
            spent: given.spent.into_iter().map(|(name, used)| (name, percent(&used))).collect(),
            time: given.time.map(|time| time.0.as_millisecond()),
            labels: given.labels,
            workload: given.workload,
        },
        request: TrialRequest {
            key: request.key.clone(),
            model: request.model.clone(),
            request_type: Some(request.request_type.name().to_owned()),
            headers: request.headers.clone(),
            params: request.params.clone(),
            fallbacks: request.fallbacks.clone(),
            input_tokens: request.input_tokens.map(|tokens| count(tokens).into()),
            needs: request.needs.iter().map(|one| one.name().to_owned()).collect(),
        },
        expect: Expect {
            provider: expect.provider.clone(),
            any_of: expect.any_of.clone(),
            shares,
            model: expect.model.clone(),
            rule: expect.rule.clone(),
            fallbacks: expect.fallbacks.clone(),
            refused: expect.refused.clone(),
        },
    };
    Some(LocatedTrial { trial, location: object.at(&format!("{path}.expect")), object: object.label(), path })
}

/// `95%` as 95: the schema accepts at most three digits and the sign.
fn percent(text: &str) -> u32 {
    text.trim_end_matches('%').parse().unwrap_or_default()
}
