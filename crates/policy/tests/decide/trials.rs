//! Tests of rules.

use std::collections::BTreeMap;

use outrigger_core::ObjectRef;
use outrigger_policy::trial::run;
use outrigger_policy::{
    BudgetDoc, Document, Expect, FORMAT, Given, KeyDoc, KeyProviderDoc, LimitsDoc, Policy, ProviderDoc, RuleDoc,
    ScopeDoc, ThresholdAction, Trial, TrialRequest, UnknownCostPolicy,
};

use crate::world::*;

fn providers() -> Vec<ProviderDoc> {
    vec![
        priced(provider("openai", "Azure"), &[("gpt-4o", 10, 20), ("gpt-4o-mini", 1, 2)]),
        priced(provider("openrouter", "Azure"), &[("claude", 12, 24)]),
    ]
}

/// Keys `k` and `l` of `t`; rules for premium callers, for the night, for a budget, and one without a valid target.
fn policy() -> Policy {
    let limits = LimitsDoc { budgets: vec![limit("month", 333)], ..LimitsDoc::default() };
    let hourly = LimitsDoc { requests: vec![limit("hour", 7)], ..LimitsDoc::default() };
    let key = |name: &str| KeyDoc {
        name: name.into(),
        limits: limits.clone(),
        budgets: vec![object("team")],
        unpriced: UnknownCostPolicy::Allow,
        ..key(vec![entry("openai", 1), KeyProviderDoc { limits: hourly.clone(), ..entry("openrouter", 0) }])
    };
    let named = |name: &str, when: &str, targets: &[&str], fallbacks: &[&str]| RuleDoc {
        priority: i32::from(name.as_bytes()[0]),
        ..rule(name, when, targets, fallbacks)
    };
    let premium = named(
        "a-premium",
        "headers['x-tier'] == 'premium' && input_tokens < 8000",
        &["openrouter/claude=90", "openai/gpt-4o=10"],
        &["openai/gpt-4o-mini"],
    );
    let night = named(
        "b-night",
        "now.getHours('Europe/Paris') < 6 && labels['app'] == 'batch' && workload.startsWith('batch-') && params['v'] == '2'",
        &["openai/gpt-4o-mini"],
        &[],
    );
    let spent = named("c-spent", "budget_used >= 90 || request >= 100", &["openai/gpt-4o-mini"], &[]);
    let pictures = named("d-pictures", "'Vision' in needs && request_type == 'responses'", &["openai/gpt-4o"], &[]);
    let only_l = RuleDoc {
        scope: ScopeDoc::VirtualKeys(texts(&["l"])),
        reject: Some("not for l".into()),
        ..named("e-only-l", "model == 'claude'", &[], &[])
    };
    let down = [(95, ThresholdAction::Downgrade { model: "gpt-4o-mini".into() })];
    let elsewhere = |namespace: &str| BudgetDoc { namespace: namespace.into(), ..budget("twice", &[]) };
    Policy::build(Document {
        format: FORMAT,
        providers: providers(),
        keys: vec![key("l"), key("k")],
        rules: vec![premium, night, spent, pictures, only_l],
        budgets: vec![budget("team", &down), elsewhere("u"), elsewhere("v")],
        ..Document::default()
    })
    .unwrap()
}

fn trial(rule: &str, request: TrialRequest, given: Given, expect: Expect) -> Trial {
    Trial { rule: object(rule), index: 0, name: "a test".into(), given, request, expect }
}

fn request_for(model: &str) -> TrialRequest {
    TrialRequest { model: Some(model.into()), ..TrialRequest::default() }
}

fn premium() -> TrialRequest {
    TrialRequest { headers: pairs(&[("X-Tier", "premium")]), ..request_for("gpt-4o") }
}

fn pairs(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn numbers(pairs: &[(&str, u32)]) -> BTreeMap<String, u32> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect()
}

fn down(names: &[&str]) -> Given {
    Given { unhealthy: texts(names), ..Given::default() }
}

fn used(spent: &[(&str, u32)]) -> Given {
    Given { spent: numbers(spent), ..Given::default() }
}

fn first(provider: &str) -> Expect {
    Expect { provider: Some(provider.into()), ..Expect::default() }
}

fn by(rule: &str) -> Expect {
    Expect { rule: Some(rule.into()), ..Expect::default() }
}

fn refused(kind: &str) -> Expect {
    Expect { refused: Some(kind.into()), ..Expect::default() }
}

#[test]
fn expectations_that_hold() {
    let policy = policy();
    let well = Given::default;
    let night = |time| Given {
        time: Some(time),
        labels: pairs(&[("app", "batch")]),
        workload: Some("batch-1".into()),
        ..Given::default()
    };
    let versioned = || TrialRequest { params: pairs(&[("v", "2")]), ..request_for("gpt-4o") };
    let fallbacks = |names: &[&str]| Expect { fallbacks: Some(texts(names)), ..Expect::default() };
    let any_of = |names: &[&str]| Expect { any_of: texts(names), ..Expect::default() };
    let shares = |shares: &[(&str, u32)]| Expect { shares: numbers(shares), ..Expect::default() };
    let pictures = || TrialRequest {
        needs: texts(&["Vision", "Tools"]),
        request_type: Some("responses".into()),
        ..request_for("gpt-4o")
    };
    for (what, trial) in [
        (
            "the heaviest",
            trial("a-premium", premium(), well(), Expect { model: Some("claude".into()), ..first("openrouter") }),
        ),
        ("the other, when it is down", trial("a-premium", premium(), down(&["openrouter"]), first("openai"))),
        ("provider and model", trial("a-premium", premium(), well(), first("openrouter/claude"))),
        ("one of several", trial("a-premium", premium(), well(), any_of(&["openai", "openrouter/claude"]))),
        ("shares", trial("a-premium", premium(), well(), shares(&[("openai", 10), ("openrouter", 90)]))),
        ("shares within three per cent", trial("a-premium", premium(), well(), shares(&[("openai/gpt-4o", 12)]))),
        ("what follows", trial("a-premium", premium(), well(), fallbacks(&["openai/gpt-4o", "openai"]))),
        (
            "a body's own fallbacks",
            trial("a-premium", TrialRequest { fallbacks: Some(vec![]), ..premium() }, well(), fallbacks(&[])),
        ),
        ("the rule", trial("a-premium", premium(), well(), by("a-premium"))),
        ("the rule, in full", trial("a-premium", premium(), well(), by("t/a-premium"))),
        (
            "a long request is none of its",
            trial("a-premium", TrialRequest { input_tokens: Some(8_000), ..premium() }, well(), by("")),
        ),
        ("no rule", trial("a-premium", request_for("gpt-4o"), well(), by(""))),
        // 2026-06-30T22:00Z is midnight in Paris, 2026-07-01T04:00Z is 06:00.
        ("by night", trial("b-night", versioned(), night(1_782_856_800_000), by("b-night"))),
        ("by day", trial("b-night", versioned(), night(1_782_878_400_000), by(""))),
        (
            "without the label",
            trial("b-night", versioned(), Given { labels: BTreeMap::new(), ..night(1_782_856_800_000) }, by("")),
        ),
        ("a Budget by name", trial("c-spent", request_for("gpt-4o"), used(&[("team", 90)]), by("c-spent"))),
        ("and just not", trial("c-spent", request_for("gpt-4o"), used(&[("team", 89)]), by(""))),
        (
            "a Budget by namespace and name",
            trial("c-spent", request_for("gpt-4o"), used(&[("t/team", 90)]), by("c-spent")),
        ),
        ("a Budget that counts others", trial("c-spent", request_for("gpt-4o"), used(&[("u/twice", 100)]), by(""))),
        (
            "the key's limit",
            trial("c-spent", request_for("gpt-4o"), used(&[("limits.budgets[month]", 90)]), by("c-spent")),
        ),
        (
            "the same, by its whole path",
            trial("c-spent", request_for("gpt-4o"), used(&[("spec.limits.budgets[month]", 90)]), by("c-spent")),
        ),
        (
            "an entry's limit, of its pin",
            trial(
                "c-spent",
                request_for("openrouter/claude"),
                used(&[("providers[openrouter].limits.requests[hour]", 100)]),
                by("c-spent"),
            ),
        ),
        (
            "downgraded",
            trial(
                "c-spent",
                premium(),
                used(&[("team", 95)]),
                Expect { model: Some("gpt-4o-mini".into()), ..first("openai") },
            ),
        ),
        (
            "money that is spent",
            trial("c-spent", request_for("gpt-4o"), used(&[("team", 100)]), refused("budget_exceeded")),
        ),
        ("needs and type", trial("d-pictures", pictures(), well(), by("d-pictures"))),
        ("a rule that refuses", trial("e-only-l", request_for("claude"), well(), refused("request_rejected"))),
        ("the first key by name is k", trial("a-premium", request_for("claude"), well(), first("openrouter"))),
        (
            "another key of the scope",
            trial(
                "a-premium",
                TrialRequest { key: Some("l".into()), ..request_for("claude") },
                well(),
                refused("request_rejected"),
            ),
        ),
    ] {
        assert_eq!(run(&policy, &trial), Ok(()), "{what}");
        assert_eq!(run(&policy, &trial), run(&policy, &trial), "{what}");
    }
}

#[test]
fn failed_expectations_are_reported_with_the_result() {
    let policy = policy();
    let well = Given::default;
    let shares = |shares: &[(&str, u32)]| Expect { shares: numbers(shares), ..Expect::default() };
    let result = "openrouter/claude, then openai/gpt-4o, then openai/gpt-4o-mini; RoutingRule t/a-premium decided";
    for (trial, expected) in [
        (
            trial("a-premium", premium(), well(), first("openai")),
            format!("expected provider openai, got {result}"),
        ),
        (
            trial("a-premium", premium(), well(), Expect { model: Some("gpt-4o".into()), ..Expect::default() }),
            format!("expected model gpt-4o, got {result}"),
        ),
        (
            trial("a-premium", premium(), well(), by("")),
            format!("expected no rule to decide, got {result}"),
        ),
        (
            trial("b-night", premium(), well(), by("b-night")),
            format!(
                "expected RoutingRule b-night to decide, got {result}; RoutingRule t/b-night did not: RoutingRule t/a-premium is \
                 asked before it, as its priority is lower (97, not 98)"
            ),
        ),
        (
            trial("a-premium", request_for("gpt-4o"), well(), by("a-premium")),
            "expected RoutingRule a-premium to decide, got openai/gpt-4o; no rule decided; RoutingRule t/a-premium did not: \
             `when` is false"
                .to_owned(),
        ),
        (
            trial("a-premium", premium(), well(), Expect { fallbacks: Some(texts(&["openai"])), ..Expect::default() }),
            format!("expected fallbacks openai, got {result}"),
        ),
        (
            trial("a-premium", premium(), well(), Expect { fallbacks: Some(vec![]), ..Expect::default() }),
            format!("expected fallbacks none, got {result}"),
        ),
        (
            trial("a-premium", premium(), well(), refused("budget_exceeded")),
            format!("expected the refusal budget_exceeded, got {result}"),
        ),
        (
            trial("a-premium", premium(), well(), Expect { any_of: texts(&["openrouter"]), ..Expect::default() }),
            format!("expected any of openrouter (and openai/gpt-4o may come), got {result}"),
        ),
        (
            trial("a-premium", premium(), down(&["openrouter"]), first("openrouter")),
            "expected provider openrouter, got openai/gpt-4o, then openai/gpt-4o-mini; RoutingRule t/a-premium decided; \
             passed over: openrouter/claude (unhealthy)"
                .to_owned(),
        ),
        (
            trial("a-premium", request_for("openai/gpt-4o"), used(&[("limits.budgets[month]", 100)]), first("openai")),
            "expected provider openai, got the refusal 402 budget_exceeded: VirtualKey t/k: spec.limits.budgets[month]: \
             $0.000000333 of $0.000000333 a month (Europe/Paris) are spent (RoutingRule t/c-spent decided); RoutingRule \
             t/c-spent decided; passed over: openai/gpt-4o-mini (budget: VirtualKey t/k: spec.limits.budgets[month]); \
             RoutingRule t/a-premium did not: `when` is false"
                .to_owned(),
        ),
    ] {
        assert_eq!(run(&policy, &trial), Err(expected));
    }
    let message = run(&policy, &trial("a-premium", premium(), well(), shares(&[("openai", 30), ("openrouter", 90)])))
        .unwrap_err();
    assert!(message.starts_with("expected shares openai 30 % (got ") && message.ends_with(result), "{message}");
    assert!(!message.contains("openrouter 90"), "{message}: that one holds");
}

#[test]
fn invalid_tests_are_reported() {
    let policy = policy();
    let expects = || first("openai");
    let well = Given::default;
    let keyed = |key: &str| TrialRequest { key: Some(key.into()), ..request_for("gpt-4o") };
    let typed = |kind: &str| TrialRequest { request_type: Some(kind.into()), ..request_for("gpt-4o") };
    let needs = |word: &str| TrialRequest { needs: texts(&[word]), ..request_for("gpt-4o") };
    for (trial, message) in [
        (trial("a-premium", premium(), well(), Expect::default()), "it expects nothing"),
        (
            trial("a-premium", premium(), well(), by("b-nigth")),
            "there is no RoutingRule `b-nigth`, did you mean `b-night`?",
        ),
        (
            trial("a-premium", premium(), well(), refused("budget_exeeded")),
            "`budget_exeeded` is not a refusal type; the types are model_not_found, \
             unsupported_parameter, provider_blocked, upstream_unreachable, budget_exceeded, token_limited, request_limited, session_budget_exceeded, session_limited, \
             concurrency_limited, model_unpriced, request_rejected, model_blocked, invalid_request, did \
             you mean `budget_exceeded`?",
        ),
        (trial("gone", premium(), well(), expects()), "RoutingRule t/gone is not in the policy"),
        (trial("e-only-l", keyed("k"), well(), expects()), "no VirtualKey `k` is in the rule's scope"),
        (
            trial("a-premium", keyed("kk"), well(), expects()),
            "no VirtualKey `kk` is in the rule's scope, did you mean `k`?",
        ),
        (
            trial("a-premium", typed("chat_completions"), well(), expects()),
            "`chat_completions` is not a request type, did you mean `chat_completion`?",
        ),
        (
            trial("a-premium", needs("vision"), well(), expects()),
            "`vision` is not a capability, did you mean `Vision`?",
        ),
        (
            trial("a-premium", premium(), down(&["openruter"]), expects()),
            "VirtualKey t/k has no provider `openruter`, did you mean `openrouter`?",
        ),
        (
            trial("a-premium", premium(), used(&[("teem", 9)]), expects()),
            "there is no Budget `teem`, and no such limit of VirtualKey t/k, did you mean `team`?",
        ),
        (
            trial("a-premium", premium(), used(&[("limits.budgets[mouth]", 9)]), expects()),
            "there is no Budget `limits.budgets[mouth]`, and no such limit of VirtualKey t/k, did you mean \
             `limits.budgets[month]`?",
        ),
        (
            trial("a-premium", premium(), used(&[("twice", 9)]), expects()),
            "several Budgets are named `twice`: say which, u/twice or v/twice",
        ),
    ] {
        assert_eq!(run(&policy, &trial), Err(message.to_owned()));
    }
    let nobody = RuleDoc { scope: ScopeDoc::Team("blue".into()), ..rule("nobody", "", &["openai"], &[]) };
    let alone = crate::world::policy(providers(), key(vec![entry("openai", 1)]), vec![nobody]);
    assert_eq!(run(&alone, &trial("nobody", premium(), well(), expects())), Err("the rule acts on no key".to_owned()));
    let other = Trial {
        rule: ObjectRef { namespace: "u".into(), name: "a-premium".into() },
        ..trial("", premium(), well(), expects())
    };
    assert_eq!(run(&policy, &other), Err("RoutingRule u/a-premium is not in the policy".to_owned()));
}

/// With 95 % of a number that is not a multiple of a hundred, a threshold of 95 % is reached; with one percent less it
/// is not.
#[test]
fn a_percentage_reaches_the_threshold_of_the_same_number() {
    for max in [1, 7, 99, 333, 1_001, u64::MAX / 100] {
        let down = [(95, ThresholdAction::Reject)];
        let counting = BudgetDoc { max, ..budget("team", &down) };
        let key = KeyDoc { budgets: vec![object("team")], ..key(vec![entry("openai", 1)]) };
        let policy = budgeted(providers(), key, vec![rule("r", "", &["openai/gpt-4o"], &[])], vec![counting]);
        let spent = |percent| trial("r", request_for("gpt-4o"), used(&[("team", percent)]), refused("budget_exceeded"));
        assert_eq!(run(&policy, &spent(95)), Ok(()), "{max}");
        // For a small limit the next unit is more than one percent.
        assert!(max < 1_000 || run(&policy, &spent(94)).is_err(), "{max}");
    }
}
