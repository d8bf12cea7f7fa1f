//! A limit that is too short for the decision counts as used up: rules and thresholds are evaluated once more.

use outrigger_core::ObjectRef;
use outrigger_policy::{
    BudgetDoc, Document, ModelDoc, OnLimit, Price, RuleDoc, ScopeDoc, TargetDoc, ThresholdAction, ThresholdDoc, Unit,
};
use serde_json::{Value, json};

use crate::escrow::nanos;
use crate::fake::{Fake, answer, json as replies, streamed_answer};
use crate::limits::{limit, priced, short, spent};
use crate::policies::{Answer, Running};

const MAX: u64 = 1_000_000_000;
const OWN: &str = "VirtualKey default/app: spec.limits.budgets[all]";
const CHAT: &str = "/v1/chat/completions";

/// A key with a dollar, at a provider that also has the model `small`, which costs a thousandth.
fn a_dollar(upstream: &Fake) -> Document {
    let mut policy = priced(&[("first", &upstream.url)]);
    let cheap = Price { input: 1_000_000_000, output: 10_000_000_000, ..Price::default() };
    policy.providers[0].models.push(ModelDoc { name: "small".to_owned(), price: Some(cheap), ..ModelDoc::default() });
    policy.keys[0].providers[0].models.push("small".to_owned());
    policy.keys[0].limits.budgets = vec![limit("all", MAX)];
    policy
}

fn rule(name: &str, when: &str) -> RuleDoc {
    RuleDoc {
        namespace: "default".to_owned(),
        name: name.to_owned(),
        scope: ScopeDoc::Namespace,
        when: Some(when.to_owned()),
        ..RuleDoc::default()
    }
}

/// A rule that sends requests to the small model.
pub fn to_small(when: &str) -> RuleDoc {
    let target =
        TargetDoc { provider: "first".to_owned(), model: Some("small".to_owned()), weight: 1, credential: None };
    RuleDoc { targets: vec![target], ..rule("saving", when) }
}

/// Sends requests until another model than `m` answers.
async fn until_another_model(running: &Running) -> (u64, Answer) {
    for answered in 0..100 {
        let got = running.post(CHAT, &short("m")).await;
        if got.header("x-outrigger-model") != Some("m") {
            return (answered, got);
        }
    }
    panic!("a dollar does not pay a hundred answers");
}

fn model(got: &Answer) -> (u16, Option<&str>) {
    (got.status, got.header("x-outrigger-model"))
}

#[tokio::test]
async fn a_rule_for_the_last_percent_applies_where_reservations_end() {
    let upstream = Fake::always(answer("hi")).await;
    let mut policy = a_dollar(&upstream);
    policy.rules = vec![to_small("budget_used > 99")];
    let running = Running::new(policy).await;
    let (answered, got) = until_another_model(&running).await;
    assert_eq!(answered, 39, "as many as fit with their worst case");
    assert_eq!(model(&got), (200, Some("small")), "{}", got.text);
    assert_eq!(got.header("x-outrigger-rule"), Some("default/saving"));
    let record = running.record().await;
    assert_eq!((&record["decided_again"], &record["rule"]), (&json!(OWN), &json!("default/saving")));
    let candidates = json!([
        {"provider": "first", "model": "m", "skipped": "budget"},
        {"provider": "first", "model": "small", "skipped": null},
    ]);
    assert_eq!(record["candidates"], candidates);
    assert_eq!(record["attempts"].as_array().map(Vec::len), Some(1));
    // As long as it fits.
    for _ in 0..50 {
        assert_eq!(model(&running.post(CHAT, &short("m")).await), (200, Some("small")));
    }
    assert!(nanos(&spent(&running, "budgets[all]").await) <= MAX);
}

#[tokio::test]
async fn the_second_decision_applies_to_streams_and_all_dialects() {
    let upstream = Fake::always(streamed_answer("hi")).await;
    let mut policy = a_dollar(&upstream);
    policy.keys[0].limits.budgets = vec![limit("all", 90_000_000)];
    policy.rules = vec![to_small("budget_used >= 100")];
    let running = Running::new(policy).await;
    let mut body = short("m");
    body["stream"] = json!(true);
    for path in [CHAT, "/v1/messages"] {
        let got = running.post(path, &body).await;
        assert_eq!(model(&got), (200, Some("small")), "{path}: {}", got.text);
        assert!(got.text.contains("hi"), "{path}: {}", got.text);
        assert_eq!(running.record().await["decided_again"], OWN, "{path}");
    }
}

#[tokio::test]
async fn a_threshold_near_the_end_downgrades() {
    let upstream = Fake::always(answer("hi")).await;
    for percent in [99, 100] {
        let mut policy = a_dollar(&upstream);
        policy.keys[0].limits.budgets.clear();
        policy.budgets = vec![BudgetDoc {
            namespace: "default".to_owned(),
            name: "team".to_owned(),
            unit: Unit::Money,
            max: MAX,
            window: outrigger_core::Window::Lifetime,
            parent: None,
            thresholds: vec![ThresholdDoc {
                percent,
                action: ThresholdAction::Downgrade { model: "small".to_owned() },
            }],
            applies_to: None,
            fail_open: None,
        }];
        policy.keys[0].budgets = vec![ObjectRef { namespace: "default".to_owned(), name: "team".to_owned() }];
        let running = Running::new(policy).await;
        let (answered, got) = until_another_model(&running).await;
        assert_eq!((answered, model(&got)), (39, (200, Some("small"))), "{percent} %: {}", got.text);
        assert_eq!(running.record().await["decided_again"], "Budget default/team");
    }
}

#[tokio::test]
async fn a_request_without_room_after_the_second_decision_is_refused() {
    let upstream = Fake::always(answer("hi")).await;
    let tokens = |policy: &mut Document| policy.keys[0].limits.tokens = vec![limit("few", 5)];
    fn tiny(policy: &mut Document) {
        policy.keys[0].limits.budgets = vec![limit("all", 1_000)];
    }
    let both = |policy: &mut Document| {
        tiny(policy);
        policy.keys[0].limits.tokens = vec![limit("few", 5)];
    };
    let reject = |policy: &mut Document| {
        tiny(policy);
        policy.keys[0].on_limit = OnLimit::Reject;
    };
    let unread = |policy: &mut Document| {
        tiny(policy);
        policy.rules[0].when = Some("model == 'other'".to_owned());
    };
    type Change = fn(&mut Document);
    let cases: [(&str, Change, u16, &str, bool); 5] = [
        ("tokens", tokens, 429, "token_limited", true),
        ("money", tiny, 402, "budget_exceeded", true),
        ("both", both, 402, "budget_exceeded", true),
        ("at the first limit", reject, 402, "budget_exceeded", true),
        ("no rule asks", unread, 402, "budget_exceeded", false),
    ];
    for (what, change, status, kind, again) in cases {
        let mut policy = a_dollar(&upstream);
        policy.rules = vec![to_small("budget_used >= 100 || tokens_used >= 100")];
        change(&mut policy);
        let running = Running::new(policy).await;
        let got = running.post(CHAT, &short("m")).await;
        assert_eq!((got.status, &got.json()["error"]["type"]), (status, &json!(kind)), "{what}: {}", got.text);
        assert_eq!(got.header("x-should-retry"), (status == 402).then_some("false"), "{what}");
        let record = running.record().await;
        assert_eq!(record["decided_again"].is_string(), again, "{what}: {record}");
        let candidates = record["candidates"].as_array().unwrap();
        assert_eq!(candidates.len(), 1 + usize::from(again), "{what}: {record}");
        assert!(candidates[0]["skipped"].is_string(), "{what}: {record}");
    }
    assert_eq!(upstream.asked().len(), 0);
}

#[tokio::test]
async fn only_the_short_limit_counts_as_used_up() {
    let upstream = Fake::always(answer("hi")).await;
    let mut policy = a_dollar(&upstream);
    // Of two limits in money, one has room for the small model, the other for both.
    policy.keys[0].limits.budgets = vec![limit("small", 90_000_000), limit("large", MAX)];
    policy.keys[0].limits.tokens = vec![limit("all", 100_000)];
    policy.rules = vec![to_small("budget_used >= 100 && tokens_used < 1 && request == 0.0")];
    let running = Running::new(policy).await;
    let got = running.post(CHAT, &short("m")).await;
    assert_eq!(model(&got), (200, Some("small")), "{}", got.text);
    let record = running.record().await;
    assert_eq!(record["decided_again"], "VirtualKey default/app: spec.limits.budgets[small]");
    let used: Vec<&str> =
        record["budgets"].as_array().unwrap().iter().filter_map(|one| one["spent"].as_str()).collect();
    assert_eq!(used, ["0.000023", "0.000023", "5"], "the small model's price is charged, and nothing else");
}

#[tokio::test]
async fn a_rule_may_reject_with_a_message_if_the_money_is_spent() {
    let upstream = Fake::always(answer("hi")).await;
    let mut policy = a_dollar(&upstream);
    policy.keys[0].limits.budgets = vec![limit("all", 90_000_000)];
    policy.rules =
        vec![RuleDoc { reject: Some("ask the platform team".to_owned()), ..rule("gone", "budget_used >= 100") }];
    let running = Running::new(policy).await;
    let got = running.post(CHAT, &short("m")).await;
    assert_eq!((got.status, &got.json()["error"]["type"]), (403, &json!("request_rejected")), "{}", got.text);
    assert!(got.text.contains("ask the platform team"), "{}", got.text);
    let record = running.record().await;
    assert_eq!((&record["decided_again"], &record["rule"]), (&json!(OWN), &json!("default/gone")));
}

#[tokio::test]
async fn there_is_no_second_decision_after_an_attempt() {
    let failing = Fake::always(replies(500, r#"{"error": {"message": "no"}}"#)).await;
    let upstream = Fake::always(answer("hi")).await;
    let mut policy = priced(&[("first", &upstream.url), ("free", &failing.url)]);
    // The first one gets no requests, and the other has no room.
    policy.providers[1].models[0].price = Some(Price::default());
    policy.keys[0].providers[0].weight = 0;
    policy.keys[0].providers[1].weight = 1;
    policy.keys[0].limits.budgets = vec![limit("all", 90_000_000)];
    policy.rules = vec![to_small("budget_used >= 100")];
    let running = Running::new(policy).await;
    let got = running.post(CHAT, &short("m")).await;
    assert_eq!(got.status, 500, "{}", got.text);
    assert_eq!((upstream.asked().len(), &running.record().await["decided_again"]), (0, &Value::Null));
}
