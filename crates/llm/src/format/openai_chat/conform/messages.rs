//! The messages of a request: their roles and order, their fields and content, and the ids of tool calls.

use serde_json::{Value, json};

use super::super::content::unsupported;
use super::super::model::takes_signatures;
use super::super::tool_id;
use super::{BodyChanges, is_hint};
use crate::RequestError;
use crate::chat::JsonObject;
use crate::provider::{ChatQuirks, Target};

/// What the assistant says between a tool's result and the user, where a server wants a turn of it there.
const BETWEEN: &str = "OK.";
/// Between two texts that become one.
const GAP: &str = "\n\n";

/// Whether something changed.
pub(super) fn conform(
    messages: &mut Vec<Value>,
    target: &Target<'_>,
    changes: &mut BodyChanges,
) -> Result<bool, RequestError> {
    let quirks = target.quirks().chat;
    let mut changed = false;
    for message in messages.iter_mut().filter_map(Value::as_object_mut) {
        if !quirks.developer && role(message) == "developer" {
            message.insert("role".to_owned(), json!("system"));
            changed = true;
        }
        changed |= calls(message, target, changes);
        changed |= content(message, quirks, changes)?;
        changed |= fields(message, quirks, changes)?;
    }
    if quirks.system_first {
        changed |= system_first(messages);
    }
    if quirks.alternates {
        changed |= alternate(messages);
    }
    if !quirks.user_after_tool {
        changed |= speak_between(messages);
    }
    Ok(changed)
}

fn role(message: &JsonObject) -> &str {
    message.get("role").and_then(Value::as_str).unwrap_or_default()
}

fn role_of(message: &Value) -> &str {
    message.as_object().map(role).unwrap_or_default()
}

/// Ids of calls, and what other servers write into calls and not all of them accept.
fn calls(message: &mut JsonObject, target: &Target<'_>, changes: &mut BodyChanges) -> bool {
    let mut changed = fit_id(message, "tool_call_id", target);
    for call in message.get_mut("tool_calls").and_then(Value::as_array_mut).into_iter().flatten() {
        let Some(call) = call.as_object_mut() else { continue };
        changed |= fit_id(call, "id", target);
        changed |= call.shift_remove("index").is_some();
        if !takes_signatures(target.model) && call.shift_remove("extra_content").is_some() {
            changes.leave_out("messages[].tool_calls[].extra_content");
            changed = true;
        }
        if call.contains_key("function") {
            // Mistral's own answers have no type.
            if call.get("type").is_none_or(Value::is_null) {
                call.insert("type".to_owned(), json!("function"));
                changed = true;
            }
            // OpenRouter's may have an object.
            if let Some(arguments) = call.get_mut("function").and_then(|function| function.get_mut("arguments"))
                && arguments.is_object()
            {
                *arguments = Value::String(arguments.to_string());
                changed = true;
            }
            if let Some(function) = call.get_mut("function").and_then(Value::as_object_mut) {
                changed |= function.shift_remove("parsed_arguments").is_some();
            }
        }
    }
    changed
}

fn fit_id(object: &mut JsonObject, key: &str, target: &Target<'_>) -> bool {
    let Some(Value::String(id)) = object.get_mut(key) else { return false };
    match tool_id::fit(id, target) {
        std::borrow::Cow::Borrowed(_) => false,
        std::borrow::Cow::Owned(fitted) => {
            *id = fitted;
            true
        }
    }
}

/// The content: parts that only some servers know, and parts where one string is wanted.
fn content(message: &mut JsonObject, quirks: &ChatQuirks, changes: &mut BodyChanges) -> Result<bool, RequestError> {
    let one_string = quirks.one_string.contains(&role(message));
    let strict = !quirks.messages.is_empty();
    let Some(content) = message.get_mut("content") else { return Ok(false) };
    let Some(parts) = content.as_array_mut() else { return Ok(false) };
    let before = parts.len();
    let mut changed = false;
    if !quirks.thinking_parts {
        parts.retain(|part| part.get("type").and_then(Value::as_str) != Some("thinking"));
    }
    if parts.len() < before {
        changes.leave_out("messages[].content[].thinking");
        changed = true;
    }
    for part in parts.iter_mut().filter_map(Value::as_object_mut).filter(|_| strict) {
        for key in ["cache_control", "prompt_cache_breakpoint"] {
            if part.shift_remove(key).is_some() {
                changes.leave_out(&format!("messages[].content[].{key}"));
                changed = true;
            }
        }
    }
    if one_string {
        let texts: Option<Vec<&str>> = parts.iter().map(|part| part.get("text").and_then(Value::as_str)).collect();
        let text = texts.ok_or_else(|| unsupported("messages[].content[]"))?.join("\n");
        *content = Value::String(text);
        changed = true;
    } else if parts.is_empty() && changed {
        *content = json!("");
    }
    Ok(changed)
}

/// The other fields of a message.
fn fields(message: &mut JsonObject, quirks: &ChatQuirks, changes: &mut BodyChanges) -> Result<bool, RequestError> {
    let Some((_, known)) = quirks.messages.iter().find(|(of, _)| *of == role(message)) else { return Ok(false) };
    let refused: Vec<String> = message.keys().filter(|key| !known.contains(&key.as_str())).cloned().collect();
    for key in &refused {
        let Some(value) = message.shift_remove(key) else { continue };
        let path = format!("messages[].{key}");
        match value {
            Value::Null => {}
            Value::Array(list) if list.is_empty() => {}
            // In place of an answer.
            Value::String(text) if key == "refusal" => {
                if message.get("content").is_none_or(Value::is_null) {
                    message.insert("content".to_owned(), Value::String(text));
                }
            }
            // Both spellings of thoughts are in use.
            Value::String(text) if key == "reasoning_content" && known.contains(&"reasoning") => {
                message.entry("reasoning").or_insert(Value::String(text));
            }
            _ if is_hint(&path) => changes.leave_out(&path),
            _ => return Err(unsupported(&path)),
        }
    }
    Ok(!refused.is_empty())
}

/// All system messages become one, before the others.
fn system_first(messages: &mut Vec<Value>) -> bool {
    let is_system = |message: &Value| role_of(message) == "system";
    let count = messages.iter().filter(|message| is_system(message)).count();
    if count == 0 || count == 1 && messages.first().is_some_and(is_system) {
        return false;
    }
    let (system, others): (Vec<Value>, Vec<Value>) = std::mem::take(messages).into_iter().partition(is_system);
    messages.extend(system.into_iter().reduce(joined));
    messages.extend(others);
    true
}

/// Consecutive messages of the user, or of the assistant, become one.
fn alternate(messages: &mut Vec<Value>) -> bool {
    let before = messages.len();
    let mut turns: Vec<Value> = Vec::with_capacity(before);
    for message in std::mem::take(messages) {
        match turns.last_mut() {
            Some(last) if role_of(last) == role_of(&message) && matches!(role_of(&message), "user" | "assistant") => {
                *last = joined(std::mem::take(last), message);
            }
            _ => turns.push(message),
        }
    }
    *messages = turns;
    messages.len() < before
}

/// One message of the content of two.
fn joined(first: Value, second: Value) -> Value {
    let (mut into, mut from) = match (first, second) {
        (Value::Object(into), Value::Object(from)) => (into, from),
        (first, _) => return first,
    };
    let added = from.shift_remove("content").unwrap_or_default();
    let content = match (into.shift_remove("content").unwrap_or_default(), added) {
        (content, Value::Null) | (Value::Null, content) => content,
        (Value::String(text), Value::String(more)) => Value::String(text + GAP + &more),
        (content, added) => Value::Array([content, added].into_iter().flat_map(parts).collect()),
    };
    into.insert("content".to_owned(), content);
    for (key, value) in from {
        match (into.get_mut(&key), value) {
            (Some(Value::Array(list)), Value::Array(more)) => list.extend(more),
            (Some(_), _) => {}
            (None, value) => {
                into.insert(key, value);
            }
        }
    }
    Value::Object(into)
}

/// A content as parts.
fn parts(content: Value) -> Vec<Value> {
    match content {
        Value::Array(parts) => parts,
        text => vec![json!({"type": "text", "text": text})],
    }
}

/// A turn of the assistant between a tool's result and a user's message.
fn speak_between(messages: &mut Vec<Value>) -> bool {
    let before = messages.len();
    let mut turns: Vec<Value> = Vec::with_capacity(before);
    for message in std::mem::take(messages) {
        if role_of(&message) == "user" && turns.last().is_some_and(|last| role_of(last) == "tool") {
            turns.push(json!({"role": "assistant", "content": BETWEEN}));
        }
        turns.push(message);
    }
    *messages = turns;
    messages.len() > before
}
