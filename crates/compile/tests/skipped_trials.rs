//! Tests of rules that depend on objects that can't be used are skipped; others are not.

#![allow(clippy::unwrap_used, reason = "a test may panic, outside its own function as well")]

use outrigger_compile::{Inputs, OPERATOR_NAMESPACE, Severity, compile, read};

fn object(kind: &str, name: &str, spec: &str) -> String {
    format!("apiVersion: outrigger.dev/v1alpha1\nkind: {kind}\nmetadata: {{name: {name}}}\nspec: {spec}\n---\n")
}

/// The names of the tests that a policy would run.
fn run(text: &str) -> Vec<String> {
    let source = read("x.yaml", text);
    let compiled = compile(&Inputs {
        objects: &source.objects,
        unread: false,
        environment: &|_| None,
        keys: &[],
        without_value: Severity::Error,
        sequence: 1,
        operator_namespace: OPERATOR_NAMESPACE,
    });
    compiled.trials.into_iter().map(|placed| placed.trial.name).collect()
}

#[test]
fn skips_tests_that_depend_on_unusable_objects() {
    let tests = "{targets: [{provider: local}], tests: [\
                 {name: first, request: {model: a}, expect: {provider: local}}, \
                 {name: named, request: {key: b, model: a}, expect: {provider: local}}, \
                 {name: spent, given: {spent: {team: 95%}}, request: {key: b, model: a}, expect: {provider: local}}, \
                 {name: ruled, request: {key: b, model: a}, expect: {rule: other}}]}";
    let rule = object("RoutingRule", "r", tests);
    let provider = object("LLMProvider", "local", "{type: Mock, mock: {}}");
    let (a, b) = (object("VirtualKey", "a", "{}"), object("VirtualKey", "b", "{providers: [{name: local}]}"));
    let sound = format!("{rule}{provider}{a}{b}");
    for (what, text, expected) in [
        ("nothing", sound.clone(), "first named spent ruled"),
        ("a key", format!("{rule}{provider}{b}{}", object("VirtualKey", "a", "{teem: x}")), "named spent ruled"),
        ("the named key", format!("{rule}{provider}{a}{}", object("VirtualKey", "b", "{teem: x}")), ""),
        ("the provider", format!("{rule}{a}{b}{}", object("LLMProvider", "local", "{type: Mok}")), ""),
        ("another provider", format!("{sound}{}", object("LLMProvider", "x", "{type: Mok}")), "named spent ruled"),
        ("a Budget", format!("{sound}{}", object("Budget", "team", "{amount: '1'}")), "first named ruled"),
        ("a rule", format!("{sound}{}", object("RoutingRule", "other", "{when: x}")), "first named spent"),
        ("its provider, no key", format!("{rule}{}", object("LLMProvider", "local", "{type: Mok}")), ""),
    ] {
        assert_eq!(run(&text).join(" "), expected, "{what} is broken");
    }
}
