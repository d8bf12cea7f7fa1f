//! Limits: what counts against them, what they block, and how this is reported.

use outrigger_core::{CalendarUnit, ObjectRef, Window};
use outrigger_policy::{
    BudgetDoc, CatalogueDoc, Document, LimitDoc, ModelDoc, OnLimit, Price, ThresholdAction, ThresholdDoc, Unit,
    UnknownCostPolicy,
};
use serde_json::{Value, json};

use crate::escrow::nanos;
use crate::fake::{Act, Fake, answer};
use crate::policies::{Running, chat, document, provider};

/// A dollar for a thousand input tokens, ten for a thousand output tokens: figures that are easy to compute.
pub fn dear() -> Price {
    Price { input: 1_000_000_000_000, output: 10_000_000_000_000, ..Price::default() }
}

pub fn limit(name: &str, max: u64) -> LimitDoc {
    LimitDoc { name: name.to_owned(), max, window: Window::Lifetime }
}

pub fn hourly(name: &str, max: u64) -> LimitDoc {
    LimitDoc { name: name.to_owned(), max, window: Window::Rolling { ms: 3_600_000 } }
}

pub fn daily(name: &str, max: u64) -> LimitDoc {
    let window = Window::Calendar { unit: CalendarUnit::Day, zone: "UTC".to_owned(), anchor: 1 };
    LimitDoc { name: name.to_owned(), max, window }
}

/// Providers that have the model `m` at the price of [`dear`].
pub fn priced(urls: &[(&str, &str)]) -> Document {
    let providers = urls
        .iter()
        .map(|(name, url)| {
            let mut provider = provider(name, url);
            provider.models = vec![ModelDoc { name: "m".to_owned(), price: Some(dear()), ..ModelDoc::default() }];
            provider
        })
        .collect();
    let mut document = document(1, providers);
    for entry in &mut document.keys[0].providers {
        entry.models = vec!["m".to_owned()];
    }
    document
}

pub fn short(model: &str) -> Value {
    let mut body = chat(model);
    body["max_tokens"] = json!(10);
    body
}

pub async fn spent(running: &Running, name: &str) -> Value {
    let policy = running.admin("/policy").await;
    let limits = policy["limits"].as_array().unwrap().clone();
    let found = limits.iter().find(|limit| limit["name"].as_str().unwrap().contains(name));
    found.unwrap_or_else(|| panic!("{name} in {limits:?}"))["spent"].clone()
}

#[tokio::test]
async fn the_cost_of_an_answer_is_charged_and_reported_everywhere() {
    let upstream = Fake::always(answer("hi")).await;
    let mut policy = priced(&[("first", &upstream.url)]);
    policy.keys[0].limits.budgets = vec![daily("day", 1_000_000_000_000)];
    policy.keys[0].limits.tokens = vec![hourly("hour", 100_000)];
    policy.keys[0].limits.requests = vec![hourly("hour", 1_000)];
    let running = Running::new(policy).await;
    let got = running.post("/v1/chat/completions", &short("m")).await;
    assert_eq!(got.status, 200, "{}", got.text);
    // Three input tokens and two output tokens.
    assert_eq!(got.header("x-outrigger-cost-usd"), Some("0.023"));
    assert_eq!(got.json()["extra_fields"]["cost_usd"], json!(0.023));
    let record = running.record().await;
    assert_eq!((&record["cost_usd"], &record["usage_estimated"]), (&json!("0.023"), &json!(false)));
    let budgets = record["budgets"].as_array().unwrap();
    assert_eq!(budgets.len(), 3, "money, requests and tokens: {budgets:?}");
    assert_eq!(budgets[0]["name"], "VirtualKey default/app: spec.limits.budgets[day]");
    assert_eq!((&budgets[0]["spent"], &budgets[0]["limit"]), (&json!("0.023"), &json!("1000.00")));
    assert!(budgets[0]["as_of"].is_string());
    let midnight = budgets[0]["since"].as_str().unwrap();
    assert!(midnight.ends_with("T00:00:00.000000Z"), "{midnight}");
    assert_eq!((&budgets[1]["since"], &budgets[2]["since"]), (&Value::Null, &Value::Null), "they roll");
    assert_eq!(spent(&running, "budgets[day]").await, "0.023");
    assert_eq!(spent(&running, "tokens[hour]").await, "5");
    assert_eq!(spent(&running, "requests[hour]").await, "1");
    let metrics = reqwest::get(format!("http://{}/metrics", running.admin)).await.unwrap().text().await.unwrap();
    for line in [
        r#"outrigger_cost_usd_total{key="app",model="m",provider="first"} 0.023"#,
        r#"outrigger_budget_spent_usd{budget="VirtualKey default/app: spec.limits.budgets[day]"} 0.023"#,
        r#"outrigger_budget_limit_usd{budget="VirtualKey default/app: spec.limits.budgets[day]"} 1000"#,
        r#"outrigger_limit_used{limit="VirtualKey default/app: spec.limits.tokens[hour]",unit="tokens"} 5"#,
    ] {
        assert!(metrics.contains(line), "{line} in {metrics}");
    }
}

#[tokio::test]
async fn every_limit_refuses_in_every_dialect() {
    let money = |policy: &mut Document| policy.keys[0].limits.budgets = vec![daily("day", 1_000)];
    let tokens = |policy: &mut Document| policy.keys[0].limits.tokens = vec![hourly("hour", 3)];
    let requests = |policy: &mut Document| policy.keys[0].limits.requests = vec![hourly("hour", 0)];
    let unpriced = |policy: &mut Document| {
        policy.keys[0].limits.budgets = vec![daily("day", 1_000)];
        policy.providers[0].models[0].price = None;
    };
    type Change = fn(&mut Document);
    let cases: [(Change, u16, &str, &str, bool); 4] = [
        (money, 402, "budget_exceeded", "VirtualKey default/app: spec.limits.budgets[day]", true),
        (tokens, 429, "token_limited", "VirtualKey default/app: spec.limits.tokens[hour]", false),
        (requests, 429, "request_limited", "VirtualKey default/app: spec.limits.requests[hour]", false),
        (unpriced, 403, "model_unpriced", "", false),
    ];
    let anthropic = json!({"model": "m", "max_tokens": 10, "messages": [{"role": "user", "content": "x"}]});
    let gemini = json!({"contents": [{"parts": [{"text": "x"}]}], "generationConfig": {"maxOutputTokens": 10}});
    for (change, status, kind, object, is_final) in cases {
        let upstream = Fake::always(answer("hi")).await;
        let mut policy = priced(&[("first", &upstream.url)]);
        change(&mut policy);
        let running = Running::new(policy).await;
        for (path, body, pointer, word) in [
            ("/v1/chat/completions", short("m"), "/error/type", kind.to_owned()),
            ("/v1/messages", anthropic.clone(), "/error/reason", kind.to_owned()),
            ("/v1beta/models/m:generateContent", gemini.clone(), "/error/details/0/reason", kind.to_uppercase()),
        ] {
            let got = running.post(path, &body).await;
            let error = got.json();
            assert_eq!(
                (got.status, error.pointer(pointer).and_then(Value::as_str)),
                (status, Some(&*word)),
                "{path}: {}",
                got.text
            );
            assert!(got.text.contains(object), "{path} names the object: {}", got.text);
            assert_eq!(got.header("x-should-retry"), is_final.then_some("false"), "{path}: {:?}", got.headers);
            // The request needs more than the limit ever allows, so waiting for the next window does not help.
            assert_eq!(got.header("retry-after").is_some(), kind == "request_limited", "{path}");
        }
        assert_eq!(upstream.asked().len(), 0, "{kind}: no provider was called");
        let record = running.record().await;
        assert_eq!((&record["error_type"], &record["cost_usd"]), (&json!(kind), &Value::Null));
    }
}

#[tokio::test]
async fn a_provider_without_money_is_skipped_or_the_request_is_refused() {
    for (on_limit, status) in [(OnLimit::NextProvider, 200), (OnLimit::Reject, 402)] {
        let cheap = Fake::always(answer("cheap")).await;
        let premium = Fake::always(answer("premium")).await;
        let mut policy = priced(&[("cheap", &cheap.url), ("premium", &premium.url)]);
        policy.keys[0].providers[1].weight = 0;
        // The first answer costs 0.023; it may cost 0.1 and its input.
        policy.keys[0].providers[0].limits.budgets = vec![daily("day", 150_000_000)];
        policy.keys[0].on_limit = on_limit;
        let running = Running::new(policy).await;
        let first = running.post("/v1/chat/completions", &short("m")).await;
        assert_eq!(first.json()["extra_fields"]["provider"], "cheap", "{}", first.text);
        let mut got = first;
        for _ in 0..8 {
            got = running.post("/v1/chat/completions", &short("m")).await;
            if got.status != 200 || got.json()["extra_fields"]["provider"] == "premium" {
                break;
            }
        }
        assert_eq!(got.status, status, "{}", got.text);
        if status == 402 {
            let seconds: u64 = got.header("retry-after").unwrap().parse().unwrap();
            assert!((1..=86_400).contains(&seconds), "to the end of the day: {seconds}");
            assert_eq!(got.header("x-should-retry"), Some("false"));
        }
        assert!(nanos(&spent(&running, "providers[cheap]").await) <= 150_000_000);
        if status == 200 {
            let record = running.record().await;
            let skipped: Vec<&Value> = record["candidates"].as_array().unwrap().iter().map(|c| &c["skipped"]).collect();
            assert!(skipped.contains(&&json!("budget")), "{skipped:?}");
        }
    }
}

#[tokio::test]
async fn a_cap_is_written_only_if_needed() {
    let dollars = 1_000_000_000;
    for (what, money, least, body, written, capped) in [
        ("plenty is left", 100_000 * dollars, None, chat("m"), None, false),
        ("the model's most is not known", 1_000 * dollars, None, chat("unknown"), Some(8_192..=8_192), true),
        ("the caller has said", 20 * dollars, None, short("m"), Some(10..=10), false),
        ("little is left, but the least can be had", 20 * dollars, None, chat("m"), Some(1_024..=1_024), true),
        // Five dollars buy 500 output tokens, less what the input may cost.
        ("the key has another least", 20 * dollars, Some(7), chat("m"), Some(450..=499), true),
    ] {
        let upstream = Fake::always(answer("hi")).await;
        let mut policy = priced(&[("first", &upstream.url)]);
        policy.keys[0].limits.budgets = vec![limit("all", money)];
        policy.keys[0].min_output_tokens = least;
        policy.keys[0].providers[0].models.push("unknown".to_owned());
        policy.providers[0].default_price = Some(dear());
        policy.catalogues = vec![CatalogueDoc {
            namespace: "default".to_owned(),
            models: vec![ModelDoc { name: "m".to_owned(), max_output_tokens: Some(2_000), ..ModelDoc::default() }],
            ..CatalogueDoc::default()
        }];
        let running = Running::new(policy).await;
        let got = running.post("/v1/chat/completions", &body).await;
        assert_eq!(got.status, 200, "{what}: {}", got.text);
        let sent = upstream.asked()[0].json();
        let cap = sent.get("max_tokens").and_then(Value::as_u64);
        match written {
            None => assert_eq!(cap, None, "{what}: {sent}"),
            Some(written) => assert!(cap.is_some_and(|cap| written.contains(&cap)), "{what}: {sent}"),
        }
        assert_eq!(running.record().await["capped"], json!(capped), "{what}");
    }
}

#[tokio::test]
async fn the_keys_output_limit_replaces_a_higher_one() {
    let upstream = Fake::always(answer("hi")).await;
    let mut policy = document(1, vec![provider("first", &upstream.url)]);
    policy.keys[0].max_output_tokens = Some(100);
    let running = Running::new(policy).await;
    for (asked, sent) in [(Some(5_000), 100), (Some(50), 50), (None, 100)] {
        let mut body = chat("m");
        if let Some(asked) = asked {
            body["max_tokens"] = json!(asked);
        }
        running.post("/v1/chat/completions", &body).await;
        assert_eq!(upstream.take_requests()[0].json()["max_tokens"], json!(sent), "{asked:?}");
    }
}

#[tokio::test]
async fn requests_count_against_parent_budgets_too() {
    let upstream = Fake::always(answer("hi")).await;
    let budget = |name: &str, max: u64, parent: Option<&str>| BudgetDoc {
        namespace: "default".to_owned(),
        name: name.to_owned(),
        unit: Unit::Money,
        max,
        window: Window::Lifetime,
        parent: parent.map(|name| ObjectRef { namespace: "default".to_owned(), name: name.to_owned() }),
        thresholds: Vec::new(),
        applies_to: None,
        fail_open: None,
    };
    let mut policy = priced(&[("first", &upstream.url)]);
    policy.budgets = vec![
        budget("company", 200_000_000, None),
        budget("team", 1_000_000_000_000, Some("company")),
        BudgetDoc {
            applies_to: Some(outrigger_policy::AppliesDoc { models: vec!["m*".to_owned()], ..Default::default() }),
            fail_open: None,
            ..budget("all-of-m", 1_000_000_000_000, None)
        },
    ];
    policy.keys[0].budgets = vec![ObjectRef { namespace: "default".to_owned(), name: "team".to_owned() }];
    let running = Running::new(policy).await;
    let mut served: u64 = 0;
    let refused = loop {
        let got = running.post("/v1/chat/completions", &short("m")).await;
        match got.status {
            200 => served += 1,
            _ => break got,
        }
    };
    assert!(served > 0);
    assert_eq!(refused.status, 402, "{}", refused.text);
    assert!(refused.text.contains("Budget default/company"), "the tightest is named: {}", refused.text);
    assert_eq!(refused.header("retry-after"), None, "a lifetime does not end");
    for name in ["company", "team", "all-of-m"] {
        assert_eq!(nanos(&spent(&running, name).await), served * 23_000_000, "{name}");
    }
}

#[tokio::test]
async fn a_threshold_downgrades_to_a_cheaper_model() {
    let upstream = Fake::always(answer("hi")).await;
    let mut policy = priced(&[("first", &upstream.url)]);
    let cheap = Price { input: 1_000_000_000, output: 10_000_000_000, ..Price::default() };
    policy.providers[0].models.push(ModelDoc { name: "small".to_owned(), price: Some(cheap), ..ModelDoc::default() });
    policy.keys[0].providers[0].models.push("small".to_owned());
    policy.budgets = vec![BudgetDoc {
        namespace: "default".to_owned(),
        name: "team".to_owned(),
        unit: Unit::Money,
        max: 1_000_000_000,
        window: Window::Lifetime,
        parent: None,
        thresholds: vec![
            ThresholdDoc { percent: 1, action: ThresholdAction::Notify },
            ThresholdDoc { percent: 2, action: ThresholdAction::Downgrade { model: "small".to_owned() } },
        ],
        applies_to: None,
        fail_open: None,
    }];
    policy.keys[0].budgets = vec![ObjectRef { namespace: "default".to_owned(), name: "team".to_owned() }];
    let running = Running::new(policy).await;
    for expected in ["m", "small", "small"] {
        let got = running.post("/v1/chat/completions", &short("m")).await;
        assert_eq!(got.json()["extra_fields"]["model"], expected, "{}", got.text);
    }
    let metrics = reqwest::get(format!("http://{}/metrics", running.admin)).await.unwrap().text().await.unwrap();
    for line in [
        r#"outrigger_budget_thresholds_total{action="notify",budget="Budget default/team",percent="1"} 1"#,
        r#"outrigger_budget_thresholds_total{action="downgrade",budget="Budget default/team",percent="2"} 1"#,
    ] {
        assert!(metrics.contains(line), "{line} in {metrics}");
    }
}

#[tokio::test]
async fn unmetered_requests_are_refused_if_money_is_limited() {
    let upstream = Fake::always(answer("hi")).await;
    for (unmetered, status) in [(UnknownCostPolicy::Refuse, 403), (UnknownCostPolicy::Allow, 200)] {
        let mut policy = priced(&[("first", &upstream.url)]);
        policy.keys[0].limits.budgets = vec![limit("all", 1_000_000_000_000)];
        policy.keys[0].unmetered = unmetered;
        let running = Running::new(policy).await;
        let mut body = short("m");
        body["tools"] = json!([{"type": "web_search"}]);
        let got = running.post("/v1/chat/completions", &body).await;
        assert_eq!(got.status, status, "{}", got.text);
    }
}

#[tokio::test]
async fn a_provider_has_a_concurrency_limit() {
    let gate = std::sync::Arc::new(tokio::sync::Notify::new());
    let completion = crate::fake::completion("slow");
    let slow = vec![
        Act::Wait(gate.clone()),
        Act::Send(format!(
            "HTTP/1.1 200 X\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{completion}",
            completion.len()
        )),
    ];
    let busy = Fake::always(slow).await;
    let other = Fake::always(answer("other")).await;
    let mut policy = priced(&[("busy", &busy.url), ("other", &other.url)]);
    policy.keys[0].providers[1].weight = 0;
    policy.providers[0].limits.concurrent_requests = Some(1);
    let running = Running::new(policy).await;
    let (client, url) = (reqwest::Client::new(), running.url("/v1/chat/completions"));
    let first = tokio::spawn(client.post(url).json(&short("m")).send());
    let mut opened = busy.opened.clone();
    opened.wait_for(|count| *count > 0).await.unwrap();
    while busy.asked().is_empty() {
        tokio::task::yield_now().await;
    }
    let second = running.post("/v1/chat/completions", &short("m")).await;
    assert_eq!(second.json()["extra_fields"]["provider"], "other", "{}", second.text);
    assert_eq!(running.record().await["candidates"][0]["skipped"], "concurrency");
    gate.notify_one();
    assert_eq!(first.await.unwrap().unwrap().status(), 200);
}

/// Waits until this many requests are in progress. With one worker thread, a request that waits has then been polled up
/// to that point.
pub async fn under_way(running: &Running, count: usize) {
    let line = format!("outrigger_in_flight_requests {count}\n");
    let url = format!("http://{}/metrics", running.admin);
    while !reqwest::get(&url).await.unwrap().text().await.unwrap().contains(&line) {}
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_waiting_request_is_served_or_refused_when_others_are_done() {
    let completion = crate::fake::completion("slow");
    // One worst case at a time fits into the tokens, and little of it is used. The limit of requests is used up by the
    // first.
    type Change = fn(&mut Document);
    let tokens: Change = |policy| policy.keys[0].limits.tokens = vec![hourly("hour", 40)];
    let requests: Change = |policy| policy.keys[0].limits.requests = vec![hourly("hour", 1)];
    for (what, change, status, word) in [("tokens", tokens, 200, "hi"), ("requests", requests, 429, "request_limited")]
    {
        let gate = std::sync::Arc::new(tokio::sync::Notify::new());
        let slow = vec![
            Act::Wait(gate.clone()),
            Act::Send(format!(
                "HTTP/1.1 200 X\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{completion}",
                completion.len()
            )),
        ];
        let upstream = Fake::new(vec![slow, answer("hi")]).await;
        let mut policy = priced(&[("first", &upstream.url)]);
        policy.keys[0].limits.budgets = vec![limit("all", 1_000_000_000_000)];
        change(&mut policy);
        let running = std::sync::Arc::new(Running::new(policy).await);
        let ask =
            |running: std::sync::Arc<Running>| async move { running.post("/v1/chat/completions", &short("m")).await };
        let first = tokio::spawn(ask(std::sync::Arc::clone(&running)));
        under_way(&running, 1).await;
        let second = tokio::spawn(ask(std::sync::Arc::clone(&running)));
        under_way(&running, 2).await;
        gate.notify_one();
        assert_eq!(first.await.unwrap().status, 200, "{what}");
        let second = second.await.unwrap();
        assert_eq!(second.status, status, "{what}: {}", second.text);
        assert!(second.text.contains(word), "{what}: {}", second.text);
    }
}

#[tokio::test]
async fn reserved_amounts_are_reported_as_contended_in_every_dialect() {
    let silent = Fake::always(vec![Act::Silence]).await;
    let mut policy = priced(&[("first", &silent.url)]);
    policy.keys[0].limits.tokens = vec![hourly("hour", 40)];
    let running = std::sync::Arc::new(Running::new(policy).await);
    let holds = {
        let running = std::sync::Arc::clone(&running);
        tokio::spawn(async move { running.post("/v1/chat/completions", &short("m")).await })
    };
    while silent.asked().is_empty() {
        tokio::task::yield_now().await;
    }
    let anthropic = json!({"model": "m", "max_tokens": 10, "messages": [{"role": "user", "content": "x"}]});
    let gemini = json!({"contents": [{"parts": [{"text": "x"}]}], "generationConfig": {"maxOutputTokens": 10}});
    for (path, body, pointer, word) in [
        ("/v1/chat/completions", short("m"), "/error/type", "budget_contended"),
        ("/v1/messages", anthropic, "/error/reason", "budget_contended"),
        ("/v1beta/models/m:generateContent", gemini, "/error/details/0/reason", "BUDGET_CONTENDED"),
    ] {
        // The caller's own deadline is earlier than the end of the gateway's wait.
        let request = reqwest::Client::new().post(running.url(path)).header("x-stainless-timeout", "1").json(&body);
        let got = running.send(request).await;
        let error = got.json();
        let reason = error.pointer(pointer).and_then(Value::as_str);
        assert_eq!((got.status, reason), (429, Some(word)), "{path}: {}", got.text);
        assert_eq!((got.header("retry-after"), got.header("x-should-retry")), (Some("1"), None), "{path}");
    }
    holds.abort();
}
