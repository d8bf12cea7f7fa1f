//! Rules that chain, refuse, or apply to every namespace.

use outrigger_policy::{Document, Draw, FORMAT, KeyDoc, Policy, Request, RuleDoc, ScopeDoc, Skip, decide};

use crate::world::*;

fn chained(name: &str, priority: i32, when: &str, targets: &[&str]) -> RuleDoc {
    RuleDoc { chain: true, priority, ..rule(name, when, targets, &[]) }
}

fn plain(name: &str, priority: i32, when: &str, targets: &[&str]) -> RuleDoc {
    RuleDoc { priority, ..rule(name, when, targets, &[]) }
}

fn three(rules: Vec<RuleDoc>) -> Policy {
    let names = ["a", "b", "c"];
    policy(names.map(|name| provider(name, "vLLM")).into(), key(names.map(|name| entry(name, 1)).into()), rules)
}

/// The decision in one line, then the rule that decided, and those that led to it.
fn way(policy: &Policy, model: &str) -> String {
    let decision = decide(policy, &Request { draw: Draw::Likeliest, ..ask(model) });
    let chain: Vec<&str> = decision.chain.iter().map(|label| label.trim_start_matches("t/")).collect();
    let rule = decision.rule.as_deref().unwrap_or("none").trim_start_matches("t/");
    format!("{} by {}", line(policy, &decision), [chain, vec![rule]].concat().join(" > "))
}

#[test]
fn in_a_chain_the_last_rule_decides() {
    let first = || chained("first", 1, "model == 'fast'", &["b/gpt"]);
    for (what, rules, expected) in [
        ("nothing else matches", vec![first()], "b/gpt by first"),
        (
            "another does, by the new model",
            vec![first(), plain("second", 2, "model == 'gpt'", &["c/mini"])],
            "c/mini by first > second",
        ),
        (
            "by the new provider, which is as good as a pin",
            vec![first(), plain("second", 2, "provider == 'b'", &["c"])],
            "c/gpt by first > second",
        ),
        (
            "one that is asked before it",
            vec![plain("before", 0, "model == 'gpt'", &["c"]), first()],
            "c/gpt by first > before",
        ),
        (
            "without chain nothing follows",
            vec![plain("first", 1, "model == 'fast'", &["b/gpt"]), plain("second", 2, "model == 'gpt'", &["c/mini"])],
            "b/gpt by first",
        ),
        (
            "none is asked twice",
            vec![
                chained("there", 1, "model == 'fast' || model == 'back'", &["b/gpt"]),
                chained("back", 2, "model == 'gpt'", &["a/back"]),
            ],
            "a/back by there > back",
        ),
        (
            "a model stays where a target names none",
            vec![
                chained("first", 1, "provider == ''", &["b"]),
                plain("second", 2, "provider == 'b' && model == 'fast'", &["c"]),
            ],
            "c/fast by first > second",
        ),
        (
            "it may end in a refusal",
            vec![
                first(),
                RuleDoc { reject: Some("no".into()), priority: 2, ..rule("never", "model == 'gpt'", &[], &[]) },
            ],
            "403 request_rejected by first > never",
        ),
        (
            "where nothing may be tried nothing follows",
            vec![chained("first", 1, "model == 'fast'", &["gone/gpt"]), plain("second", 2, "model == 'gpt'", &["c"])],
            "403 provider_blocked by first",
        ),
    ] {
        assert_eq!(way(&three(rules), "fast"), expected, "{what}");
    }
}

#[test]
fn chains_end_after_ten_rules() {
    let rules: Vec<RuleDoc> = (0..14)
        .map(|n| chained(&format!("r{n:02}"), n, &format!("model == '{n}'"), &[&*format!("a/{}", n + 1)]))
        .collect();
    let decision = decide(&three(rules), &ask("0"));
    assert_eq!((decision.chain.len(), decision.rule.as_deref()), (10, Some("t/r10")));
    assert_eq!(&*decision.candidates[0].model, "11");
}

/// The chain continues with the chosen target among those that may be tried, not the first in the list.
#[test]
fn chains_continue_with_the_chosen_target_and_shares_multiply() {
    let policy = three(vec![
        chained("first", 1, "model == 'fast'", &["a/x", "b/y"]),
        plain("of-x", 2, "model == 'x'", &["b/one", "c/two"]),
        plain("of-y", 2, "model == 'y'", &["a/three", "c/four"]),
    ]);
    let mut counts = std::collections::BTreeMap::new();
    for bits in 0..8_000u64 {
        let draw = Draw::Random(bits.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let decision = decide(&policy, &Request { draw, ..ask("fast") });
        *counts.entry(decision.candidates[0].model.to_string()).or_insert(0u32) += 1;
    }
    assert_eq!(counts.keys().collect::<Vec<_>>(), ["four", "one", "three", "two"]);
    assert!(counts.values().all(|count| count.abs_diff(2_000) <= 200), "{counts:?}");
    let resting = World { gates: vec![("a", Skip::Cooldown)], ..World::default() };
    for bits in 0..50 {
        let decision = decide(&policy, &Request { draw: Draw::Random(bits), state: &resting, ..ask("fast") });
        assert_eq!(decision.rule.as_deref(), Some("t/of-y"), "a rests, so b is drawn");
    }
}

#[test]
fn a_rejecting_rule_reports_its_message_and_name() {
    for (message, expected) in [
        ("ask your team lead", "ask your team lead (RoutingRule t/never)"),
        ("", "RoutingRule t/never rejects this request"),
        (" ", "RoutingRule t/never rejects this request"),
    ] {
        let never = RuleDoc { reject: Some(message.into()), ..rule("never", "model == 'm'", &[], &[]) };
        let policy = three(vec![never, plain("else", 9, "", &["a"])]);
        let decision = decide(&policy, &ask("m"));
        let refusal = decision.refusal.clone().unwrap();
        assert_eq!(
            (refusal.kind.status(), refusal.kind.name(), refusal.message.as_str()),
            (403, "request_rejected", expected)
        );
        assert_eq!((decision.rule.as_deref(), decision.candidates.len()), (Some("t/never"), 0));
        assert_eq!(decided(&policy, &ask("n")), "a/n");
    }
}

#[test]
fn rules_of_the_operators_namespace_apply_everywhere_after_local_ones() {
    let everywhere = |scope| RuleDoc {
        namespace: "system".into(),
        everywhere: true,
        priority: -9,
        scope,
        ..rule("all", "", &["a"], &[])
    };
    let own = || RuleDoc { priority: 9, ..rule("own", "model == 'own'", &["a"], &[]) };
    let keyed = |namespace: &str, name: &str| KeyDoc {
        namespace: namespace.into(),
        name: name.into(),
        team: Some("red".into()),
        ..key(vec![entry("a", 1)])
    };
    let decided_by = |rules: Vec<RuleDoc>, key: usize, model| {
        let document = Document {
            format: FORMAT,
            providers: vec![provider("a", "vLLM")],
            keys: vec![keyed("t", "k"), keyed("u", "l"), keyed("system", "k")],
            rules,
            ..Document::default()
        };
        let policy = Policy::build(document).unwrap();
        decide(&policy, &Request { key: key.into(), ..ask(model) }).rule.map(|label| label.to_string())
    };
    let named = |names: &[&str]| everywhere(ScopeDoc::VirtualKeys(texts(names)));
    for (what, rule, key, model, expected) in [
        ("its own namespace", everywhere(ScopeDoc::Namespace), 2, "m", Some("system/all")),
        ("another", everywhere(ScopeDoc::Namespace), 1, "m", Some("system/all")),
        ("another namespace's, if its own does not match", everywhere(ScopeDoc::Namespace), 0, "m", Some("system/all")),
        ("its own goes first", everywhere(ScopeDoc::Namespace), 0, "own", Some("t/own")),
        ("and before a narrower scope", named(&["k"]), 0, "own", Some("t/own")),
        ("keys by name, in any namespace", named(&["l"]), 1, "m", Some("system/all")),
        ("not another's", named(&["l"]), 0, "m", None),
        ("a team, in any namespace", everywhere(ScopeDoc::Team("red".into())), 1, "m", Some("system/all")),
        ("another team", everywhere(ScopeDoc::Team("blue".into())), 1, "m", None),
    ] {
        assert_eq!(decided_by(vec![rule, own()], key, model).as_deref(), expected, "{what}");
    }
}
