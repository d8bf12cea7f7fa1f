//! The gateway's own field in a body: no provider sees it, and nothing is judged or translated with it.

use serde_json::{Value, json};

use crate::fake::{Fake, answer, json as replies};
use crate::policies::{Running, document, provider, typed};

const ANTHROPIC: &str = r#"{"id":"msg_1","type":"message","role":"assistant","model":"m","content":[{"type":"text","text":"hi"}],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":7,"output_tokens":2}}"#;

#[tokio::test]
async fn fallbacks_are_the_gateway_s_own_and_anthropics_are_anthropics() {
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
