//! Shadow rules: recorded, without any other effect.

use outrigger_policy::{Draw, OnError, Policy, Request, RuleDoc, Skip, decide};

use crate::world::*;

fn shadow(name: &str, priority: i32, when: &str, targets: &[&str]) -> RuleDoc {
    RuleDoc { shadow: true, priority, ..rule(name, when, targets, &[]) }
}

fn two(rules: Vec<RuleDoc>) -> Policy {
    policy(vec![provider("a", "vLLM"), provider("b", "vLLM")], key(vec![entry("a", 1), entry("b", 0)]), rules)
}

/// The shadow decision in one line.
fn watched(policy: &Policy, request: &Request<'_>) -> Option<String> {
    decide(policy, request).shadow.map(|shadow| {
        let first = shadow.first.map(|(provider, model)| format!("{provider}/{model}"));
        format!("{}: {}", shadow.rule, first.as_deref().unwrap_or("refused"))
    })
}

#[test]
fn the_first_matching_shadow_rule_is_recorded() {
    let decides = || RuleDoc { priority: 5, ..rule("decides", "model == 'm'", &["a"], &[]) };
    let rejects = RuleDoc { reject: Some("no".into()), ..shadow("s", 1, "", &[]) };
    let leads = RuleDoc { chain: true, ..shadow("s", 1, "", &["a/n"]) };
    let follows = || RuleDoc { priority: 9, ..rule("follows", "model == 'n'", &["b/o"], &[]) };
    for (what, rules, model, expected) in [
        ("none", vec![decides()], "m", None),
        ("before", vec![shadow("s", 1, "", &["b/x"]), decides()], "m", Some("t/s: b/x")),
        ("behind", vec![shadow("s", 9, "", &["b/x"]), decides()], "m", None),
        ("no rule decides", vec![shadow("s", 9, "", &["b/x"]), decides()], "other", Some("t/s: b/x")),
        ("it does not match", vec![shadow("s", 1, "model == 'n'", &["b/x"]), decides()], "m", None),
        (
            "the first of two",
            vec![shadow("s", 1, "", &["b"]), shadow("z", 2, "", &["a"]), decides()],
            "m",
            Some("t/s: b/m"),
        ),
        ("it would refuse", vec![rejects, decides()], "m", Some("t/s: refused")),
        ("the key may not use the target", vec![shadow("s", 1, "", &["gone"]), decides()], "m", Some("t/s: refused")),
        (
            "its fallback would do",
            vec![RuleDoc { fallbacks: texts(&["b/x"]), ..shadow("s", 1, "", &["gone"]) }],
            "m",
            Some("t/s: b/x"),
        ),
        ("it would lead on", vec![leads, decides(), follows()], "m", Some("t/s: b/o")),
    ] {
        assert_eq!(watched(&two(rules), &ask(model)).as_deref(), expected, "{what}");
    }
}

/// Whatever the shadow rule is, the decision is the same as without it.
#[test]
fn shadow_rules_change_nothing_else() {
    let decides = || RuleDoc { priority: 5, ..rule("decides", "model == 'm'", &["a", "b=3"], &[]) };
    let fallbacks = texts(&["b/x"]);
    let resting = World { gates: vec![("a", Skip::Cooldown)], ..World::default() };
    let requests = |draw| {
        [
            Request { draw, ..ask("m") },
            Request { draw, ..ask("b/other") },
            Request { draw, fallbacks: Some(&fallbacks), ..ask("m") },
            Request { draw, state: &resting, ..ask("m") },
        ]
    };
    for watches in [
        shadow("s", 1, "", &["b/x"]),
        RuleDoc { reject: Some("no".into()), ..shadow("s", 1, "", &[]) },
        RuleDoc { chain: true, ..shadow("s", 1, "", &["b/m"]) },
        RuleDoc { on_error: OnError::Refuse, ..shadow("s", 1, "int(model) > 1", &["b"]) },
        shadow("s", 9, "", &["b/x"]),
    ] {
        let (with, without) = (two(vec![watches.clone(), decides()]), two(vec![decides()]));
        for bits in 0..20 {
            for request in requests(Draw::Random(bits)) {
                let mut decision = decide(&with, &request);
                // Its failures are reported like those of other rules.
                decision.rule_errors.clear();
                decision.shadow = None;
                assert_eq!(decision, decide(&without, &request), "{watches:?}");
            }
        }
    }
}
