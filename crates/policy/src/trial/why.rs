//! Explains why the expected rule did not decide the request of a test.

use outrigger_core::ObjectRef;

use super::Expect;
use crate::decide::explain::{RuleOutcome, explain};
use crate::decision::Decision;
use crate::policy::Policy;
use crate::request::Request;
use crate::rules::rule::Rule;

/// Whether a text names a rule: by its name, or by namespace and name.
pub(super) fn is_named(rule: &ObjectRef, text: &str) -> bool {
    rule.name == text || rule.to_string() == text
}

/// The reason for the expected rule, else for the one under test; `None` if it decided, or none was expected.
pub(super) fn why_not(
    policy: &Policy,
    request: &Request<'_>,
    expect: &Expect,
    tested: &ObjectRef,
    decision: &Decision,
) -> Option<String> {
    let meant = |rule: &&Rule| match expect.rule.as_deref() {
        Some(name) if !is_named(tested, name) => is_named(&rule.id, name),
        _ => rule.id == *tested,
    };
    let rule = policy.rules.iter().find(meant)?;
    let led = decision.rule.iter().chain(&decision.chain).any(|label| *label == rule.label);
    if led || expect.rule.as_deref() == Some("") {
        return None;
    }
    let seen = explain(policy, request).rules.into_iter().find(|seen| *seen.rule == *rule.label);
    let reason = match seen {
        Some(seen) if seen.outcome == RuleOutcome::Matches => return None,
        Some(seen) => seen.why,
        None => {
            let label = decision.rule.as_ref()?;
            let first = decision.chain.first().unwrap_or(label);
            let before = policy.rules.iter().find(|other| other.label == *first)?;
            format!("RoutingRule {} is asked before it, {}", before.id, earlier(before, rule))
        }
    };
    Some(format!("RoutingRule {} did not: {reason}", rule.id))
}

/// Why a rule comes before another, in the order of [`Rule::order`].
fn earlier(before: &Rule, rule: &Rule) -> String {
    let (first, then) = (before.order(), rule.order());
    if first.0 != then.0 {
        "as it is of the key's own namespace".to_owned()
    } else if first.1 != then.1 {
        "as its scope is narrower".to_owned()
    } else if first.2 != then.2 {
        format!("as its priority is lower ({}, not {})", first.2, then.2)
    } else if first.3 != then.3 {
        "as it is older".to_owned()
    } else {
        "as its name comes first: give one of them a lower priority".to_owned()
    }
}
