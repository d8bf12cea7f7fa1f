//! Answers that are not streamed: `chat.completion`.

use serde_json::{Value, json};

use super::{answer, citations, finish, thoughts, usage};
use crate::chat::origin::Origin;
use crate::chat::pending::PendingThoughts;
use crate::chat::{ChatResponse, Finish, JsonObject, Part, ToolCall, object};
use crate::{Answer, Dialect, Malformed};

/// Decodes an upstream's answer, of which the first choice counts.
///
/// # Errors
/// [`Malformed`] if there is no choice, if a choice has neither a message nor a reason for that, and if the body
/// contains an error with a status of success.
pub fn decode(body: &Value) -> Result<ChatResponse, Malformed> {
    let Some(body) = body.as_object() else { return Err(malformed("the body is not an object")) };
    if let Some(error) = answer::error_of(body) {
        return Err(malformed(&format!("an error instead of an answer: {}", error.message)));
    }
    let choices = body.get("choices").and_then(Value::as_array);
    let Some(choice) = choices.and_then(|choices| choices.first()).and_then(Value::as_object) else {
        return Err(malformed("no choices"));
    };
    if let Some(error) = answer::error_of(choice) {
        return Err(malformed(&format!("an error instead of an answer: {}", error.message)));
    }
    let reason = choice.get("finish_reason").and_then(Value::as_str);
    let mut parts = Vec::new();
    let mut cited = citations::of_body(body);
    match choice.get("message").and_then(Value::as_object) {
        Some(message) => {
            cited.extend(citations::of_message(message));
            parts = answer::parts(message);
            parts.extend(tool_calls(message)?.into_iter().map(Part::ToolCall));
        }
        // Azure withholds the message of a filtered choice.
        None if finish::read(reason, false) == Finish::Filtered => {}
        None => return Err(malformed("a choice without a message")),
    }
    let has_tool_calls = parts.iter().any(|part| matches!(part, Part::ToolCall(_)));
    Ok(ChatResponse {
        id: text(body, "id"),
        model: text(body, "model"),
        finish: Some(finish::read(reason, has_tool_calls)),
        stop_sequence: None,
        usage: usage::of(body, body.get("usage")),
        citations: cited,
        parts,
    })
}

fn malformed(problem: &str) -> Malformed {
    Malformed { dialect: Dialect::OpenAi, problem: problem.to_owned() }
}

fn text(object: &JsonObject, key: &str) -> Option<String> {
    object.get(key).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned)
}

fn tool_calls(message: &JsonObject) -> Result<Vec<ToolCall>, Malformed> {
    let tool_calls = message.get("tool_calls").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let mut calls = Vec::new();
    for (at, call) in tool_calls.iter().enumerate() {
        let function = call.get("function");
        let Some(name) = function.and_then(|function| function.get("name")).and_then(Value::as_str) else {
            return Err(malformed(&format!("tool_calls[{at}] has no function name")));
        };
        let id = call.get("id").and_then(Value::as_str).filter(|id| !id.is_empty());
        calls.push(ToolCall {
            id: id.map_or_else(|| format!("call_{at}"), str::to_owned),
            name: name.to_owned(),
            arguments: answer::arguments(function)
                .filter(|text| !text.trim().is_empty())
                .unwrap_or_else(|| "{}".into()),
            signature: call.get("extra_content").and_then(super::tools::signature_of),
        });
    }
    Ok(calls)
}

/// Encodes an answer in OpenAI's own schema, with two additions that clients know from other vendors: thinking as
/// `reasoning_content`, images as `images`. Unknown usage is omitted; a zero would be taken as true.
#[must_use]
pub fn encode(response: &ChatResponse, answer: &Answer) -> Value {
    let (mut content, mut reasoning, mut refusal) = (String::new(), String::new(), String::new());
    let (mut images, mut calls) = (Vec::new(), Vec::new());
    let mut own = Vec::new();
    let mut pending = PendingThoughts::new(answer.origin.clone());
    for part in &response.parts {
        match part {
            Part::Text(text) => content.push_str(text),
            Part::Thinking(thought) => {
                reasoning.push_str(thought.text.as_deref().unwrap_or_default());
                pending.thought(thought);
                own.push(thought);
            }
            Part::Refusal(text) => refusal.push_str(text),
            Part::Media(media) => images.push(answer::encode_image(media)),
            Part::ToolCall(call) => {
                let carried = pending.take(call.signature.clone());
                calls.push(Value::Object(answer::encode_call(
                    &call.id,
                    &call.name,
                    &call.arguments,
                    &carried,
                    &answer.origin,
                )));
            }
            // Only callers send results.
            Part::ToolResult(_) => {}
        }
    }
    let has_tool_calls = !calls.is_empty();
    let silent = content.is_empty() && (has_tool_calls || !refusal.is_empty());
    let mut message = JsonObject::new();
    message.insert("role".into(), json!("assistant"));
    message.insert("content".into(), if silent { Value::Null } else { json!(content) });
    message.insert("refusal".into(), if refusal.is_empty() { Value::Null } else { json!(refusal) });
    if answer.origin == Origin::OWN {
        thoughts::write(&own, &mut message);
    } else if !reasoning.is_empty() {
        message.insert("reasoning_content".into(), json!(reasoning));
    }
    if has_tool_calls {
        message.insert("tool_calls".into(), Value::Array(calls));
    }
    if let Some(annotations) = citations::annotations(&response.citations) {
        message.insert("annotations".into(), annotations);
    }
    if !images.is_empty() {
        message.insert("images".into(), Value::Array(images));
    }
    let mut encoded = JsonObject::new();
    encoded.insert("id".into(), json!(response.id.as_deref().unwrap_or(&answer.id)));
    encoded.insert("object".into(), json!("chat.completion"));
    encoded.insert("created".into(), json!(answer.created));
    encoded.insert("model".into(), json!(response.model.as_deref().unwrap_or(&answer.model)));
    let finish = finish::word(response.finish.unwrap_or(Finish::Stop), has_tool_calls);
    encoded.insert(
        "choices".into(),
        Value::Array(vec![object([
            ("index", json!(0)),
            ("message", Value::Object(message)),
            ("logprobs", Value::Null),
            ("finish_reason", json!(finish)),
        ])]),
    );
    if let Some(usage) = usage::encode(&response.usage) {
        encoded.insert("usage".into(), usage);
    }
    Value::Object(encoded)
}
