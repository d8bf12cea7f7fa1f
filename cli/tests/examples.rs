//! The examples are valid, and decide as their pages say.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may panic, outside its own function as well")]

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use outrigger_compile::{Inputs, OPERATOR_NAMESPACE, Severity, compile, read};
use outrigger_core::RequestType;
use outrigger_policy::{Decision, Draw, EntryIndex, HealthyState, KeyIndex, LimitOwner, Policy, Request, Unit, decide};

/// Each example, and the summary of `outrigger check`.
const EXAMPLES: [(&str, &str); 10] = [
    ("budget-tree", "6 objects, 0 errors"),
    ("cost-optimized-failover", "3 objects, 0 errors"),
    ("environments", "5 objects, 0 errors"),
    ("failover", "4 objects, 0 errors"),
    ("gitops/objects", "8 objects, 3 tests, 0 errors, 1 object of other kinds"),
    ("multi-tenant", "7 objects, 0 errors"),
    ("premium-routing", "8 objects, 9 tests, 0 errors"),
    ("provider-governance", "4 objects, 0 errors"),
    ("quickstart", "4 objects, 0 errors"),
    ("weighted", "5 objects, 0 errors"),
];

fn folder(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../examples").join(name)
}

fn policy(name: &str) -> Policy {
    let mut objects = Vec::new();
    for entry in fs::read_dir(folder(name)).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|ending| ending == "yaml") {
            objects.extend(read(&path.display().to_string(), &fs::read_to_string(&path).unwrap()).objects);
        }
    }
    let inputs = Inputs {
        objects: &objects,
        unread: false,
        environment: &|_| None,
        keys: &[],
        without_value: Severity::Error,
        sequence: 1,
        operator_namespace: OPERATOR_NAMESPACE,
    };
    let compiled = compile(&inputs);
    assert_eq!(compiled.findings, []);
    Policy::build(compiled.document).unwrap()
}

fn decision_for(policy: &Policy, key: KeyIndex, model: &str, draw: u64) -> Decision {
    let request = Request {
        key,
        request_type: RequestType::ChatCompletion,
        model: Some(model),
        provider: None,
        fallbacks: None,
        credential: None,
        headers: &[],
        params: &[],
        draw: Draw::Random(draw),
        stay: None,
        state: &HealthyState,
    };
    decide(policy, &request)
}

/// The `provider/model` candidates in order.
fn tried(decision: &Decision) -> Vec<String> {
    decision.eligible().map(|candidate| format!("{}/{}", candidate.name, candidate.upstream_model)).collect()
}

#[test]
fn check_finds_no_errors() {
    for (name, summary) in EXAMPLES {
        let output = Command::new(env!("CARGO_BIN_EXE_outrigger")).arg("check").arg(folder(name)).output().unwrap();
        assert_eq!(String::from_utf8(output.stdout).unwrap(), format!("{summary}\n"), "{name}");
        assert!(output.status.success() && output.stderr.is_empty(), "{name}");
    }
}

/// Examples that are tested by their own programs. Here only their objects are checked.
#[test]
fn check_finds_no_errors_in_the_others() {
    for name in ["../examples/langgraph-agent/objects", "../tests/clients/policy"] {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(name);
        let output = Command::new(env!("CARGO_BIN_EXE_outrigger")).arg("check").arg(folder).output().unwrap();
        assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stdout));
    }
}

#[test]
fn quickstart_reaches_each_by_name_and_openai_by_weight() {
    let policy = policy("quickstart");
    let key = policy.default_key.unwrap();
    assert_eq!(tried(&decision_for(&policy, key, "openai/gpt-4o-mini", 1)), ["openai/gpt-4o-mini"]);
    assert_eq!(tried(&decision_for(&policy, key, "anthropic/claude-haiku-4-5", 1)), ["anthropic/claude-haiku-4-5"]);
    assert_eq!(tried(&decision_for(&policy, key, "gemini/gemini-2.5-flash", 1)), ["gemini/gemini-2.5-flash"]);
    for draw in 0..100 {
        assert_eq!(tried(&decision_for(&policy, key, "gpt-4o-mini", draw))[0], "openai/gpt-4o-mini");
    }
}

#[test]
fn failover_has_a_stand_in() {
    let policy = policy("failover");
    let key = policy.default_key.unwrap();
    for model in ["gpt-4o-mini", "openai/gpt-4o-mini"] {
        let decision = decision_for(&policy, key, model, 1);
        assert_eq!(decision.rule.as_deref(), Some("default/stand-in"));
        assert_eq!(tried(&decision), ["openai/gpt-4o-mini", "anthropic/claude-haiku-4-5"]);
    }
    assert_eq!(tried(&decision_for(&policy, key, "openai/gpt-4o", 1)), ["openai/gpt-4o"]);
    let openai = policy.providers.iter().find(|provider| provider.id.name == "openai").unwrap();
    let fault = &openai.mock.as_ref().unwrap().faults[0];
    assert_eq!((fault.status, fault.percent, fault.retry_after), (Some(429), 100, Some(10_000)));
}

#[test]
fn weighted_draws_by_weight() {
    let policy = policy("weighted");
    let key = policy.default_key.unwrap();
    let (mut providers, mut credentials) = (BTreeMap::new(), BTreeMap::new());
    for draw in 0..10_000 {
        *providers.entry(tried(&decision_for(&policy, key, "gpt-4o-mini", draw))[0].clone()).or_insert(0_i32) += 1;
        let decision = decision_for(&policy, key, "gpt-4o", draw);
        assert_eq!(tried(&decision), ["accounts/first/gpt-4o"]);
        let candidate = decision.eligible().next().unwrap();
        let credential = &policy.providers[candidate.provider.unwrap()].credentials[candidate.credentials[0]];
        *credentials.entry(credential.name.to_string()).or_insert(0_i32) += 1;
    }
    let near = |number: i32, expected: i32| (number - expected).abs() <= 200;
    assert!(
        near(providers["first/gpt-4o-mini"], 8_000) && near(providers["second/gpt-4o-mini"], 2_000),
        "{providers:?}"
    );
    assert!(near(credentials["one"], 5_000) && near(credentials["two"], 5_000), "{credentials:?}");
}

#[test]
fn environments_are_separate() {
    let policy = policy("environments");
    assert_eq!(policy.default_key, None);
    let (development, production) =
        (policy.key_named("development").unwrap(), policy.key_named("vk-production").unwrap());
    for draw in 0..100 {
        assert_eq!(tried(&decision_for(&policy, development, "gpt-4o-mini", draw)), ["local/gpt-4o-mini"]);
        assert!(
            !tried(&decision_for(&policy, production, "gpt-4o-mini", draw)).contains(&"local/gpt-4o-mini".to_owned())
        );
    }
    let kind = |key, model| {
        decision_for(&policy, key, model, 1).refusal.map(|refusal| (refusal.kind.status(), refusal.kind.name()))
    };
    assert_eq!(kind(development, "openai/gpt-4o"), Some((403, "provider_blocked")));
    assert_eq!(kind(production, "gpt-5-preview"), Some((403, "model_blocked")));
}

/// The limits in each page's table: the object, the path, the amount.
#[test]
fn limits_match_the_pages() {
    let dollars = |dollars: u64| dollars * 1_000_000_000;
    for (name, key, limits) in [
        (
            "cost-optimized-failover",
            "app",
            vec![
                ("spec.limits.requests[hour]", Unit::Requests, 100),
                ("spec.providers[cheap].limits.budgets[day]", Unit::Money, dollars(10)),
            ],
        ),
        (
            "provider-governance",
            "governed",
            vec![
                ("spec.limits.budgets[month]", Unit::Money, dollars(100)),
                ("spec.providers[openai].limits.budgets[month]", Unit::Money, dollars(50)),
                ("spec.providers[openai].limits.requests[hour]", Unit::Requests, 1_000),
                ("spec.providers[openai].limits.tokens[hour]", Unit::Tokens, 1_000_000),
                ("spec.providers[anthropic].limits.budgets[month]", Unit::Money, dollars(30)),
                ("spec.providers[anthropic].limits.requests[hour]", Unit::Requests, 500),
            ],
        ),
    ] {
        let policy = policy(name);
        let found: Vec<_> =
            policy.limits.all.iter().map(|limit| (limit.id.path.as_str(), limit.unit, limit.max)).collect();
        assert_eq!(found, limits, "{name}");
        assert!(
            policy
                .limits
                .all
                .iter()
                .all(|limit| limit.id.kind == LimitOwner::VirtualKey && limit.id.object.name == key)
        );
    }
}

/// A key counts against every budget above it, also against those that it does not name.
#[test]
fn every_key_counts_in_the_tree_of_budgets() {
    let policy = policy("budget-tree");
    for (key, counted) in [
        ("search", ["Budget acme/acme", "Budget acme/search", "Budget outrigger-system/company"].as_slice()),
        ("rogue", &["Budget outrigger-system/company"]),
    ] {
        let key = policy.key_named(key).unwrap();
        let mut found: Vec<String> = policy
            .limits_of(key, EntryIndex::from(0), "gpt-4o")
            .into_iter()
            .map(|at| policy.limits.all[at].id.to_string())
            .collect();
        found.sort();
        assert_eq!(found, counted);
    }
}

#[test]
fn cost_optimized_failover_has_premium_behind_cheap() {
    let policy = policy("cost-optimized-failover");
    let key = policy.default_key.unwrap();
    for draw in 0..100 {
        assert_eq!(
            tried(&decision_for(&policy, key, "assistant", draw)),
            ["cheap/gpt-4o-mini", "premium/claude-opus-4-5"]
        );
    }
}
