//! The gateway's own field `fallbacks` in a body: no provider gets it, and it has no effect on decisions or
//! translations.

use serde_json::{Value, json};

use outrigger_policy::{ModelDoc, Price, ProviderDoc, UnknownCostPolicy};

use crate::fake::{Fake, answer, json as replies};
use crate::limits::limit;
use crate::policies::{Running, document, provider, typed};

const ANTHROPIC: &str = r#"{"id":"msg_1","type":"message","role":"assistant","model":"m","content":[{"type":"text","text":"hi"}],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":7,"output_tokens":2}}"#;

#[tokio::test]
async fn the_gateways_fallbacks_are_removed_and_anthropics_are_passed_on() {
    let ours = json!(["compatible/n"]);
    let theirs = json!([{"model": "claude-of-tomorrow"}]);
    for (what, path, model, fallbacks, status, upstream) in [
        ("across, ours", "/v1/chat/completions", "claude/m", ours.clone(), 200, None),
        ("across, ours as objects", "/v1/chat/completions", "claude/m", json!([{"provider": "compatible"}]), 200, None),
        ("across, an empty list", "/v1/chat/completions", "claude/m", json!([]), 200, None),
        ("the same dialect, ours", "/v1/messages", "claude/m", ours.clone(), 200, None),
        ("the same dialect, Anthropic's", "/v1/messages", "claude/m", theirs.clone(), 200, Some(theirs.clone())),
        ("the same dialect, by default", "/v1/messages", "claude/m", json!("default"), 200, Some(json!("default"))),
        ("Anthropic's, across: left out", "/v1/messages", "compatible/m", theirs.clone(), 200, None),
        ("Anthropic's, of another dialect", "/v1/chat/completions", "claude/m", theirs, 400, None),
        ("neither's", "/v1/messages", "claude/m", json!("other"), 400, None),
        ("ours, in OpenAI's own", "/v1/chat/completions", "compatible/m", ours, 200, None),
    ] {
        let claude = Fake::always(replies(200, ANTHROPIC)).await;
        let compatible = Fake::always(answer("hi")).await;
        let both = vec![typed("claude", "Anthropic", &claude.url), provider("compatible", &compatible.url)];
        let running = Running::new(document(1, both)).await;
        let body = json!({
            "model": model, "max_tokens": 9, "fallbacks": fallbacks,
            "messages": [{"role": "user", "content": "Hello"}],
        });
        let got = running.post(path, &body).await;
        assert_eq!(got.status, status, "{what}: {}", got.text);
        let asked: Vec<Value> = claude.asked().iter().chain(&compatible.asked()).map(|asked| asked.json()).collect();
        assert_eq!(asked.len(), usize::from(status == 200), "{what}");
        let sent = asked.first().and_then(|body| body.get("fallbacks")).cloned();
        assert_eq!(sent, upstream, "{what}");
        if status == 200 && path.ends_with("completions") {
            assert_eq!(got.json()["extra_fields"]["fallback_reason"], Value::Null, "{what}");
        }
    }
}

/// Anthropic may answer with each of them. So they must be allowed by the key, and cost no more than what is reserved.
#[tokio::test]
async fn anthropics_fallbacks_bypass_neither_the_keys_models_nor_its_budget() {
    let named = |models: &[&str]| Value::Array(models.iter().map(|model| json!({"model": model})).collect());
    let blocked = Some("model_blocked");
    for (what, fallbacks, open, only_m, priced) in [
        ("an allowed one", named(&["m"]), None, None, None),
        ("a cheaper one", named(&["small"]), None, blocked, None),
        ("a dearer one", named(&["big"]), None, blocked, Some("model_unpriced")),
        ("one by its own name", named(&["claude-big"]), None, blocked, Some("model_unpriced")),
        ("a dearer one among others", named(&["m", "small", "big"]), None, blocked, Some("model_unpriced")),
        ("one without a price", named(&["of-tomorrow"]), None, blocked, Some("model_unpriced")),
        ("whichever", json!("default"), None, blocked, Some("model_unpriced")),
        ("ours", json!([]), None, None, None),
    ] {
        for (which, expected) in
            [("open", open), ("only m", only_m), ("denied", blocked), ("a credential's", only_m), ("priced", priced)]
        {
            let claude = Fake::always(replies(200, ANTHROPIC)).await;
            let price = |each| Some(Price { input: each, output: each, ..Price::default() });
            let models = [("m", 1_000), ("small", 100), ("big", 9_000)].map(|(name, each)| ModelDoc {
                name: name.to_owned(),
                upstream_name: (name == "big").then(|| "claude-big".to_owned()),
                max_output_tokens: Some(1_000),
                price: price(each),
                ..ModelDoc::default()
            });
            let one = ProviderDoc { models: models.to_vec(), ..typed("claude", "Anthropic", &claude.url) };
            let mut policy = document(1, vec![one]);
            let key = &mut policy.keys[0];
            let mut expected = expected;
            match which {
                "only m" => key.providers[0].models = vec!["m".to_owned()],
                "denied" => {
                    key.deny = vec!["big".to_owned()];
                    let denies = what.contains("dearer") || what == "one by its own name" || what == "whichever";
                    expected = expected.filter(|_| denies);
                }
                "a credential's" => {
                    policy.providers[0].credentials[0].models = vec!["m".to_owned()];
                    expected = expected.map(|_| "provider_blocked");
                }
                "priced" => key.limits.budgets = vec![limit("all", 20_000_000_000)],
                _ => {}
            }
            let running = Running::new(policy).await;
            let body = json!({
                "model": "claude/m", "max_tokens": 9, "fallbacks": fallbacks,
                "messages": [{"role": "user", "content": "Hello"}],
            });
            let got = running.post("/v1/messages", &body).await;
            let refused = running.record().await["error_type"].as_str().map(str::to_owned);
            assert_eq!(refused.as_deref(), expected, "{what}, {which}: {}", got.text);
            assert_eq!(claude.asked().len(), usize::from(expected.is_none()), "{what}, {which}");
            if expected.is_some_and(|word| word != "provider_blocked") {
                assert!(got.text.contains("`fallbacks`"), "{what}, {which}: {}", got.text);
            }
        }
    }
}

/// A key that allows unpriced models serves it.
#[tokio::test]
async fn a_key_that_allows_unmetered_requests_may_use_any_fallback() {
    let claude = Fake::always(replies(200, ANTHROPIC)).await;
    let price = Some(Price { input: 1, output: 1, ..Price::default() });
    let model = ModelDoc { name: "m".to_owned(), max_output_tokens: Some(1_000), price, ..ModelDoc::default() };
    let one = ProviderDoc { models: vec![model], ..typed("claude", "Anthropic", &claude.url) };
    let mut policy = document(1, vec![one]);
    policy.keys[0].limits.budgets = vec![limit("all", 20_000_000_000)];
    policy.keys[0].unmetered = UnknownCostPolicy::Allow;
    let running = Running::new(policy).await;
    let body = json!({
        "model": "claude/m", "max_tokens": 9, "fallbacks": "default", "messages": [{"role": "user", "content": "Hello"}],
    });
    assert_eq!(running.post("/v1/messages", &body).await.status, 200);
}
