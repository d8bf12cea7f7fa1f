//! A complete answer, and what it has in common with the lines of a streamed one.

use serde_json::{Value, json};

use super::{finish, malformed, usage};
use crate::chat::origin::Origin;
use crate::chat::pending::PendingThoughts;
use crate::chat::signature::{Carried, pack_all, unpack};
use crate::chat::{ChatResponse, Finish, JsonObject, Part, Thought, ToolCall};
use crate::format::anthropic::listing::rfc3339;
use crate::usage::Usage;
use crate::{Answer, Malformed};

/// Decodes an answer of `POST /api/chat`.
///
/// # Errors
/// [`Malformed`] if it is an error, has no message, or contains a call without a name.
pub fn decode(body: &Value) -> Result<ChatResponse, Malformed> {
    if let Some(error) = filled(body.get("error")) {
        return Err(malformed(format!("an error instead of an answer: {error}")));
    }
    let Some(message) = body.get("message").and_then(Value::as_object) else { return Err(malformed("no message")) };
    let mut parts = Vec::new();
    if let Some(text) = filled(message.get("thinking")) {
        parts.push(Part::Thinking(Thought { text: Some(text.to_owned()), ..Thought::default() }));
    }
    if let Some(text) = filled(message.get("content")) {
        parts.push(Part::Text(text.to_owned()));
    }
    let calls = calls(message, 0)?;
    let has_tool_calls = !calls.is_empty();
    parts.extend(calls.into_iter().map(Part::ToolCall));
    Ok(ChatResponse {
        id: None,
        model: filled(body.get("model")).map(str::to_owned),
        finish: Some(finish::read(body.get("done_reason").and_then(Value::as_str), has_tool_calls)),
        stop_sequence: None,
        usage: usage::read(body),
        citations: Vec::new(),
        parts,
    })
}

/// The calls of a message. `before` is the number of calls before them: a call without an id gets one from its position.
pub(super) fn calls(message: &JsonObject, before: usize) -> Result<Vec<ToolCall>, Malformed> {
    let calls = message.get("tool_calls").and_then(Value::as_array);
    let call = |(at, call): (usize, &Value)| {
        let name = filled(call.pointer("/function/name")).ok_or_else(|| malformed("a tool call has no name"))?;
        let arguments = match call.pointer("/function/arguments") {
            Some(Value::Object(arguments)) => json!(arguments).to_string(),
            Some(Value::String(text)) if !text.trim().is_empty() => text.clone(),
            _ => "{}".to_owned(),
        };
        let (id, signature) = match filled(call.get("id")) {
            Some(id) => unpack(id),
            None => (format!("call_{}", before + at), None),
        };
        Ok(ToolCall { id, name: name.to_owned(), arguments, signature })
    };
    calls.into_iter().flatten().enumerate().map(call).collect()
}

pub(super) fn filled(value: Option<&Value>) -> Option<&str> {
    value.and_then(Value::as_str).filter(|text| !text.is_empty())
}

/// The operation whose answer is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AnswerOf {
    /// `POST /api/chat`: the text is in `message`.
    Chat,
    /// `POST /api/generate`: the text is `response`.
    Generate,
}

/// What the model says, in an answer or a line.
#[derive(Debug, Default)]
pub(super) struct Said {
    pub text: String,
    pub thinking: String,
    pub calls: Vec<Value>,
}

/// Encodes an answer in the schema of Ollama's SDKs. Pictures and citations are omitted.
#[must_use]
pub fn encode(response: &ChatResponse, answer: &Answer) -> Value {
    encode_as(AnswerOf::Chat, response, answer)
}

pub(super) fn encode_as(operation: AnswerOf, response: &ChatResponse, answer: &Answer) -> Value {
    let mut said = Said::default();
    let mut pending = PendingThoughts::new(answer.origin.clone());
    for part in &response.parts {
        match part {
            Part::Text(text) | Part::Refusal(text) => said.text.push_str(text),
            Part::Thinking(thought) => {
                pending.thought(thought);
                said.thinking.push_str(thought.text.as_deref().unwrap_or_default());
            }
            Part::ToolCall(call) => {
                let carried = pending.take(call.signature.clone());
                said.calls.push(encode_call(said.calls.len(), call, &carried, &answer.origin));
            }
            Part::Media(_) | Part::ToolResult(_) => {}
        }
    }
    let model = response.model.as_deref().unwrap_or(&answer.model);
    let mut encoded = line(operation, model, answer, said, true);
    end(&mut encoded, response.finish.unwrap_or(Finish::Stop), &response.usage, answer);
    Value::Object(encoded)
}

/// An answer, or a line of a streamed one.
pub(super) fn line(operation: AnswerOf, model: &str, answer: &Answer, said: Said, done: bool) -> JsonObject {
    let mut message = JsonObject::new();
    let text_key = match operation {
        AnswerOf::Chat => "content",
        AnswerOf::Generate => "response",
    };
    message.insert(text_key.into(), Value::String(said.text));
    if !said.thinking.is_empty() {
        message.insert("thinking".into(), Value::String(said.thinking));
    }
    if !said.calls.is_empty() {
        message.insert("tool_calls".into(), Value::Array(said.calls));
    }
    let mut line = JsonObject::new();
    line.insert("model".into(), json!(model));
    line.insert("created_at".into(), json!(rfc3339(answer.created)));
    match operation {
        AnswerOf::Chat => {
            message.insert("role".into(), json!("assistant"));
            line.insert("message".into(), Value::Object(message));
        }
        AnswerOf::Generate => line.extend(message),
    }
    line.insert("done".into(), json!(done));
    line
}

/// Adds what only a whole answer and the last line have.
pub(super) fn end(line: &mut JsonObject, reason: Finish, used: &Usage, answer: &Answer) {
    line.insert("done_reason".into(), json!(finish::word(reason)));
    // Nanoseconds.
    line.insert("total_duration".into(), json!(answer.latency_ms.saturating_mul(1_000_000)));
    usage::encode(used, line);
}

/// A call at this position. Its id carries its signature and signed thoughts, because Ollama's schema has no fields for
/// them. Arguments that are no object are kept as `{"arguments": "…"}`.
pub(super) fn encode_call(position: usize, call: &ToolCall, carried: &Carried, origin: &Origin) -> Value {
    let arguments = match serde_json::from_str(&call.arguments) {
        Ok(Value::Object(arguments)) => Value::Object(arguments),
        _ if call.arguments.trim().is_empty() => json!({}),
        _ => json!({"arguments": call.arguments}),
    };
    let id = match *origin == Origin::OWN {
        true => call.id.clone(),
        false => pack_all(&call.id, &call.id, carried),
    };
    json!({"id": id, "function": {"index": position, "name": call.name, "arguments": arguments}})
}
