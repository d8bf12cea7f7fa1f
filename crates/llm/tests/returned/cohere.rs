//! Cohere's API: its client, and the answers of its reasoning models.

use serde_json::{Value, json};

use crate::clients::schema;
use crate::providers::{Own, halves, thought};

pub fn first() -> Value {
    json!({"model": "m", "thinking": {"type": "enabled", "token_budget": 2000},
        "messages": [{"role": "user", "content": "q"}],
        "tools": [{"type": "function", "function": {"name": "look", "parameters": schema()}}]})
}

pub fn take(body: &mut Value, message: Value) {
    let id = message["tool_calls"][0]["id"].clone();
    let messages = body["messages"].as_array_mut().unwrap();
    messages.extend([message, json!({"role": "tool", "tool_call_id": id, "content": "a cat"})]);
}

/// The message of a stream, as applications put it together.
pub fn joined(events: &[Value]) -> Value {
    let mut message = json!({"role": "assistant"});
    let list = |message: &mut Value, key: &str, element: &Value| {
        let list = message.as_object_mut().unwrap().entry(key).or_insert_with(|| json!([]));
        list.as_array_mut().unwrap().push(element.clone());
    };
    let add =
        |text: &mut Value, more: &Value| *text = json!(text.as_str().unwrap().to_owned() + more.as_str().unwrap());
    for event in events {
        let told = &event["delta"]["message"];
        match event["type"].as_str().unwrap() {
            "content-start" => list(&mut message, "content", &told["content"]),
            "content-delta" => {
                for (key, more) in told["content"].as_object().unwrap() {
                    add(&mut message["content"].as_array_mut().unwrap().last_mut().unwrap()[key], more);
                }
            }
            "tool-call-start" => list(&mut message, "tool_calls", &told["tool_calls"]),
            "tool-call-delta" => {
                let call = message["tool_calls"].as_array_mut().unwrap().last_mut().unwrap();
                add(&mut call["function"]["arguments"], &told["tool_calls"]["function"]["arguments"]);
            }
            _ => {}
        }
    }
    message
}

fn call(n: usize, arguments: &str) -> Value {
    json!({"id": format!("look_{n}"), "type": "function", "function": {"name": "look", "arguments": arguments}})
}

fn thinking(text: &str) -> Value {
    json!({"type": "thinking", "thinking": text})
}

pub fn answer(n: usize) -> Value {
    let content = [thinking(&thought("cohere", n))];
    json!({"id": format!("c{n}"), "finish_reason": "TOOL_CALL", "usage": {"tokens": {"input_tokens": 1, "output_tokens": 1}},
        "message": {"role": "assistant", "content": content, "tool_calls": [call(n, "{\"at\":1}")]}})
}

pub fn events(n: usize) -> Vec<Value> {
    let event = |kind: &str, message: Value| json!({"type": kind, "index": 0, "delta": {"message": message}});
    let mut events = vec![
        json!({"type": "message-start", "id": format!("c{n}"), "delta": {"message": {"role": "assistant"}}}),
        event("content-start", json!({"content": thinking("")})),
    ];
    let pieces = halves(&thought("cohere", n));
    events.extend(pieces.iter().map(|piece| event("content-delta", json!({"content": {"thinking": piece}}))));
    events.extend([
        json!({"type": "content-end", "index": 0}),
        event("tool-call-start", json!({"tool_calls": call(n, "")})),
        event("tool-call-delta", json!({"tool_calls": {"function": {"arguments": "{\"at\":1}"}}})),
        json!({"type": "tool-call-end", "index": 0}),
        json!({"type": "message-end", "delta": {"finish_reason": "TOOL_CALL"}}),
    ]);
    events
}

pub fn own(n: usize) -> Own {
    Own {
        objects: vec![thinking(&thought("cohere", n)), json!({"id": format!("look_{n}")})],
        secrets: vec![thought("cohere", n)],
    }
}
