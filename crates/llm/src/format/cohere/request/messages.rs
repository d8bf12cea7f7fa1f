//! The messages of a request. Cohere has a message for each tool's result; in the conversation type the results of one
//! round are in one user's turn, before its other content.

use std::borrow::Cow;
use std::collections::HashMap;

use serde_json::{Value, json};

use crate::RequestError;
use crate::chat::origin::Origin;
use crate::chat::signature::unpack;
use crate::chat::{ChatRequest, JsonObject, Media, Message, Part, Role, Thought, ToolResult, object};
use crate::format::cohere::unsupported;
use crate::format::openai_chat::content::{image, media_url};
use crate::format::openai_chat::shape::{self, NotedFields};
use crate::format::openai_chat::tools;
use crate::format::turns::{result_text, user_turn};

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
            "system" => {
                for part in content(message, &path, noted)? {
                    match part {
                        Part::Text(text) => request.system.push(text),
                        _ => return Err(shape::invalid(&path, "content", "must be text alone in a system message")),
                    }
                }
                note_others(message, &path, &["content"], noted);
            }
            "user" => {
                let parts = content(message, &path, noted)?;
                note_others(message, &path, &["content"], noted);
                user_turn(&mut request.messages, parts, false);
            }
            "assistant" => {
                let parts = assistant(message, &path, noted)?;
                for part in &parts {
                    if let Part::ToolCall(call) = part {
                        names.insert(call.id.clone(), call.name.clone());
                    }
                }
                if !parts.is_empty() {
                    request.messages.push(Message { role: Role::Assistant, parts });
                }
            }
            "tool" => {
                let (id, _) = unpack(shape::required_text(message, &path, "tool_call_id")?);
                let result = ToolResult {
                    name: names.get(&id).cloned(),
                    id,
                    content: content(message, &path, noted)?,
                    is_error: false,
                };
                note_others(message, &path, &["content", "tool_call_id"], noted);
                user_turn(&mut request.messages, vec![Part::ToolResult(result)], true);
            }
            _ => return Err(shape::invalid(&path, "role", "must be one of system, user, assistant and tool")),
        }
    }
    Ok(())
}

fn note_others(message: &JsonObject, path: &str, known: &[&str], noted: &mut NotedFields) {
    for (key, value) in message {
        if !value.is_null() && key != "role" && !known.contains(&key.as_str()) {
            noted.note(path, key);
        }
    }
}

fn assistant(message: &JsonObject, path: &str, noted: &mut NotedFields) -> Result<Vec<Part>, RequestError> {
    let mut parts = Vec::new();
    let mut calls = match shape::present(message, "tool_calls") {
        Some(calls) => tools::decode_calls(calls, path, noted)?,
        None => Vec::new(),
    };
    // A provider's thoughts are the first of a turn. The message has them too, without their signatures.
    let carried = calls.first_mut().map(|(thoughts, _)| std::mem::take(thoughts)).unwrap_or_default();
    parts.extend(carried.into_iter().map(Part::Thinking));
    let is_carried = !parts.is_empty();
    // A plan comes before the calls, and is text that the model wrote.
    if let Some(plan) = shape::present(message, "tool_plan") {
        parts.push(Part::Text(shape::text(plan, path, "tool_plan")?.to_owned()));
    }
    if shape::present(message, "content").is_some() {
        let said = content(message, path, noted)?.into_iter();
        parts.extend(said.filter(|part| !(is_carried && matches!(part, Part::Thinking(_)))));
    }
    // With tool calls, clients send empty text, which other providers would refuse.
    parts.retain(|part| !matches!(part, Part::Text(text) if text.is_empty()));
    for (thoughts, call) in calls {
        parts.extend(thoughts.into_iter().map(Part::Thinking));
        parts.push(Part::ToolCall(call));
    }
    note_others(message, path, &["content", "tool_plan", "tool_calls"], noted);
    Ok(parts)
}

/// The content of a message: text, or a list of parts.
fn content(message: &JsonObject, path: &str, noted: &mut NotedFields) -> Result<Vec<Part>, RequestError> {
    match shape::required(message, path, "content")? {
        Value::String(text) => Ok(vec![Part::Text(text.clone())]),
        Value::Array(parts) => {
            let mut read = Vec::with_capacity(parts.len());
            for (at, part) in parts.iter().enumerate() {
                let path = format!("{path}.content[{at}]");
                read.extend(content_part(shape::element(part, &path)?, &path, noted)?);
            }
            Ok(read)
        }
        _ => Err(shape::invalid(path, "content", "must be a string or an array of parts")),
    }
}

/// `None` for a type of part that no other dialect has: it is recorded.
fn content_part(part: &JsonObject, path: &str, noted: &mut NotedFields) -> Result<Option<Part>, RequestError> {
    let kind = shape::required_text(part, path, "type")?;
    let read = match kind {
        "text" => Some(Part::Text(shape::required_text(part, path, "text")?.to_owned())),
        "image_url" => Some(Part::Media(image(part, path, noted)?)),
        "thinking" => {
            noted.note(path, kind);
            let text = shape::required_text(part, path, kind)?.to_owned();
            Some(Part::Thinking(Thought { text: Some(text), ..Thought::default() }))
        }
        // Only in results of tools: other dialects have no citations, and read its data as text.
        "document" => {
            let document = shape::object(shape::required(part, path, kind)?, path, kind)?;
            let path = shape::join(path, kind);
            for (key, _) in document.iter().filter(|(_, value)| !value.is_null()) {
                if key != "data" {
                    noted.note(&path, key);
                }
            }
            Some(Part::Text(match shape::required(document, &path, "data")? {
                Value::String(text) => text.clone(),
                data => data.to_string(),
            }))
        }
        _ => {
            noted.note(path, kind);
            None
        }
    };
    for (key, value) in part {
        if !value.is_null() && key != "type" && key != kind {
            noted.note(path, key);
        }
    }
    Ok(read)
}

/// Encodes prompts and turns. Omitted hints are added to `left_out`.
pub(super) fn encode(
    request: &ChatRequest,
    origin: &Origin,
    left_out: &mut Vec<String>,
) -> Result<Vec<Value>, RequestError> {
    let mut messages: Vec<Value> =
        request.system.iter().map(|prompt| json!({"role": "system", "content": prompt})).collect();
    for message in &request.messages {
        match message.role {
            Role::User => encode_user(&message.parts, &mut messages, left_out)?,
            Role::Assistant => messages.extend(encode_assistant(&message.parts, origin, left_out)?),
        }
    }
    Ok(messages)
}

fn leave_out(left_out: &mut Vec<String>, what: &str) {
    if !left_out.iter().any(|known| known == what) {
        left_out.push(what.to_owned());
    }
}

fn encode_user(parts: &[Part], messages: &mut Vec<Value>, left_out: &mut Vec<String>) -> Result<(), RequestError> {
    // A tool's message has no pictures: they follow in a user message.
    let mut shown = Vec::new();
    let mut content = Vec::new();
    for part in parts {
        match part {
            Part::ToolResult(result) => {
                let text = result_text(result);
                messages.push(object([
                    ("role", json!("tool")),
                    ("tool_call_id", json!(result.id)),
                    ("content", Value::String(text)),
                ]));
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
    if shown.is_empty() {
        return Ok(());
    }
    let content = match shown.as_slice() {
        [one] if matches!(&**one, Part::Text(_)) => encode_part(one)?.get_mut("text").map(Value::take),
        _ => None,
    };
    let content = match content {
        Some(text) => text,
        None => shown.iter().map(|part| encode_part(part)).collect::<Result<Vec<Value>, _>>()?.into(),
    };
    messages.push(object([("role", json!("user")), ("content", content)]));
    Ok(())
}

fn encode_part(part: &Part) -> Result<Value, RequestError> {
    match part {
        Part::Text(text) | Part::Refusal(text) => Ok(object([("type", json!("text")), ("text", json!(text))])),
        Part::Media(media) => picture(media),
        Part::ToolCall(_) | Part::ToolResult(_) | Part::Thinking(_) => {
            Err(unsupported("a call, a result or a thought inside of content"))
        }
    }
}

fn picture(media: &Media) -> Result<Value, RequestError> {
    let media_type = media.media_type.as_deref().unwrap_or("image/");
    if !media_type.starts_with("image/") {
        return Err(unsupported(media_type));
    }
    let mut image = JsonObject::new();
    image.insert("url".into(), Value::String(media_url(media)));
    if let Some(detail) = &media.detail {
        image.insert("detail".into(), json!(detail));
    }
    Ok(object([("type", json!("image_url")), ("image_url", Value::Object(image))]))
}

fn encode_assistant(
    parts: &[Part],
    origin: &Origin,
    left_out: &mut Vec<String>,
) -> Result<Option<Value>, RequestError> {
    let (mut thoughts, mut texts, mut calls) = (Vec::new(), Vec::new(), Vec::new());
    for part in parts {
        match part {
            Part::Text(text) | Part::Refusal(text) => texts.push(text.as_str()),
            Part::ToolCall(call) => {
                if call.signature.is_some() {
                    leave_out(left_out, "thought signatures");
                }
                calls.push(json!({
                    "id": call.id,
                    "type": "function",
                    "function": {"name": call.name, "arguments": call.arguments},
                }));
            }
            Part::Thinking(Thought { text: Some(text), origin: Some(of), .. }) if of == origin => {
                thoughts.push(json!({"type": "thinking", "thinking": text}));
            }
            Part::Thinking(_) => leave_out(left_out, "thinking"),
            Part::Media(_) => return Err(unsupported("a picture in the assistant's turn")),
            Part::ToolResult(_) => return Err(unsupported("a tool's result in the assistant's turn")),
        }
    }
    if texts.is_empty() && calls.is_empty() {
        return Ok(None);
    }
    let mut message = JsonObject::new();
    message.insert("role".into(), json!("assistant"));
    let said = Value::String(texts.concat());
    // What the model says before it calls tools is its plan.
    match (texts.is_empty(), calls.is_empty()) {
        (true, _) => {}
        (false, false) => drop(message.insert("tool_plan".into(), said)),
        (false, true) if thoughts.is_empty() => drop(message.insert("content".into(), said)),
        (false, true) => thoughts.push(json!({"type": "text", "text": said})),
    }
    if !thoughts.is_empty() {
        message.insert("content".into(), Value::Array(thoughts));
    }
    if !calls.is_empty() {
        message.insert("tool_calls".into(), Value::Array(calls));
    }
    Ok(Some(Value::Object(message)))
}
