//! Checks whether everything that a rule and its tests name exists. Objects are applied in any order, so a test that
//! fails while some of them are missing proves nothing.

use outrigger_core::ObjectRef;
use outrigger_crds::RoutingRuleSpec;
use outrigger_crds::rule_test::RuleTestSpec;
use outrigger_policy::{Document, KeyDoc};

/// Looks in `document`, the compiled objects of the rule's namespace.
pub(super) fn all_exist(rule: &ObjectRef, spec: &RoutingRuleSpec, document: &Document) -> bool {
    let scope = spec.scope.clone().unwrap_or_default();
    let is_in_scope = |key: &KeyDoc| match (&scope.team, &scope.customer) {
        (Some(team), _) => key.team.as_ref() == Some(team),
        (None, Some(customer)) => key.customer.as_ref() == Some(customer),
        (None, None) => scope.virtual_keys.is_empty() || scope.virtual_keys.contains(&key.name),
    };
    document.keys.iter().any(is_in_scope)
        && scope.virtual_keys.iter().all(|name| has_key(document, name))
        && spec.tests.iter().all(|test| tests_are_complete(rule, test, document))
}

fn tests_are_complete(rule: &ObjectRef, test: &RuleTestSpec, document: &Document) -> bool {
    let RuleTestSpec { given, request, expect, .. } = test;
    // `provider/model`. A model's name may itself contain a slash. Then its first part is no provider, and the test is
    // not used to refuse the rule.
    let provider = |text: &String| {
        let name = text.split('/').next().unwrap_or(text);
        document.keys.iter().flat_map(|key| &key.providers).any(|entry| entry.name == name)
    };
    let given_down = given.iter().flat_map(|given| &given.unhealthy);
    let expected = expect.provider.iter().chain(&expect.any_of).chain(expect.shares.keys());
    let mut providers = given_down.chain(expected).chain(expect.fallbacks.iter().flatten());
    let is_key_limit = |name: &&String| name.starts_with("limits.") || name.starts_with("providers[");
    let mut budgets = given.iter().flat_map(|given| given.spent.keys()).filter(|name| !is_key_limit(name));
    let budget = |name: &String| document.budgets.iter().any(|one| names(&one.namespace, &one.name, name));
    let other = |name: &String| document.rules.iter().any(|one| names(&one.namespace, &one.name, name));
    let decides = |name: &String| name.is_empty() || names(&rule.namespace, &rule.name, name) || other(name);
    providers.all(provider)
        && budgets.all(budget)
        && request.key.iter().all(|name| has_key(document, name))
        && expect.rule.iter().all(decides)
}

fn has_key(document: &Document, name: &str) -> bool {
    document.keys.iter().any(|key| names(&key.namespace, &key.name, name))
}

/// `reference` is the name alone, or `namespace/name`.
fn names(namespace: &str, name: &str, reference: &str) -> bool {
    reference == name || reference.split_once('/') == Some((namespace, name))
}
