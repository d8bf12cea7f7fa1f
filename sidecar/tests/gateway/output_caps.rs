//! The output limit that is sent upstream: never more than the policy's, with the thinking budget below it.

use outrigger_policy::ModelDoc;
use serde_json::{Value, json};

use crate::fake::{Fake, json as replies};
use crate::limits::{dear, limit};
use crate::policies::{Running, document, typed};

fn message() -> String {
    json!({"id": "msg", "type": "message", "role": "assistant", "model": "m", "content": [{"type": "text", "text": "hi"}],
           "stop_reason": "end_turn", "usage": {"input_tokens": 3, "output_tokens": 2}})
    .to_string()
}

fn candidates() -> String {
    json!({"candidates": [{"content": {"role": "model", "parts": [{"text": "hi"}]}, "finishReason": "STOP"}],
           "usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": 2}})
    .to_string()
}

const O: &str = "/v1/chat/completions";
const A: &str = "/v1/messages";
const G: &str = "/v1beta/models/claude/claude-haiku-4-5:generateContent";

/// The same without limits and with a limit on money.
#[tokio::test]
async fn the_policys_output_limit_holds_with_any_thinking_budget() {
    let body_with = |extra: Value| {
        let mut body = json!({"model": "claude/claude-haiku-4-5", "messages": [{"role": "user", "content": "hi"}]});
        body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        body
    };
    let enabled = |budget: u64| json!({"type": "enabled", "budget_tokens": budget});
    for (path, body, cap, thinking, adapted) in [
        (
            O,
            body_with(json!({"max_completion_tokens": 100, "reasoning_effort": "high"})),
            100,
            Value::Null,
            Some("thinking"),
        ),
        (
            O,
            body_with(json!({"max_completion_tokens": 1_500, "reasoning_effort": "high"})),
            1_500,
            enabled(1_024),
            None,
        ),
        (O, body_with(json!({"max_completion_tokens": 9_000, "reasoning_effort": "low"})), 2_000, enabled(1_024), None),
        (O, body_with(json!({"reasoning_effort": "xhigh"})), 2_000, enabled(1_024), None),
        (O, body_with(json!({})), 2_000, Value::Null, None),
        (
            A,
            body_with(json!({"max_tokens": 32_000, "thinking": enabled(16_000)})),
            2_000,
            enabled(1_024),
            Some("thinking.budget_tokens"),
        ),
        (A, body_with(json!({"max_tokens": 1_999, "thinking": enabled(1_500)})), 1_999, enabled(1_500), None),
        (A, body_with(json!({"max_tokens": 32_000, "thinking": enabled(1_100)})), 2_000, enabled(1_100), None),
        (
            G,
            json!({"contents": [{"role": "user", "parts": [{"text": "hi"}]}],
                   "generationConfig": {"maxOutputTokens": 8_000, "thinkingConfig": {"thinkingBudget": 6_000}}}),
            2_000,
            enabled(1_024),
            None,
        ),
    ] {
        for (of_key, limited) in [(true, true), (true, false), (false, true), (false, false)] {
            let upstream = Fake::always(replies(200, &message())).await;
            let mut policy = document(1, vec![typed("claude", "Anthropic", &upstream.url)]);
            let bound = Some(2_000);
            match of_key {
                true => policy.keys[0].max_output_tokens = bound,
                false => {
                    let model = ModelDoc {
                        name: "claude-haiku-4-5".to_owned(),
                        max_output_tokens: bound,
                        ..ModelDoc::default()
                    };
                    policy.providers[0].models = vec![model];
                }
            }
            if limited {
                policy.keys[0].limits.budgets = vec![limit("all", 1_000_000_000_000)];
            }
            let running = Running::new(policy).await;
            let got = running.post(path, &body).await;
            assert_eq!(got.status, 200, "{body}: {}", got.text);
            let sent = upstream.asked()[0].json();
            assert_eq!(
                (&sent["max_tokens"], &sent["thinking"]),
                (&json!(cap), &thinking),
                "{body}, {of_key} {limited}"
            );
            let named = got.headers.get("x-outrigger-adapted").map(|replies| replies.to_str().unwrap().to_owned());
            assert_eq!(named.as_deref(), adapted, "{body}, {of_key} {limited}");
        }
    }
}

#[tokio::test]
async fn geminis_thinking_budget_is_within_the_limit() {
    for (path, body) in [
        (
            O,
            json!({"model": "g/gemini-2.5-flash", "messages": [{"role": "user", "content": "hi"}], "reasoning_effort": "high"}),
        ),
        (
            "/v1beta/models/g/gemini-2.5-flash:generateContent",
            json!({"contents": [{"role": "user", "parts": [{"text": "hi"}]}],
                   "generationConfig": {"thinkingConfig": {"thinkingBudget": 20_000}}}),
        ),
    ] {
        let upstream = Fake::always(replies(200, &candidates())).await;
        let mut policy = document(1, vec![typed("g", "Gemini", &upstream.url)]);
        policy.keys[0].max_output_tokens = Some(2_000);
        let running = Running::new(policy).await;
        let got = running.post(path, &body).await;
        assert_eq!(got.status, 200, "{}", got.text);
        let config = upstream.asked()[0].json()["generationConfig"].clone();
        assert_eq!(
            (&config["maxOutputTokens"], &config["thinkingConfig"]["thinkingBudget"]),
            (&json!(2_000), &json!(1_000)),
            "{config}"
        );
    }
}

#[tokio::test]
async fn an_unknown_model_gets_a_modest_cap() {
    for (what, model, window, expected) in [
        ("nothing is known", None, None, json!(8_192)),
        ("its window is", None, Some(4_000), Value::Null),
        ("the entry says", Some(300), None, json!(300)),
    ] {
        let upstream = Fake::always(crate::fake::answer("hi")).await;
        let mut policy = document(1, vec![typed("first", "OpenAICompatible", &upstream.url)]);
        policy.providers[0].models = vec![ModelDoc {
            name: "m".to_owned(),
            price: Some(dear()),
            max_output_tokens: model,
            context_window: window,
            ..ModelDoc::default()
        }];
        // A hundred thousand dollars.
        policy.keys[0].limits.budgets = vec![limit("all", 100_000_000_000_000)];
        let running = Running::new(policy).await;
        let body = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}]});
        assert_eq!(running.post(O, &body).await.status, 200);
        let sent = upstream.asked()[0].json()["max_tokens"].clone();
        match expected {
            // The rest of the window after the input.
            Value::Null => assert!((3_800..4_000).contains(&sent.as_u64().unwrap()), "{what}: {sent}"),
            expected => assert_eq!(sent, expected, "{what}"),
        }
    }
}
