//! The tests of rules, as the policy runs them, each with its place.

use outrigger_core::ObjectRef;
use outrigger_crds::RoutingRule;
use outrigger_crds::rule_test::RuleTestSpec;
use outrigger_policy::{Document, Expect, Given, KeyDoc, Trial, TrialRequest};

use crate::findings::finding::{Cause, Finding, Severity, SourcePlace};
use crate::objects::id::id;
use crate::objects::number::count;
use crate::objects::validate::{Keyless, ReadObject, SortedObjects};
use crate::read::source::DEFAULT_KEY;

/// A test of a rule, and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct PlacedTrial {
    pub trial: Trial,
    /// Where what it expects stands.
    pub place: SourcePlace,
    /// `RoutingRule search/premium`.
    pub object: String,
    /// `spec.tests[0]`.
    pub path: String,
}

impl PlacedTrial {
    /// The finding that the test was not run.
    #[must_use]
    pub fn untried(&self) -> Finding {
        Finding {
            severity: Severity::Warning,
            cause: Cause::Invalid,
            place: self.place.clone(),
            object: self.object.clone(),
            path: self.path.clone(),
            message: format!(
                "the test `{}` and those after it were not run: the tests of all rules together are too much work, so leave \
                 out `shares` and `anyOf` where another expectation will do, or have fewer tests",
                self.trial.name
            ),
        }
    }

    /// The finding that the test fails, with what came of it instead.
    #[must_use]
    pub fn failed(&self, message: &str) -> Finding {
        Finding {
            severity: Severity::Error,
            cause: Cause::TestFailed,
            place: self.place.clone(),
            object: self.object.clone(),
            path: self.path.clone(),
            message: format!("the test `{}` fails: {message}", self.trial.name),
        }
    }
}

/// Those of the rules that are part of the policy. A test that asks about what is there and can't be used is held back:
/// its failing would say nothing.
pub(crate) fn compile(
    folder: &SortedObjects<'_>,
    operator_namespace: &str,
    document: &Document,
    findings: &mut Vec<Finding>,
) -> Vec<PlacedTrial> {
    let mut trials = Vec::new();
    for (id, rule) in folder.rules.iter().filter(|(id, _)| !folder.misses("RoutingRule", |missing| missing == *id)) {
        let reached = |namespace: &str| id.namespace == operator_namespace || namespace == id.namespace;
        for (index, test) in rule.typed.spec.tests.iter().enumerate() {
            let placed = placed(rule, index, test, findings);
            trials.extend(placed.filter(|placed| !is_held(folder, document, &reached, &placed.trial)));
        }
    }
    trials
}

fn is_held(folder: &SortedObjects<'_>, document: &Document, reached: &dyn Fn(&str) -> bool, trial: &Trial) -> bool {
    let is = |id: &ObjectRef, name: &str| id.name == name || id.to_string() == name;
    // Without a name, the first of the scope is meant: a key that is missing may be that.
    let asks = |id: &ObjectRef| reached(&id.namespace) && trial.request.key.as_deref().is_none_or(|name| is(id, name));
    let of_key = |key: &KeyDoc| asks(&id(&key.namespace, &key.name)) && !folder.missing_providers(key).is_empty();
    let rule = trial.expect.rule.as_deref().filter(|name| !name.is_empty());
    folder.misses("VirtualKey", asks)
        || (may_be_keyless(folder, document, reached, trial) && folder.misses_keyless(|id| reached(&id.namespace)))
        || document.keys.iter().any(of_key)
        || (!trial.given.spent.is_empty() && folder.misses("Budget", |_| true))
        || rule.is_some_and(|name| folder.misses("RoutingRule", |id| is(id, name)))
}

/// Whether the key of those who name none may be the one that is meant: it comes last.
fn may_be_keyless(
    folder: &SortedObjects<'_>,
    document: &Document,
    reached: &dyn Fn(&str) -> bool,
    trial: &Trial,
) -> bool {
    let keyed = || document.keys.iter().any(|key| !key.keyless && reached(&key.namespace));
    match (folder.keyless, trial.request.key.as_deref()) {
        (Keyless::WithoutAnyKey, _) => true,
        (Keyless::WithoutDefault, Some(name)) => name.rsplit('/').next() == Some(DEFAULT_KEY),
        (Keyless::WithoutDefault, None) => !keyed(),
    }
}

/// `None` if no outcome could fulfil it.
fn placed(
    ReadObject { object, .. }: &ReadObject<'_, RoutingRule>,
    index: usize,
    test: &RuleTestSpec,
    findings: &mut Vec<Finding>,
) -> Option<PlacedTrial> {
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
    Some(PlacedTrial { trial, place: object.at(&format!("{path}.expect")), object: object.label(), path })
}

/// `95%` as 95: the schema lets through at most three digits and the sign.
fn percent(text: &str) -> u32 {
    text.trim_end_matches('%').parse().unwrap_or_default()
}
