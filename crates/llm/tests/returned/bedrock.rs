//! Converse of Amazon Bedrock: its client, and the answers of Claude and Nova there.
//!
//! The data of an event is here an object with one member, named by the event, as boto3 shows it.

use serde_json::{Value, json};

use crate::clients::schema;
use crate::providers::{Own, halves, signature, thought};

pub fn first() -> Value {
    json!({"messages": [{"role": "user", "content": [{"text": "q"}]}],
        "inferenceConfig": {"maxTokens": 4000},
        "additionalModelRequestFields": {"thinking": {"type": "enabled", "budget_tokens": 2000}},
        "toolConfig": {"tools": [{"toolSpec": {"name": "look", "inputSchema": {"json": schema()}}}]}})
}

pub fn take(body: &mut Value, message: Value) {
    let blocks = message["content"].as_array().unwrap();
    let id = blocks.iter().find_map(|block| block.get("toolUse")).unwrap()["toolUseId"].clone();
    let result = json!({"toolResult": {"toolUseId": id, "content": [{"text": "a cat"}]}});
    let messages = body["messages"].as_array_mut().unwrap();
    messages.extend([message, json!({"role": "user", "content": [result]})]);
}

/// The message of a stream, as applications of boto3 put it together.
pub fn joined(events: &[Value]) -> Value {
    let mut blocks: Vec<Value> = Vec::new();
    let mut input = String::new();
    for event in events {
        if let Some(start) = event.pointer("/contentBlockStart") {
            assert_eq!(start["contentBlockIndex"], blocks.len());
            blocks.push(start["start"].clone());
        } else if let Some(data) = event.pointer("/contentBlockDelta") {
            if data["contentBlockIndex"] == blocks.len() {
                blocks.push(json!({}));
            }
            let block = blocks.last_mut().unwrap();
            let mut add = |place: &str, text: &Value| {
                let so_far = block.pointer(place).and_then(Value::as_str).unwrap_or_default().to_owned();
                let keys: Vec<&str> = place.split('/').skip(1).collect();
                let at = keys.iter().fold(&mut *block, |at, key| &mut at[*key]);
                *at = json!(so_far + text.as_str().unwrap());
            };
            let delta = &data["delta"];
            for (from, to) in [
                ("/text", "/text"),
                ("/reasoningContent/text", "/reasoningContent/reasoningText/text"),
                ("/reasoningContent/signature", "/reasoningContent/reasoningText/signature"),
                ("/reasoningContent/redactedContent", "/reasoningContent/redactedContent"),
            ] {
                if let Some(text) = delta.pointer(from) {
                    add(to, text);
                }
            }
            input += delta.pointer("/toolUse/input").and_then(Value::as_str).unwrap_or_default();
        } else if event.get("contentBlockStop").is_some() && !input.is_empty() {
            blocks.last_mut().unwrap()["toolUse"]["input"] = serde_json::from_str(&std::mem::take(&mut input)).unwrap();
        }
    }
    json!({"role": "assistant", "content": blocks})
}

fn answer(blocks: &[Value]) -> Value {
    json!({"output": {"message": {"role": "assistant", "content": blocks}}, "stopReason": "tool_use",
        "usage": {"inputTokens": 1, "outputTokens": 1, "totalTokens": 2}})
}

fn call(n: usize) -> Value {
    json!({"toolUse": {"toolUseId": format!("tooluse_{n}"), "name": "look", "input": {"at": 1}}})
}

fn events(thoughts: Vec<Vec<Value>>, n: usize) -> Vec<Value> {
    let delta = |at: usize, delta: Value| json!({"contentBlockDelta": {"contentBlockIndex": at, "delta": delta}});
    let stop = |at: usize| json!({"contentBlockStop": {"contentBlockIndex": at}});
    let mut events = vec![json!({"messageStart": {"role": "assistant"}})];
    let last = thoughts.len();
    for (at, deltas) in thoughts.into_iter().enumerate() {
        events.extend(deltas.into_iter().map(|thought| delta(at, json!({"reasoningContent": thought}))));
        events.push(stop(at));
    }
    let mut start = call(n);
    start["toolUse"].as_object_mut().unwrap().shift_remove("input");
    events.extend([
        json!({"contentBlockStart": {"contentBlockIndex": last, "start": start}}),
        delta(last, json!({"toolUse": {"input": "{\"at\":"}})),
        delta(last, json!({"toolUse": {"input": "1}"}})),
        stop(last),
        json!({"messageStop": {"stopReason": "tool_use"}}),
        json!({"metadata": {"usage": {"inputTokens": 1, "outputTokens": 1, "totalTokens": 2}}}),
    ]);
    events
}

fn claude_thoughts(n: usize) -> [Value; 2] {
    [
        json!({"reasoningText": {"text": thought("claude", n), "signature": signature("claude", n)}}),
        json!({"redactedContent": signature("redacted", n)}),
    ]
}

pub fn claude(n: usize) -> Value {
    let [said, redacted] = claude_thoughts(n).map(|thought| json!({"reasoningContent": thought}));
    answer(&[said, redacted, call(n)])
}

pub fn claude_events(n: usize) -> Vec<Value> {
    let mut said: Vec<Value> = halves(&thought("claude", n)).iter().map(|piece| json!({"text": piece})).collect();
    said.push(json!({"signature": signature("claude", n)}));
    events(vec![said, vec![json!({"redactedContent": signature("redacted", n)})]], n)
}

pub fn claude_own(n: usize) -> Own {
    let mut objects = claude_thoughts(n).to_vec();
    objects.push(json!({"toolUseId": format!("tooluse_{n}"), "name": "look"}));
    Own { objects, secrets: vec![thought("claude", n), signature("claude", n), signature("redacted", n)] }
}

pub fn nova(n: usize) -> Value {
    answer(&[json!({"reasoningContent": {"reasoningText": {"text": thought("nova", n)}}}), call(n)])
}

pub fn nova_events(n: usize) -> Vec<Value> {
    events(vec![halves(&thought("nova", n)).iter().map(|piece| json!({"text": piece})).collect()], n)
}

/// Its thoughts are not signed, and several models behind Converse refuse such ones: they need not come back.
pub fn nova_own(n: usize) -> Own {
    Own {
        objects: vec![json!({"toolUseId": format!("tooluse_{n}"), "name": "look"})],
        secrets: vec![thought("nova", n)],
    }
}
