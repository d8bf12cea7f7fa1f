//! The mock provider: its answers and faults in every dialect.

use outrigger_policy::{FaultDoc, FaultKind, MockDoc, MockToolCall, ProviderDoc};
use serde_json::{Value, json};

use crate::policies::{Running, chat, document, streamed};

pub fn mock(name: &str, script: MockDoc) -> ProviderDoc {
    ProviderDoc {
        namespace: "default".to_owned(),
        name: name.to_owned(),
        kind: "Mock".to_owned(),
        mock: Some(script),
        ..ProviderDoc::default()
    }
}

fn speaking(dialect: &str) -> MockDoc {
    MockDoc { dialect: dialect.to_owned(), ..MockDoc::default() }
}

fn fault(kind: FaultKind) -> FaultDoc {
    FaultDoc {
        name: "on-order".to_owned(),
        kind,
        percent: 100,
        models: Vec::new(),
        status: None,
        retry_after: None,
        events: Some(2),
        delay: None,
        message: None,
        allow_fallbacks: true,
    }
}

#[tokio::test]
async fn answers_in_every_dialect_to_every_caller() {
    for dialect in ["OpenAI", "Anthropic", "Gemini", "Bedrock", "Ollama"] {
        let script = MockDoc { reply: Some("I am {{provider}}, as {{model}}".to_owned()), ..speaking(dialect) };
        let running = Running::new(document(1, vec![mock("stage", script)])).await;
        let openai = running.post("/v1/chat/completions", &chat("x")).await.json();
        assert_eq!(openai["choices"][0]["message"]["content"], "I am stage, as x", "{dialect}");
        assert!(openai["usage"]["completion_tokens"].as_u64().unwrap() > 0, "{dialect}");
        let body = json!({"model": "x", "max_tokens": 50, "messages": [{"role": "user", "content": "hello"}]});
        let anthropic = running.post("/v1/messages", &body).await.json();
        assert_eq!(anthropic["content"][0]["text"], "I am stage, as x", "{dialect}");
        let body = json!({"contents": [{"role": "user", "parts": [{"text": "hello"}]}]});
        let gemini = running.post("/v1beta/models/x:generateContent", &body).await.json();
        assert_eq!(gemini["candidates"][0]["content"]["parts"][0]["text"], "I am stage, as x", "{dialect}");
        let body = json!({"messages": [{"role": "user", "content": [{"text": "hello"}]}]});
        let bedrock = running.post("/model/x/converse", &body).await.json();
        assert_eq!(bedrock["output"]["message"]["content"][0]["text"], "I am stage, as x", "{dialect}");
        let response = running.post("/v1/chat/completions", &streamed("x")).await.text;
        let words: String = response
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line.strip_prefix("data: ")?).ok())
            .filter_map(|event| event["choices"][0]["delta"]["content"].as_str().map(str::to_owned))
            .collect();
        assert_eq!(words, "I am stage, as x", "{dialect}");
    }
}

#[tokio::test]
async fn calls_tools_and_fills_schemas() {
    let call = MockToolCall { name: "add".to_owned(), arguments: json!({"a": 1}) };
    let script = MockDoc { tool_calls: vec![call], ..speaking("Anthropic") };
    let running = Running::new(document(1, vec![mock("stage", script)])).await;
    let tools = json!([{"type": "function", "function": {"name": "add", "parameters": {"type": "object"}}}]);
    let mut body = chat("x");
    body["tools"] = tools;
    let got = running.post("/v1/chat/completions", &body).await.json();
    let call = &got["choices"][0]["message"]["tool_calls"][0];
    assert_eq!(
        (call["function"]["name"].as_str(), got["choices"][0]["finish_reason"].as_str()),
        (Some("add"), Some("tool_calls"))
    );
    body["messages"].as_array_mut().unwrap().extend([
        json!({"role": "assistant", "tool_calls": [call]}),
        json!({"role": "tool", "tool_call_id": call["id"], "content": "2"}),
    ]);
    let got = running.post("/v1/chat/completions", &body).await.json();
    assert_eq!(got["choices"][0]["finish_reason"], "stop", "{got}");
    let schema = json!({"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"], "additionalProperties": false});
    let mut body = chat("claude-haiku-4-5");
    body["response_format"] =
        json!({"type": "json_schema", "json_schema": {"name": "s", "schema": schema, "strict": true}});
    let got = running.post("/v1/chat/completions", &body).await.json();
    let filled: Value = serde_json::from_str(got["choices"][0]["message"]["content"].as_str().unwrap()).unwrap();
    assert_eq!(filled, json!({"n": 1}));
}

#[tokio::test]
async fn a_choice_of_tools_is_obeyed() {
    let call = |name: &str| MockToolCall { name: name.to_owned(), arguments: json!({"a": 1}) };
    let tool = |name: &str| {
        let schema = json!({"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]});
        json!({"type": "function", "function": {"name": name, "parameters": schema}})
    };
    let named = |name: &str| json!({"type": "function", "function": {"name": name}});
    let both = [("add", r#"{"a":1}"#), ("subtract", r#"{"a":1}"#)];
    let cases = [
        (json!({}), &both[..]),
        (json!({"tool_choice": "required"}), &both[..]),
        (json!({"tool_choice": "none"}), &[]),
        (json!({"tool_choice": named("subtract")}), &both[1..]),
        (json!({"parallel_tool_calls": false}), &both[..1]),
        // Not in the script, as the tool by which a client asks for an answer of a schema.
        (json!({"tool_choice": named("answer")}), &[("answer", r#"{"n":1}"#)]),
    ];
    for dialect in ["OpenAI", "Anthropic"] {
        let script = MockDoc { tool_calls: vec![call("add"), call("subtract")], ..speaking(dialect) };
        let running = Running::new(document(1, vec![mock("stage", script)])).await;
        for (more, wanted) in &cases {
            let mut body = chat("x");
            body["tools"] = json!([tool("add"), tool("subtract"), tool("answer")]);
            body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            let got = running.post("/v1/chat/completions", &body).await.json();
            let calls = got["choices"][0]["message"]["tool_calls"].as_array().cloned().unwrap_or_default();
            let said: Vec<(&str, &str)> = calls
                .iter()
                .map(|call| &call["function"])
                .map(|made| (made["name"].as_str().unwrap(), made["arguments"].as_str().unwrap()))
                .collect();
            assert_eq!(said, *wanted, "{dialect} {more}");
        }
    }
}

#[tokio::test]
async fn every_fault_fails_over_and_is_recorded() {
    let cases = [
        (FaultKind::Status, "server_error"),
        (FaultKind::Refused, "connect"),
        (FaultKind::Reset, "cut"),
        (FaultKind::Malformed, "malformed"),
        (FaultKind::Empty, "malformed"),
        (FaultKind::CutAfterEvents, "cut"),
        (FaultKind::ErrorEvent, "server_error"),
        (FaultKind::Hang, "timeout_attempt"),
    ];
    for (kind, word) in cases {
        for dialect in ["OpenAI", "Anthropic", "Gemini", "Bedrock"] {
            let mut bad = mock("bad", MockDoc { faults: vec![fault(kind)], ..speaking(dialect) });
            if kind == FaultKind::Hang {
                bad.timeouts.attempt = Some(300);
            }
            let running = Running::new(document(1, vec![bad, mock("good", speaking("OpenAI"))])).await;
            let got = running.post("/v1/chat/completions", &chat("x")).await;
            let record = running.record().await;
            assert_eq!(record["attempts"][0]["error"], word, "{kind:?} {dialect}: {record}");
            assert_eq!(got.header("x-outrigger-provider"), Some("good"), "{kind:?} {dialect}: {}", got.text);
        }
    }
}

#[tokio::test]
async fn faults_apply_to_streams_before_and_after_content() {
    for dialect in ["OpenAI", "Anthropic", "Gemini", "Bedrock"] {
        // Before content: the next provider answers.
        let early = FaultDoc { events: Some(0), status: Some(529), ..fault(FaultKind::ErrorEvent) };
        let bad = mock("bad", MockDoc { faults: vec![early], ..speaking(dialect) });
        let running = Running::new(document(1, vec![bad, mock("good", speaking("OpenAI"))])).await;
        let got = running.post("/v1/chat/completions", &streamed("x")).await;
        assert_eq!(got.header("x-outrigger-provider"), Some("good"), "{dialect}: {}", got.text);
        // After content: an error event, and no invented end.
        let late = FaultDoc { events: Some(6), ..fault(FaultKind::CutAfterEvents) };
        let script = MockDoc {
            reply: Some("one two three four five six seven eight".to_owned()),
            faults: vec![late],
            ..speaking(dialect)
        };
        let running = Running::new(document(1, vec![mock("bad", script), mock("good", speaking("OpenAI"))])).await;
        let got = running.post("/v1/chat/completions", &streamed("x")).await;
        assert!(got.text.contains("two") && got.text.contains("data: {\"error\""), "{dialect}: {}", got.text);
        assert!(!got.text.contains("[DONE]") && !got.text.contains("Hello from good"), "{dialect}: {}", got.text);
    }
}

#[tokio::test]
async fn a_fault_without_fallbacks_is_returned_unchanged() {
    let strict =
        FaultDoc { status: Some(429), retry_after: Some(9_000), allow_fallbacks: false, ..fault(FaultKind::Status) };
    let bad = mock("bad", MockDoc { faults: vec![strict], ..speaking("OpenAI") });
    let running = Running::new(document(1, vec![bad, mock("good", speaking("OpenAI"))])).await;
    let got = running.post("/v1/chat/completions", &chat("x")).await;
    assert_eq!(
        (got.status, got.header("retry-after"), got.header("x-outrigger-attempts")),
        (429, Some("9"), Some("1"))
    );
}

#[tokio::test]
async fn a_fault_applies_only_to_its_models() {
    let rare = FaultDoc { models: vec!["gpt-*".to_owned()], percent: 50, ..fault(FaultKind::Status) };
    let running =
        Running::new(document(1, vec![mock("stage", MockDoc { faults: vec![rare], ..speaking("OpenAI") })])).await;
    for _ in 0..20 {
        assert_eq!(running.post("/v1/chat/completions", &chat("other")).await.status, 200);
    }
}
