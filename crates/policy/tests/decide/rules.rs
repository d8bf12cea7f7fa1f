//! The order in which rules are evaluated, and which rules apply.

use outrigger_policy::{Document, FORMAT, KeyDoc, Policy, Request, RuleDoc, ScopeDoc, decide};

use crate::world::*;

fn rule_of(policy: &Policy, key: usize) -> Option<String> {
    decide(policy, &Request { key: key.into(), ..ask("m") }).rule.map(|rule| rule.to_string())
}

/// Rules in the order of evaluation: each is removed in turn, and the next decides.
#[test]
fn narrower_scopes_then_priority_then_age_then_name() {
    let of = |name: &str, scope: ScopeDoc, priority, created| RuleDoc {
        scope,
        priority,
        created,
        ..rule(name, "", &["a"], &[])
    };
    let keys = || ScopeDoc::VirtualKeys(texts(&["other", "k"]));
    let mut ordered = vec![
        of("key-first", keys(), 1, 9),
        of("key-later", keys(), 2, 1),
        of("team", ScopeDoc::Team("red".into()), 0, 0),
        of("customer", ScopeDoc::Customer("acme".into()), -5, 0),
        of("z-lowest", ScopeDoc::Namespace, -1, 9),
        of("z-older", ScopeDoc::Namespace, 0, 1),
        of("a-by-name", ScopeDoc::Namespace, 0, 2),
        of("b-by-name", ScopeDoc::Namespace, 0, 2),
        of("a-last", ScopeDoc::Namespace, 7, 0),
    ];
    while let Some(first) = ordered.first().cloned() {
        // In any order in the document.
        let mut rules = ordered.clone();
        rules.reverse();
        let key = KeyDoc { team: Some("red".into()), customer: Some("acme".into()), ..key(vec![entry("a", 1)]) };
        let policy = policy(vec![provider("a", "vLLM")], key, rules);
        assert_eq!(rule_of(&policy, 0), Some(format!("t/{}", first.name)));
        ordered.remove(0);
    }
}

#[test]
fn a_rule_applies_to_the_keys_of_its_scope_and_namespace() {
    let keyed = |namespace: &str, name: &str, team: Option<&str>| KeyDoc {
        namespace: namespace.into(),
        name: name.into(),
        team: team.map(str::to_owned),
        ..key(vec![entry("a", 1)])
    };
    let keys = vec![keyed("t", "k", Some("red")), keyed("t", "l", None), keyed("u", "k", Some("red"))];
    for (what, rule, concerned) in [
        ("namespace", rule("r", "", &["a"], &[]), [true, true, false]),
        (
            "key",
            RuleDoc { scope: ScopeDoc::VirtualKeys(texts(&["k"])), ..rule("r", "", &["a"], &[]) },
            [true, false, false],
        ),
        ("team", RuleDoc { scope: ScopeDoc::Team("red".into()), ..rule("r", "", &["a"], &[]) }, [true, false, false]),
        (
            "customer",
            RuleDoc { scope: ScopeDoc::Customer("red".into()), ..rule("r", "", &["a"], &[]) },
            [false, false, false],
        ),
        ("elsewhere", RuleDoc { namespace: "u".into(), ..rule("r", "", &["a"], &[]) }, [false, false, true]),
    ] {
        let policy = Policy::build(Document {
            format: FORMAT,
            sequence: 1,
            providers: vec![provider("a", "vLLM")],
            keys: keys.clone(),
            default_key: None,
            rules: vec![rule],
            ..Document::default()
        })
        .unwrap();
        assert_eq!([0, 1, 2].map(|key| rule_of(&policy, key).is_some()), concerned, "{what}");
    }
}

#[test]
fn the_first_match_decides_and_failing_rules_are_skipped() {
    let policy = policy(
        vec![provider("a", "vLLM"), provider("b", "vLLM")],
        key(vec![entry("a", 1), entry("b", 0)]),
        vec![
            RuleDoc { priority: 1, ..rule("fails", "int(model) > 1", &["a"], &[]) },
            RuleDoc { priority: 2, ..rule("misses", "model == 'other'", &["a"], &[]) },
            RuleDoc { priority: 3, ..rule("missing-header", "headers['x'] == 'y'", &["a"], &[]) },
            RuleDoc { priority: 4, ..rule("decides", "model == 'm'", &["b"], &[]) },
            RuleDoc { priority: 5, ..rule("never", "", &["a"], &[]) },
        ],
    );
    let decision = decide(&policy, &ask("m"));
    assert_eq!((line(&policy, &decision).as_str(), decision.rule.as_deref()), ("b/m", Some("t/decides")));
    assert_eq!(decision.rule_errors.iter().map(|(rule, _)| &**rule).collect::<Vec<_>>(), ["t/fails"]);
}

#[test]
fn a_policy_with_a_rule_that_does_not_compile_is_refused() {
    let build = |when: &str| {
        let document = Document {
            format: FORMAT,
            sequence: 1,
            providers: vec![provider("a", "vLLM")],
            keys: vec![key(vec![entry("a", 1)])],
            default_key: None,
            rules: vec![rule("r", when, &["a"], &[])],
            ..Document::default()
        };
        Policy::build(document).map(drop).map_err(|error| error.to_string())
    };
    assert_eq!(build("model == 'm'"), Ok(()));
    let error = build("modle == 'm'").unwrap_err();
    assert_eq!(error, "RoutingRule t/r: `when` `modle` is not a variable of rules, did you mean `model`?");
}
