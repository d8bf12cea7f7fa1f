//! A budget that is nearly spent replaces a model with a cheaper one.

use outrigger_core::{Capabilities, RequestType};
use outrigger_policy::{
    AppliesDoc, BudgetDoc, Draw, KeyDoc, ModelDoc, Policy, ProviderDoc, Request, RuleDoc, Skip, ThresholdAction, decide,
};

use crate::world::*;

/// `a` has `big`, `small` and `odd` (cheaper input, more expensive output); `b` has `other`; `c` has `big` and `tiny`.
fn shop() -> Vec<ProviderDoc> {
    vec![
        priced(provider("a", "Azure"), &[("big", 10, 20), ("small", 1, 2), ("odd", 9, 21), ("same", 10, 20)]),
        priced(provider("b", "Azure"), &[("other", 2, 2), ("dear", 99, 99)]),
        priced(provider("c", "Azure"), &[("big", 12, 22), ("tiny", 1, 1), ("half", 12, 21)]),
    ]
}

fn policy(to: &str, key: KeyDoc, rules: Vec<RuleDoc>) -> Policy {
    let threshold = (90, ThresholdAction::Downgrade { model: to.into() });
    budgeted(shop(), KeyDoc { budgets: vec![object("team")], ..key }, rules, vec![budget("team", &[threshold])])
}

fn all() -> KeyDoc {
    key(vec![entry("a", 2), entry("b", 1), entry("c", 0)])
}

#[test]
fn a_downgrade_is_cheaper_and_allowed_for_the_key() {
    let targets = |names: &[&str]| vec![rule("r", "", names, &[])];
    let denies = |model: &str| KeyDoc { deny: texts(&[model]), ..all() };
    let listed = key(vec![only(entry("a", 2), &["big"]), entry("b", 1), entry("c", 0)]);
    for (what, policy, model, used, expected) in [
        ("not yet", policy("small", all(), vec![]), "a/big", 89, "a/big"),
        ("at the threshold", policy("small", all(), vec![]), "a/big", 90, "a/small"),
        ("beyond it", policy("small", all(), vec![]), "a/big", 99, "a/small"),
        ("spent all the same", policy("small", all(), vec![]), "a/big", 100, "402 budget_exceeded"),
        ("another provider has it", policy("other", all(), vec![]), "a/big", 90, "b/other"),
        ("dearer", policy("dear", all(), vec![]), "a/big", 90, "a/big"),
        ("dearer in one", policy("odd", all(), vec![]), "a/big", 90, "a/big"),
        ("the same price", policy("same", all(), vec![]), "a/big", 90, "a/big"),
        ("cheaper in one, the same in the other", policy("half", all(), vec![]), "c/big", 90, "c/half"),
        ("itself", policy("big", all(), vec![]), "a/big", 90, "a/big"),
        ("already cheaper", policy("small", all(), vec![]), "c/tiny", 90, "c/tiny"),
        ("a model that no provider has", policy("gone", all(), vec![]), "a/big", 90, "a/big"),
        ("denied", policy("small", denies("small"), vec![]), "a/big", 90, "a/big"),
        ("not in the entry's list", policy("small", listed, vec![]), "a/big", 90, "a/big"),
        ("not the key's", policy("other", key(vec![entry("a", 1)]), vec![]), "a/big", 90, "a/big"),
        ("a bare name's: each, and once", policy("tiny", all(), vec![]), "big", 90, "c/tiny"),
        ("a rule's targets", policy("small", all(), targets(&["a/big", "c/tiny=0"])), "x", 90, "a/small > c/tiny"),
    ] {
        let world = spent(&policy, &[("Budget t/team", used)]);
        let request = Request { state: &world, draw: Draw::Likeliest, ..ask(model) };
        assert_eq!(decided(&policy, &request), expected, "{what}");
    }
}

#[test]
fn a_downgrade_is_recorded_and_the_last_threshold_counts() {
    let down = |percent, model: &str| (percent, ThresholdAction::Downgrade { model: model.into() });
    let thresholds = [(50, ThresholdAction::Notify), down(80, "same"), down(80, "small"), down(95, "tiny")];
    let key = KeyDoc { budgets: vec![object("team")], ..all() };
    let policy = budgeted(shop(), key, vec![], vec![budget("team", &thresholds)]);
    for (used, first, by) in [(79, "a/big", false), (80, "a/small", true), (94, "a/small", true), (95, "c/tiny", true)]
    {
        let world = spent(&policy, &[("Budget t/team", used)]);
        let decision = decide(&policy, &Request { state: &world, ..ask("a/big") });
        let candidate = decision.eligible().next().unwrap();
        assert_eq!(format!("{}/{}", candidate.name, candidate.model), first);
        assert_eq!(candidate.downgraded_by, by.then(|| place(&policy, "Budget t/team")), "{used}");
    }
}

/// The cheaper model has its own budget, or none: it is still served when the expensive model's budget is spent.
#[test]
fn a_spent_budget_of_only_the_expensive_model_still_allows_the_cheaper_one() {
    let applies = AppliesDoc { models: texts(&["big"]), ..AppliesDoc::default() };
    let down = (90, ThresholdAction::Downgrade { model: "small".into() });
    let counting = BudgetDoc { applies_to: Some(applies), ..budget("dear", &[down]) };
    let policy = budgeted(shop(), all(), vec![], vec![counting]);
    let world = spent(&policy, &[("Budget t/dear", 100)]);
    assert_eq!(decided(&policy, &Request { state: &world, ..ask("a/big") }), "a/small");
}

#[test]
fn a_cheaper_model_without_a_needed_capability_is_not_used() {
    let can = |words: &[&str]| {
        let mut providers = shop();
        let small: &mut ModelDoc = &mut providers[0].models[1];
        small.capabilities = Some(texts(words));
        let down = (90, ThresholdAction::Downgrade { model: "small".into() });
        let key = KeyDoc { budgets: vec![object("team")], ..all() };
        budgeted(providers, key, vec![], vec![budget("team", &[down])])
    };
    let (vision, cached) = (Capabilities::VISION, Capabilities::PROMPT_CACHING);
    for (what, policy, request_type, needs, expected) in [
        ("it can", can(&["Tools", "Vision"]), RequestType::ResponsesStream, vision, "a/small"),
        ("it can't", can(&["Tools"]), RequestType::ChatCompletion, vision, "a/big"),
        ("it can't cache, and answers the same", can(&["Tools"]), RequestType::ChatCompletion, cached, "a/small"),
        (
            "vectors of another model fit nothing",
            can(&["Tools"]),
            RequestType::Embedding,
            Capabilities::default(),
            "a/big",
        ),
    ] {
        let world = World { needs, ..spent(&policy, &[("Budget t/team", 90)]) };
        assert_eq!(decided(&policy, &Request { request_type, state: &world, ..ask("a/big") }), expected, "{what}");
    }
}

/// Otherwise the remaining budget of a cheap model would pay for the expensive one.
#[test]
fn a_cheaper_model_in_cooldown_keeps_the_position() {
    let policy = policy("other", all(), vec![rule("r", "", &["a/big"], &["c/tiny"])]);
    for (gate, expected) in
        [(Skip::Cooldown, "c/tiny | b/other: cooldown"), (Skip::Unhealthy, "c/tiny | b/other: unhealthy")]
    {
        let world = World { gates: vec![("b", gate)], ..spent(&policy, &[("Budget t/team", 90)]) };
        assert_eq!(decided(&policy, &Request { state: &world, ..ask("x") }), expected);
    }
}

#[test]
fn a_rules_credential_applies_only_to_its_own_provider() {
    let mut providers = shop();
    providers[0] = credentials(providers[0].clone(), &["x", "y"]);
    providers[1] = credentials(providers[1].clone(), &["z"]);
    for (to, expected) in [("small", "a/small@y"), ("other", "b/other@z")] {
        let down = (90, ThresholdAction::Downgrade { model: to.into() });
        let key = KeyDoc { budgets: vec![object("team")], ..all() };
        let rules = vec![rule("r", "", &["a/big@y"], &[])];
        let policy = budgeted(providers.clone(), key, rules, vec![budget("team", &[down])]);
        let world = spent(&policy, &[("Budget t/team", 90)]);
        assert_eq!(decided(&policy, &Request { state: &world, ..ask("x") }), expected);
    }
}
