//! Ollama's own API: a client that returns whole messages, and the answers of a model that thinks.

use serde_json::{Value, json};

use crate::clients::schema;
use crate::providers::{Own, halves, thought};

pub fn first() -> Value {
    json!({"model": "m", "think": true, "messages": [{"role": "user", "content": "q"}],
        "tools": [{"type": "function", "function": {"name": "look", "parameters": schema()}}]})
}

pub fn take(body: &mut Value, message: Value) {
    let id = message["tool_calls"][0]["id"].clone();
    let result = json!({"role": "tool", "tool_name": "look", "tool_call_id": id, "content": "a cat"});
    body["messages"].as_array_mut().unwrap().extend([message, result]);
}

/// The message of a stream, as applications put it together.
pub fn joined(lines: &[Value]) -> Value {
    let mut message = json!({"role": "assistant", "content": "", "thinking": "", "tool_calls": []});
    for line in lines {
        for key in ["content", "thinking"] {
            let more = line["message"][key].as_str().unwrap_or_default();
            message[key] = json!(message[key].as_str().unwrap().to_owned() + more);
        }
        let calls = line["message"]["tool_calls"].as_array().cloned().unwrap_or_default();
        message["tool_calls"].as_array_mut().unwrap().extend(calls);
    }
    message
}

fn call(n: usize) -> Value {
    json!({"id": format!("call_{n}q"), "function": {"name": "look", "arguments": {"at": 1}}})
}

fn line(message: Value) -> Value {
    json!({"model": "qwen3", "created_at": "2026-01-01T00:00:00Z", "message": message, "done": false})
}

fn done(mut line: Value) -> Value {
    line["done"] = json!(true);
    line["done_reason"] = json!("stop");
    line
}

pub fn answer(n: usize) -> Value {
    done(line(json!({"role": "assistant", "content": "", "thinking": thought("ollama", n), "tool_calls": [call(n)]})))
}

pub fn lines(n: usize) -> Vec<Value> {
    let pieces = halves(&thought("ollama", n)).into_iter();
    let mut lines: Vec<Value> =
        pieces.map(|piece| line(json!({"role": "assistant", "content": "", "thinking": piece}))).collect();
    lines.push(line(json!({"role": "assistant", "content": "", "tool_calls": [call(n)]})));
    lines.push(done(line(json!({"role": "assistant", "content": ""}))));
    lines
}

pub fn own(n: usize) -> Own {
    Own {
        objects: vec![
            json!({"role": "assistant", "thinking": thought("ollama", n)}),
            json!({"id": format!("call_{n}q")}),
        ],
        secrets: vec![thought("ollama", n)],
    }
}
