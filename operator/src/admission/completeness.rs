//! Whether everything that a rule and its tests name exists. Objects are applied in any order, so a test that fails while
//! some of them are missing proves nothing.

use outrigger_core::ObjectRef;
use outrigger_crds::RoutingRuleSpec;
use outrigger_crds::rule_test::RuleTestSpec;
use outrigger_policy::{Document, KeyDoc};

/// In what the rule's namespace amounts to.
pub(super) fn all_there(rule: &ObjectRef, spec: &RoutingRuleSpec, document: &Document) -> bool {
    let scope = spec.scope.clone().unwrap_or_default();
    let concerned = |key: &KeyDoc| match (&scope.team, &scope.customer) {
        (Some(team), _) => key.team.as_ref() == Some(team),
        (None, Some(customer)) => key.customer.as_ref() == Some(customer),
        (None, None) => scope.virtual_keys.is_empty() || scope.virtual_keys.contains(&key.name),
    };
    document.keys.iter().any(concerned)
        && scope.virtual_keys.iter().all(|name| has_key(document, name))
        && spec.tests.iter().all(|test| is_there(rule, test, document))
}

fn is_there(rule: &ObjectRef, test: &RuleTestSpec, document: &Document) -> bool {
    let RuleTestSpec { given, request, expect, .. } = test;
    // `provider/model`. What stands before the stroke may be a part of the model's name, and the test is not held against
    // the rule then.
    let provider = |text: &String| {
        let name = text.split('/').next().unwrap_or(text);
        document.keys.iter().flat_map(|key| &key.providers).any(|entry| entry.name == name)
    };
    let given_down = given.iter().flat_map(|given| &given.unhealthy);
    let expected = expect.provider.iter().chain(&expect.any_of).chain(expect.shares.keys());
    let mut providers = given_down.chain(expected).chain(expect.fallbacks.iter().flatten());
    let of_key = |place: &&String| place.starts_with("limits.") || place.starts_with("providers[");
    let mut budgets = given.iter().flat_map(|given| given.spent.keys()).filter(|place| !of_key(place));
    let budget = |name: &String| document.budgets.iter().any(|one| is(&one.namespace, &one.name, name));
    let other = |name: &String| document.rules.iter().any(|one| is(&one.namespace, &one.name, name));
    let decides = |name: &String| name.is_empty() || is(&rule.namespace, &rule.name, name) || other(name);
    providers.all(provider)
        && budgets.all(budget)
        && request.key.iter().all(|name| has_key(document, name))
        && expect.rule.iter().all(decides)
}

fn has_key(document: &Document, name: &str) -> bool {
    document.keys.iter().any(|key| is(&key.namespace, &key.name, name))
}

/// By its name alone, or with its namespace.
fn is(namespace: &str, name: &str, said: &str) -> bool {
    said == name || said.split_once('/') == Some((namespace, name))
}
