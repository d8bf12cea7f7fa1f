//! A caller who wants one tool call at most gets one, also from providers that cannot be told so.

use std::collections::BTreeSet;

use outrigger_policy::{MockDoc, MockToolCall, ProviderDoc};
use serde_json::{Value, json};

use crate::policies::{Running, document};

/// Calls both tools in one turn, unless it is asked for one.
fn calling_twice(dialect: &str) -> ProviderDoc {
    let call = |name: &str| MockToolCall { name: name.to_owned(), arguments: json!({"city": "Paris"}) };
    ProviderDoc {
        namespace: "default".to_owned(),
        name: "stage".to_owned(),
        kind: "Mock".to_owned(),
        mock: Some(MockDoc {
            dialect: dialect.to_owned(),
            tool_calls: vec![call("first"), call("second")],
            ..MockDoc::default()
        }),
        ..ProviderDoc::default()
    }
}

/// The path and the body of the same request in each API, with the one call asked for or not.
fn requests(one: bool, stream: bool) -> [(&'static str, Value); 3] {
    let schema = json!({"type": "object", "properties": {"city": {"type": "string"}}});
    let each = |tool: &dyn Fn(&str) -> Value| json!([tool("first"), tool("second")]);
    let function = |name: &str| json!({"name": name, "parameters": schema});
    let said = json!([{"role": "user", "content": "Call them."}]);
    let chat = json!({
        "model": "x", "stream": stream, "messages": said, "parallel_tool_calls": !one,
        "tools": each(&|name| json!({"type": "function", "function": function(name)})),
    });
    let messages = json!({
        "model": "x", "stream": stream, "max_tokens": 99, "messages": said,
        "tool_choice": {"type": "auto", "disable_parallel_tool_use": one},
        "tools": each(&|name| json!({"name": name, "input_schema": schema})),
    });
    let responses = json!({
        "model": "x", "stream": stream, "input": said, "store": false, "parallel_tool_calls": !one,
        "tools": each(&|name| json!({"type": "function", "name": name, "parameters": schema, "strict": false})),
    });
    [("/v1/chat/completions", chat), ("/v1/messages", messages), ("/v1/responses", responses)]
}

/// The names of the tools that an answer calls, in whichever API. What only declares a tool has no arguments.
fn called(value: &Value, names: &mut BTreeSet<String>) {
    match value {
        Value::Object(object) => {
            if object.contains_key("arguments") || object.contains_key("input") {
                names.extend(object.get("name").and_then(Value::as_str).map(str::to_owned));
            }
            object.values().for_each(|inner| called(inner, names));
        }
        Value::Array(items) => items.iter().for_each(|inner| called(inner, names)),
        _ => {}
    }
}

#[tokio::test]
async fn one_call_is_passed_on_if_one_is_asked_for() {
    for dialect in ["OpenAI", "Anthropic", "Gemini", "Bedrock", "Cohere"] {
        let running = Running::new(document(1, vec![calling_twice(dialect)])).await;
        for (one, stream) in [(true, false), (true, true), (false, false), (false, true)] {
            for (path, body) in requests(one, stream) {
                let answer = running.post(path, &body).await;
                let case = format!("{path} of {dialect}, one {one}, stream {stream}: {}", answer.text);
                assert_eq!(answer.status, 200, "{case}");
                let mut names = BTreeSet::new();
                for document in answer.text.lines().map(|line| line.strip_prefix("data: ").unwrap_or(line)) {
                    if let Ok(document) = serde_json::from_str(document) {
                        called(&document, &mut names);
                    }
                }
                let wanted: &[&str] = if one { &["first"] } else { &["first", "second"] };
                assert!(names.iter().eq(wanted), "{names:?}: {case}");
            }
        }
    }
}
