//! The precedence of rules, pins, weights and fallbacks.

use outrigger_policy::{Policy, Request, Skip};

use crate::world::*;

fn three(rules: Vec<outrigger_policy::RuleDoc>) -> Policy {
    policy(
        ["a", "b", "c"].map(|name| models(provider(name, "vLLM"), &["m", "n"])).into(),
        key(vec![entry("a", 100), entry("b", 0), entry("c", 0)]),
        rules,
    )
}

#[test]
fn rules_precede_pins_and_weights_and_the_body_replaces_fallbacks() {
    let ruled = || three(vec![rule("r", "model == 'm'", &["b/n"], &["c", "a/n", "m"])]);
    let (none, one) = (texts(&[]), texts(&["c/n"]));
    for (what, policy, model, fallbacks, expected) in [
        ("weights; the others follow by weight", three(vec![]), "m", None, "a/m > b/m > c/m"),
        ("a pin is that provider alone", three(vec![]), "b/m", None, "b/m"),
        ("a rule, for a bare name", ruled(), "m", None, "b/n > c/m > a/n > a/m > b/m"),
        ("a rule, for a pin too", ruled(), "c/m", None, "b/n > c/m > a/n > a/m > b/m"),
        ("no rule for this", ruled(), "n", None, "a/n > b/n > c/n"),
        ("body over weights", three(vec![]), "m", Some(&one), "a/m > c/n"),
        ("body over a pin", three(vec![]), "b/m", Some(&one), "b/m > c/n"),
        ("body over a rule", ruled(), "m", Some(&one), "b/n > c/n"),
        ("an empty body's list, over weights", three(vec![]), "m", Some(&none), "a/m"),
        ("an empty one, over a rule", ruled(), "m", Some(&none), "b/n"),
    ] {
        let request = Request { fallbacks: fallbacks.map(Vec::as_slice), ..ask(model) };
        assert_eq!(decided(&policy, &request), expected, "{what}");
    }
}

#[test]
fn a_fallback_is_a_pin_a_provider_or_a_name() {
    let policy = three(vec![]);
    for (text, expected) in [
        ("b/n", "a/m > b/n"),
        ("b", "a/m > b/m"),
        ("n", "a/m > a/n > b/n > c/n"),
        ("nobody/n", "a/m | nobody/n: provider_blocked"),
        ("a/m", "a/m"),
        ("m", "a/m > b/m > c/m"),
    ] {
        let fallbacks = texts(&[text]);
        assert_eq!(decided(&policy, &Request { fallbacks: Some(&fallbacks), ..ask("m") }), expected, "{text}");
    }
    // If no provider accepts any name, an unknown name stays in the list with its reason.
    let strict = crate::world::policy(vec![provider("a", "OpenAI")], key(vec![entry("a", 1)]), vec![]);
    let fallbacks = texts(&["nobody/n", "gpt-4o"]);
    let request = Request { fallbacks: Some(&fallbacks), ..ask("o3") };
    assert_eq!(decided(&strict, &request), "a/o3 > a/gpt-4o | nobody/n: provider_blocked");
}

#[test]
fn the_bodys_fallbacks_follow_the_chosen_primary() {
    let policy = three(vec![]);
    let fallbacks = texts(&["c/n"]);
    let resting = World { gates: vec![("a", Skip::Cooldown)], ..World::default() };
    let request = Request { fallbacks: Some(&fallbacks), state: &resting, ..ask("m") };
    assert_eq!(decided(&policy, &request), "b/m > c/n | a/m: cooldown", "a rests, so b is drawn");
}

#[test]
fn rule_targets_are_chosen_by_weight_and_keep_the_requested_model() {
    let policy = three(vec![rule("r", "", &["b=1", "c/n=99", "a=0"], &[])]);
    let mut counts = std::collections::BTreeMap::new();
    for request in 0..1_000 {
        let line = decided(&policy, &Request { draw: outrigger_policy::Draw::Random(request), ..ask("m") });
        *counts.entry(line).or_insert(0) += 1;
    }
    let lines: Vec<&str> = counts.keys().map(String::as_str).collect();
    assert_eq!(lines, ["b/m > c/n > a/m", "c/n > b/m > a/m"]);
    assert!((1..40).contains(&counts["b/m > c/n > a/m"]), "{counts:?}");
}

#[test]
fn a_candidate_is_listed_once() {
    let mut one = credentials(provider("a", "vLLM"), &["x=2", "y"]);
    one.credentials[1].weight = 1;
    for (what, targets, fallbacks, expected) in [
        ("a provider twice", vec!["a/m"], vec!["a/m", "a"], "a/m@"),
        ("two models are two", vec!["a/m"], vec!["a/n"], "a/m@ > a/n@"),
        ("one credential, then all", vec!["a/m@y"], vec!["a/m"], "a/m@y > a/m@"),
        ("all, then one", vec!["a/m=1", "a/m=0@y"], vec![], "a/m@"),
        ("two credentials are two", vec!["a/m=1@x", "a/m=0@y"], vec![], "a/m@x > a/m@y"),
    ] {
        let policy = policy(vec![one.clone()], key(vec![entry("a", 1)]), vec![rule("r", "", &targets, &fallbacks)]);
        let line = decided(&policy, &ask("m")).replace("@x,y", "@").replace("@y,x", "@");
        assert_eq!(line, expected, "{what}");
    }
}
