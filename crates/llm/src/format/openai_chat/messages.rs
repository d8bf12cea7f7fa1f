//! The messages of a request. OpenAI has a message for each tool's result; in the conversation type, as at Anthropic
//! and Gemini, the results of one round are in one user's turn, before its other content.

use std::borrow::Cow;
use std::collections::HashMap;

use serde_json::{Value, json};

use super::content::{self, unsupported};
use super::model::takes_signatures;
use super::shape::{self, NotedFields};
use super::{thoughts, tool_id, tools};
use crate::RequestError;
use crate::chat::cache::PrefixEnd;
use crate::chat::signature::unpack;
use crate::chat::{ChatRequest, JsonObject, Message, Part, Role, Thought, ToolCall, ToolResult, object};
use crate::provider::Target;

/// Decodes `messages` to prompts and turns.
pub(super) fn decode(value: &Value, request: &mut ChatRequest, noted: &mut NotedFields) -> Result<(), RequestError> {
    let messages = shape::array(value, "", "messages")?;
    if messages.is_empty() {
        return Err(shape::invalid("", "messages", "must not be empty"));
    }
    // Gemini requires the tool's name in a result.
    let mut names = HashMap::new();
    for (at, message) in messages.iter().enumerate() {
        let path = format!("messages[{at}]");
        let message = shape::element(message, &path)?;
        match shape::required_text(message, &path, "role")? {
            "system" | "developer" => {
                let before = request.system.len();
                request.system.extend(system(message, &path, noted)?);
                noted.marks.put(&mut request.cache, |prompt| PrefixEnd::System(before + prompt));
            }
            "user" => {
                let mut parts = Vec::new();
                content::decode(shape::required(message, &path, "content")?, &path, noted, &mut parts)?;
                note_others(message, &path, &["content"], noted);
                mark_last(message, parts.len(), noted);
                let added = parts.len();
                user_turn(&mut request.messages, parts, false);
                let turn = request.messages.last().map_or(0, |turn| turn.parts.len());
                let (message, before) = (request.messages.len().saturating_sub(1), turn.saturating_sub(added));
                noted.marks.put(&mut request.cache, |part| PrefixEnd::Part { message, part: before + part });
            }
            "assistant" => {
                let parts = assistant(message, &path, noted)?;
                // Its parts are not those that were read.
                noted.marks.take();
                for part in &parts {
                    if let Part::ToolCall(call) = part {
                        names.insert(call.id.clone(), call.name.clone());
                    }
                }
                // Some clients send an empty turn before one with content; some providers refuse empty turns.
                if !parts.is_empty() {
                    request.messages.push(Message { role: Role::Assistant, parts });
                }
            }
            "tool" => {
                let result = tool_result(message, &path, &names, noted)?;
                let marked = noted.marks.take().pop();
                user_turn(&mut request.messages, vec![Part::ToolResult(result)], true);
                // The result as a whole.
                if let (Some((_, life)), Some(turn)) = (marked, request.messages.last()) {
                    let (message, part) = (request.messages.len() - 1, turn.parts.len() - 1);
                    request.cache.add(PrefixEnd::Part { message, part }, life);
                }
            }
            // Deprecated together with `functions`, which has no ids to match calls and results.
            "function" => noted.note(&path, "role"),
            _ => {
                let known = "must be one of system, developer, user, assistant and tool";
                return Err(shape::invalid(&path, "role", known));
            }
        }
    }
    Ok(())
}

/// Adds content to the user's turns. Results and the user content after them are one turn; two user messages stay two.
pub(crate) fn user_turn(turns: &mut Vec<Message>, parts: Vec<Part>, is_result: bool) {
    match turns.last_mut() {
        Some(last)
            if last.role == Role::User && (is_result || matches!(last.parts.last(), Some(Part::ToolResult(_)))) =>
        {
            last.parts.extend(parts);
        }
        _ => turns.push(Message { role: Role::User, parts }),
    }
}

fn note_others(message: &JsonObject, path: &str, known: &[&str], noted: &mut NotedFields) {
    for (key, value) in message {
        if !value.is_null() && key != "role" && !known.contains(&key.as_str()) {
            noted.note(path, key);
        }
    }
}

/// A mark of a message is one of its last part.
fn mark_last(message: &JsonObject, parts: usize, noted: &mut NotedFields) {
    if let Some(mark) = message.get("cache_control") {
        noted.marks.mark(parts, mark);
    }
}

fn system(message: &JsonObject, path: &str, noted: &mut NotedFields) -> Result<Vec<String>, RequestError> {
    let mut parts = Vec::new();
    content::decode(shape::required(message, path, "content")?, path, noted, &mut parts)?;
    note_others(message, path, &["content"], noted);
    mark_last(message, parts.len(), noted);
    parts
        .into_iter()
        .map(|part| match part {
            Part::Text(text) => Ok(text),
            _ => Err(shape::invalid(path, "content", "must be text alone in a system message")),
        })
        .collect()
}

fn assistant(message: &JsonObject, path: &str, noted: &mut NotedFields) -> Result<Vec<Part>, RequestError> {
    let mut parts = Vec::new();
    let mut calls = match shape::present(message, "tool_calls") {
        Some(value) => tools::decode_calls(value, path, noted)?,
        None => Vec::new(),
    };
    // A provider's thoughts are the first of a turn.
    let carried = calls.first_mut().map(|(thoughts, _)| std::mem::take(thoughts)).unwrap_or_default();
    parts.extend(carried.into_iter().map(Part::Thinking));
    // Two spellings of the same field; some servers send both.
    for key in ["reasoning_content", "reasoning"] {
        if let Some(value) = shape::present(message, key) {
            let text = shape::text(value, path, key)?;
            if parts.is_empty() && !text.is_empty() {
                parts.push(Part::Thinking(Thought { text: Some(text.to_owned()), ..Thought::default() }));
                noted.note(path, key);
            }
        }
    }
    if let Some(value) = shape::present(message, "content") {
        content::decode(value, path, noted, &mut parts)?;
        // With tool calls, many clients send an empty string, which Anthropic would refuse.
        parts.retain(|part| !matches!(part, Part::Text(text) if text.is_empty()));
    }
    if let Some(value) = shape::present(message, "refusal") {
        parts.push(Part::Refusal(shape::text(value, path, "refusal")?.to_owned()));
        noted.note(path, "refusal");
    }
    if let Some(value) = shape::present(message, "images") {
        for (at, image) in shape::array(value, path, "images")?.iter().enumerate() {
            let path = format!("{path}.images[{at}]");
            parts.push(Part::Media(content::image(shape::element(image, &path)?, &path, noted)?));
        }
    }
    for (thoughts, call) in calls {
        parts.extend(thoughts.into_iter().map(Part::Thinking));
        parts.push(Part::ToolCall(call));
    }
    // Mistral's SDK writes it into every message that it returns.
    if shape::present(message, "prefix").is_some_and(|prefix| *prefix != Value::Bool(false)) {
        noted.note(path, "prefix");
    }
    let read = ["content", "reasoning_content", "reasoning", "refusal", "images", "tool_calls", "prefix"];
    note_others(message, path, &read, noted);
    Ok(parts)
}

fn tool_result(
    message: &JsonObject,
    path: &str,
    names: &HashMap<String, String>,
    noted: &mut NotedFields,
) -> Result<ToolResult, RequestError> {
    let (id, _) = unpack(shape::required_text(message, path, "tool_call_id")?);
    let mut content = Vec::new();
    if let Some(value) = shape::present(message, "content") {
        content::decode(value, path, noted, &mut content)?;
    }
    let own_name = shape::present(message, "name").map(|name| shape::text(name, path, "name")).transpose()?;
    let name = names.get(&id).map(String::as_str).or(own_name).map(str::to_owned);
    note_others(message, path, &["content", "tool_call_id", "name"], noted);
    Ok(ToolResult { id, name, content, is_error: false })
}

/// Encodes prompts and turns. Omitted hints are added to `left_out`.
pub(super) fn encode(
    request: &ChatRequest,
    target: &Target<'_>,
    left_out: &mut Vec<String>,
) -> Result<Vec<Value>, RequestError> {
    let mut messages: Vec<Value> =
        request.system.iter().map(|prompt| json!({"role": "system", "content": prompt})).collect();
    for message in &request.messages {
        match message.role {
            Role::User => encode_user(&message.parts, target, &mut messages, left_out)?,
            Role::Assistant => messages.extend(encode_assistant(&message.parts, target, left_out)?),
        }
    }
    Ok(messages)
}

fn leave_out(left_out: &mut Vec<String>, what: &str) {
    if !left_out.iter().any(|known| known == what) {
        left_out.push(what.to_owned());
    }
}

fn encode_user(
    parts: &[Part],
    target: &Target<'_>,
    messages: &mut Vec<Value>,
    left_out: &mut Vec<String>,
) -> Result<(), RequestError> {
    // A tool's message can contain only text: its images follow in a user message.
    let mut shown = Vec::new();
    let mut content = Vec::new();
    for part in parts {
        match part {
            Part::ToolResult(result) => {
                let content = result_content(result);
                let id = tool_id::fit(&result.id, target);
                messages.push(object([("role", json!("tool")), ("tool_call_id", json!(id)), ("content", content)]));
                let mut media = result.content.iter().filter(|part| matches!(part, Part::Media(_))).peekable();
                if media.peek().is_some() {
                    let name = result.name.as_deref().unwrap_or(&result.id);
                    shown.push(Cow::Owned(Part::Text(format!("Output of the tool {name}:"))));
                    shown.extend(media.map(Cow::Borrowed));
                }
            }
            Part::Thinking(_) => leave_out(left_out, "thinking"),
            Part::ToolCall(_) => return Err(unsupported("a tool call in a user's turn")),
            Part::Text(_) | Part::Media(_) | Part::Refusal(_) => content.push(Cow::Borrowed(part)),
        }
    }
    shown.extend(content);
    if !shown.is_empty() {
        messages.push(object([("role", json!("user")), ("content", content::encode(&shown)?)]));
    }
    Ok(())
}

/// The text of a result. OpenAI has no field for a failed tool, so the text says so.
fn result_content(result: &ToolResult) -> Value {
    let mut texts: Vec<String> = result
        .content
        .iter()
        .filter_map(|part| match part {
            Part::Text(text) | Part::Refusal(text) => Some(text.clone()),
            _ => None,
        })
        .collect();
    let says_so = texts
        .first()
        .and_then(|text| text.trim_start().get(.."error".len()))
        .is_some_and(|start| start.eq_ignore_ascii_case("error"));
    if result.is_error && !says_so {
        match texts.first_mut() {
            Some(first) => first.insert_str(0, "Error: "),
            None => texts.push("Error: the tool failed".to_owned()),
        }
    }
    match texts.as_slice() {
        [] => json!(""),
        [_] => Value::String(texts.remove(0)),
        _ => texts.iter().map(|text| json!({"type": "text", "text": text})).collect(),
    }
}

fn encode_assistant(
    parts: &[Part],
    target: &Target<'_>,
    left_out: &mut Vec<String>,
) -> Result<Option<Value>, RequestError> {
    let mut texts = Vec::new();
    let mut refusal = String::new();
    let (mut thoughts, mut calls) = (Vec::new(), Vec::new());
    let origin = target.origin();
    for part in parts {
        match part {
            Part::Text(_) => texts.push(Cow::Borrowed(part)),
            Part::Refusal(text) => refusal.push_str(text),
            Part::ToolCall(call) => calls.push(encode_call(call, target, left_out)),
            Part::Thinking(thought) if thought.returns_to(&origin) => thoughts.push(thought),
            Part::Thinking(_) => leave_out(left_out, "thinking"),
            Part::Media(_) => return Err(unsupported("a picture in the assistant's turn")),
            Part::ToolResult(_) => return Err(unsupported("a tool's result in the assistant's turn")),
        }
    }
    if texts.is_empty() && refusal.is_empty() && calls.is_empty() {
        return Ok(None);
    }
    let mut message = JsonObject::new();
    message.insert("role".into(), json!("assistant"));
    let said = if texts.is_empty() { Value::Null } else { content::encode(&texts)? };
    message.insert("content".into(), thoughts::before(&thoughts, said));
    thoughts::write(&thoughts, &mut message);
    if !refusal.is_empty() {
        message.insert("refusal".into(), json!(refusal));
    }
    if !calls.is_empty() {
        message.insert("tool_calls".into(), Value::Array(calls));
    }
    Ok(Some(Value::Object(message)))
}

fn encode_call(call: &ToolCall, target: &Target<'_>, left_out: &mut Vec<String>) -> Value {
    let mut encoded = json!({
        "id": tool_id::fit(&call.id, target),
        "type": "function",
        "function": {"name": call.name, "arguments": call.arguments},
    });
    match (&call.signature, encoded.as_object_mut()) {
        (Some(signature), Some(encoded)) if takes_signatures(target.model) => {
            encoded.insert("extra_content".into(), json!({"google": {"thought_signature": signature}}));
        }
        (Some(_), _) => leave_out(left_out, "thought signatures"),
        _ => {}
    }
    encoded
}
