//! A complete answer of `POST /v2/chat`.

use serde_json::{Value, json};

use super::{citations, finish, malformed, usage};
use crate::chat::citation::{Citation, CitedTexts, Passages};
use crate::chat::origin::Origin;
use crate::chat::pending::PendingThoughts;
use crate::chat::signature::{Carried, pack_all, unpack};
use crate::chat::{ChatResponse, Finish, JsonObject, Part, Thought, ToolCall, object};
use crate::{Answer, Malformed};

/// Decodes an answer.
///
/// # Errors
/// [`Malformed`] if it is an error, has no message, or contains a call without a name.
pub fn decode(body: &Value) -> Result<ChatResponse, Malformed> {
    let message = match body.get("message") {
        Some(Value::Object(message)) => message,
        Some(Value::String(error)) => return Err(malformed(format!("an error instead of an answer: {error}"))),
        _ => return Err(malformed("no message")),
    };
    let text = |key: &str| body.get(key).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned);
    let reason = body.get("finish_reason").and_then(Value::as_str);
    let parts = parts(message)?;
    if let Some(reason) = reason.filter(|reason| finish::is_failure(reason)) {
        return Err(malformed(format!("the model failed: {reason}")));
    }
    let has_tool_calls = parts.iter().any(|part| matches!(part, Part::ToolCall(_)));
    Ok(ChatResponse {
        id: text("id"),
        model: text("model"),
        finish: Some(finish::read(reason, has_tool_calls)),
        stop_sequence: None,
        usage: body.get("usage").map(usage::read).unwrap_or_default(),
        citations: cited(message),
        parts,
    })
}

fn filled(value: Option<&Value>) -> Option<&str> {
    value.and_then(Value::as_str).filter(|text| !text.is_empty())
}

/// The plan, which is text, and then content and calls.
fn parts(message: &JsonObject) -> Result<Vec<Part>, Malformed> {
    let mut parts = Vec::new();
    match message.get("content") {
        Some(Value::String(text)) if !text.is_empty() => parts.push(Part::Text(text.clone())),
        Some(Value::Array(content)) => {
            for part in content {
                if let Some(text) = filled(part.get("thinking")) {
                    parts.push(Part::Thinking(Thought { text: Some(text.to_owned()), ..Thought::default() }));
                } else if let Some(text) = filled(part.get("text")) {
                    parts.push(Part::Text(text.to_owned()));
                }
            }
        }
        _ => {}
    }
    if let Some(plan) = filled(message.get("tool_plan")) {
        parts.push(Part::Text(plan.to_owned()));
    }
    for (at, call) in message.get("tool_calls").and_then(Value::as_array).into_iter().flatten().enumerate() {
        let name = filled(call.pointer("/function/name"));
        let name = name.ok_or_else(|| malformed(format!("tool_calls[{at}] has no function name")))?;
        let (id, signature) = match filled(call.get("id")) {
            Some(id) => unpack(id),
            None => (format!("call_{at}"), None),
        };
        let arguments = filled(call.pointer("/function/arguments")).filter(|text| !text.trim().is_empty());
        parts.push(Part::ToolCall(ToolCall {
            id,
            name: name.to_owned(),
            arguments: arguments.unwrap_or("{}").to_owned(),
            signature,
        }));
    }
    Ok(parts)
}

/// The citations, whose passages count from the beginning of their part of the content.
fn cited(message: &JsonObject) -> Vec<Citation> {
    let list = |key: &str| message.get(key).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let (mut begins, mut begin) = (Vec::new(), 0);
    for part in list("content") {
        begins.push(begin);
        begin += filled(part.get("text")).unwrap_or_default().chars().count();
    }
    let begin_of = |index: u64| begins.get(usize::try_from(index).ok()?).copied();
    list("citations").iter().flat_map(|cited| citations::decode(cited, begin_of)).collect()
}

/// Encodes an answer in the schema of Cohere's SDKs. Pictures are omitted.
#[must_use]
pub fn encode(response: &ChatResponse, answer: &Answer) -> Value {
    let (mut content, mut calls) = (Vec::new(), Vec::new());
    let mut pending = PendingThoughts::new(answer.origin.clone());
    let (mut cited, mut encoded_citations) = (CitedTexts::of(response), Vec::new());
    for part in &response.parts {
        if let Part::Text(text) = part {
            let (begin, citations) = cited.next(text);
            let passages = (!citations.is_empty()).then(|| Passages::of(text));
            encoded_citations.extend(citations.into_iter().map(|citation| {
                let own = |at: usize| at.saturating_sub(begin);
                let passage = citation.passage.as_ref().map(|passage| own(passage.start)..own(passage.end));
                let quoted = passage.and_then(|passage| passages.as_ref()?.find(&passage).1);
                citations::encode(citation, content.len(), begin, quoted)
            }));
        }
        match part {
            Part::Text(text) | Part::Refusal(text) => content.push(json!({"type": "text", "text": text})),
            Part::Thinking(thought) => {
                pending.thought(thought);
                content.extend(thought.text.as_ref().map(|text| json!({"type": "thinking", "thinking": text})));
            }
            Part::ToolCall(call) => {
                let carried = pending.take(call.signature.clone());
                calls.push(encode_call(&call.id, &call.name, &call.arguments, &carried, &answer.origin));
            }
            Part::Media(_) | Part::ToolResult(_) => {}
        }
    }
    let has_tool_calls = !calls.is_empty();
    let mut message = JsonObject::new();
    message.insert("role".into(), json!("assistant"));
    if !content.is_empty() || !has_tool_calls {
        message.insert("content".into(), Value::Array(content));
    }
    if has_tool_calls {
        message.insert("tool_calls".into(), Value::Array(calls));
    }
    if !encoded_citations.is_empty() {
        message.insert("citations".into(), Value::Array(encoded_citations));
    }
    let reason = finish::word(response.finish.unwrap_or(Finish::Stop), has_tool_calls);
    let mut encoded = JsonObject::new();
    encoded.insert("id".into(), json!(response.id.as_deref().unwrap_or(&answer.id)));
    encoded.insert("message".into(), Value::Object(message));
    encoded.insert("finish_reason".into(), json!(reason));
    if let Some(usage) = usage::encode(&response.usage) {
        encoded.insert("usage".into(), usage);
    }
    Value::Object(encoded)
}

/// A call. Its id carries its signature and signed thoughts, because Cohere's schema has no fields for them.
pub(super) fn encode_call(id: &str, name: &str, arguments: &str, carried: &Carried, origin: &Origin) -> Value {
    let packed = match *origin == Origin::OWN {
        true => id.to_owned(),
        false => pack_all(id, id, carried),
    };
    object([
        ("id", json!(packed)),
        ("type", json!("function")),
        ("function", json!({"name": name, "arguments": arguments})),
    ])
}
