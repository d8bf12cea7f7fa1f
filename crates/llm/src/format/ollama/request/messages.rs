//! The messages of a request. Ollama has a message for each tool's result; in the conversation type the results of one
//! round are in one user's turn.

use serde_json::{Value, json};

use crate::RequestError;
use crate::chat::origin::Origin;
use crate::chat::signature::{unpack, unpack_all};
use crate::chat::{
    ChatRequest, JsonObject, Media, MediaSource, Message, Part, Role, Thought, ToolCall, ToolResult, object,
};
use crate::format::ollama::unsupported;
use crate::format::openai_chat::shape::{self, NotedFields};
use crate::format::openai_chat::tools;
use crate::format::turns::{result_text, user_turn};
use crate::media::type_of_base64;

/// The most calls of a message: each result is searched among them.
const MOST_CALLS: usize = 1_024;

/// A call without a result so far: its id and its tool.
type UnansweredCall = (String, String);

/// Decodes `messages` to prompts and turns.
pub(super) fn decode(value: &Value, request: &mut ChatRequest, noted: &mut NotedFields) -> Result<(), RequestError> {
    let messages = shape::array(value, "", "messages")?;
    if messages.is_empty() {
        return Err(shape::invalid("", "messages", "must not be empty"));
    }
    let mut open: Vec<UnansweredCall> = Vec::new();
    let mut calls = 0;
    for (at, message) in messages.iter().enumerate() {
        let path = format!("messages[{at}]");
        let message = shape::element(message, &path)?;
        let known: &[&str] = match shape::required_text(message, &path, "role")? {
            "system" => {
                request.system.extend(text(message, &path, "content")?.map(str::to_owned));
                &["content"]
            }
            "user" => {
                let mut parts = content(message, &path)?;
                if parts.is_empty() {
                    parts.push(Part::Text(String::new()));
                }
                user_turn(&mut request.messages, parts, false);
                &["content", "images"]
            }
            "assistant" => {
                let parts = assistant(message, &path, &mut calls, noted)?;
                let call = |part: &Part| match part {
                    Part::ToolCall(call) => Some((call.id.clone(), call.name.clone())),
                    _ => None,
                };
                open = parts.iter().filter_map(call).collect();
                if open.len() > MOST_CALLS {
                    let problem = format!("must have at most {MOST_CALLS} calls");
                    return Err(shape::invalid(&path, "tool_calls", &problem));
                }
                if !parts.is_empty() {
                    request.messages.push(Message { role: Role::Assistant, parts });
                }
                &["content", "thinking", "tool_calls"]
            }
            "tool" => {
                let result = result(message, &path, &mut open)?;
                user_turn(&mut request.messages, vec![Part::ToolResult(result)], true);
                &["content", "images", "tool_name", "tool_call_id"]
            }
            _ => return Err(shape::invalid(&path, "role", "must be one of system, user, assistant and tool")),
        };
        for (key, value) in message {
            if is_empty(value) || key == "role" || known.contains(&key.as_str()) {
                continue;
            }
            // Ollama itself takes pictures of anybody.
            if OF_OTHER_ROLES.contains(&key.as_str()) {
                return Err(shape::invalid(&path, key, "does not belong to a message of this role"));
            }
            noted.note(&path, key);
        }
    }
    Ok(())
}

/// The fields that some roles have and others do not.
const OF_OTHER_ROLES: [&str; 5] = ["images", "thinking", "tool_calls", "tool_name", "tool_call_id"];

/// Clients send null, empty lists and empty texts for what they leave out.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        _ => false,
    }
}

/// A text that is not empty.
fn text<'a>(message: &'a JsonObject, path: &str, key: &str) -> Result<Option<&'a str>, RequestError> {
    let text = shape::present(message, key).map(|value| shape::text(value, path, key)).transpose()?;
    Ok(text.filter(|text| !text.is_empty()))
}

/// The pictures of a message, and then its text.
fn content(message: &JsonObject, path: &str) -> Result<Vec<Part>, RequestError> {
    let mut parts = images(message, path)?;
    parts.extend(text(message, path, "content")?.map(|text| Part::Text(text.to_owned())));
    Ok(parts)
}

/// The pictures of a message or of a prompt. They have no types, so these are found in the bytes.
pub(in crate::format::ollama) fn images(object: &JsonObject, path: &str) -> Result<Vec<Part>, RequestError> {
    let Some(images) = shape::present(object, "images") else { return Ok(Vec::new()) };
    let image = |image: &Value| {
        let wrong = || shape::invalid(path, "images", "must be a list of pictures in Base64");
        let data = image.as_str().ok_or_else(wrong)?;
        let media_type = Some(type_of_base64(data).unwrap_or("image/png").to_owned());
        let source = MediaSource::Base64(data.to_owned());
        Ok(Part::Media(Media { media_type, source, filename: None, detail: None }))
    };
    shape::array(images, path, "images")?.iter().map(image).collect()
}

/// The parts of the assistant's message. `count` is the number of calls in the messages before it.
fn assistant(
    message: &JsonObject,
    path: &str,
    count: &mut usize,
    noted: &mut NotedFields,
) -> Result<Vec<Part>, RequestError> {
    let (mut calls, mut thoughts) = (Vec::new(), Vec::new());
    let list =
        shape::present(message, "tool_calls").map(|value| shape::array(value, path, "tool_calls")).transpose()?;
    for (at, call) in list.unwrap_or_default().iter().enumerate() {
        let path = format!("{path}.tool_calls[{at}]");
        let call = shape::element(call, &path)?;
        note_others(call, &path, &["id", "type", "function"], noted);
        let function = shape::object(shape::required(call, &path, "function")?, &path, "function")?;
        let within = shape::join(&path, "function");
        // The position among the calls says nothing new.
        note_others(function, &within, &["index", "name", "description", "arguments"], noted);
        let (id, carried) = match text(call, &path, "id")? {
            Some(id) => unpack_all(id),
            None => (format!("call_{count}"), None),
        };
        *count += 1;
        let carried = carried.unwrap_or_default();
        thoughts.extend(carried.thoughts);
        calls.push(ToolCall {
            id,
            name: shape::required_text(function, &within, "name")?.to_owned(),
            arguments: tools::arguments(function.get("arguments"), &within, noted)?,
            signature: carried.signature,
        });
    }
    // A provider's thoughts are the first of a turn. The message has them too, without their signatures.
    let told = text(message, path, "thinking")?.filter(|_| thoughts.is_empty());
    if let Some(text) = told {
        noted.note(path, "thinking");
        thoughts.push(Thought { text: Some(text.to_owned()), ..Thought::default() });
    }
    let mut parts: Vec<Part> = thoughts.into_iter().map(Part::Thinking).collect();
    parts.extend(text(message, path, "content")?.map(|text| Part::Text(text.to_owned())));
    parts.extend(calls.into_iter().map(Part::ToolCall));
    Ok(parts)
}

fn note_others(object: &JsonObject, path: &str, known: &[&str], noted: &mut NotedFields) {
    for (key, _) in object.iter().filter(|(_, value)| !value.is_null()) {
        if !known.contains(&key.as_str()) {
            noted.note(path, key);
        }
    }
}

/// A result belongs to the call with its id, else to the first open call of its tool. The SDKs drop both the ids and the
/// names of some frameworks, so that a result without either belongs to the first open call.
fn result(message: &JsonObject, path: &str, open: &mut Vec<UnansweredCall>) -> Result<ToolResult, RequestError> {
    let id = shape::present(message, "tool_call_id").map(|id| shape::text(id, path, "tool_call_id")).transpose()?;
    let id = id.map(|id| unpack(id).0);
    let tool = text(message, path, "tool_name")?;
    let place = open
        .iter()
        .position(|(known, _)| Some(known) == id.as_ref())
        .or_else(|| open.iter().position(|(_, name)| Some(name.as_str()) == tool))
        .or((id.is_none() && tool.is_none() && !open.is_empty()).then_some(0));
    let (id, name) = match (place, id) {
        (Some(place), _) => {
            let (id, name) = open.remove(place);
            (id, Some(name))
        }
        // Whether a call with this id is missing, the provider decides.
        (None, Some(id)) => (id, tool.map(str::to_owned)),
        (None, None) => {
            let problem = "names no call of the assistant's last message that has no result";
            return Err(shape::invalid(path, "tool_name", problem));
        }
    };
    Ok(ToolResult { id, name, content: content(message, path)?, is_error: false })
}

/// Encodes prompts and turns. `origin` is whose thoughts the target reads; omitted hints are added to `left_out`.
pub(super) fn encode(
    request: &ChatRequest,
    origin: &Origin,
    left_out: &mut Vec<String>,
) -> Result<Vec<Value>, RequestError> {
    let prompt = |prompt: &String| object([("role", json!("system")), ("content", json!(prompt))]);
    let mut messages: Vec<Value> = request.system.iter().map(prompt).collect();
    for message in &request.messages {
        match message.role {
            Role::User => encode_user(&message.parts, left_out, &mut messages)?,
            Role::Assistant => messages.extend(encode_assistant(&message.parts, origin, left_out)?),
        }
    }
    Ok(messages)
}

fn encode_user(parts: &[Part], left_out: &mut Vec<String>, messages: &mut Vec<Value>) -> Result<(), RequestError> {
    let (mut texts, mut images) = (Vec::new(), Vec::new());
    for part in parts {
        match part {
            Part::ToolResult(result) => messages.push(encode_result(result)?),
            Part::Text(text) | Part::Refusal(text) => texts.push(text.as_str()),
            Part::Media(media) => images.push(picture(media)?),
            Part::Thinking(_) => leave_out(left_out, "thinking"),
            Part::ToolCall(_) => return Err(unsupported("a tool call in a user's turn")),
        }
    }
    if !texts.is_empty() || !images.is_empty() {
        messages.push(Value::Object(said("user", texts.join("\n"), images)));
    }
    Ok(())
}

fn encode_result(result: &ToolResult) -> Result<Value, RequestError> {
    let media = result.content.iter().filter_map(|part| match part {
        Part::Media(media) => Some(picture(media)),
        _ => None,
    });
    let mut message = said("tool", result_text(result), media.collect::<Result<_, _>>()?);
    message.insert("tool_call_id".into(), json!(result.id));
    if let Some(name) = &result.name {
        message.insert("tool_name".into(), json!(name));
    }
    Ok(Value::Object(message))
}

fn said(role: &str, text: String, images: Vec<&str>) -> JsonObject {
    let mut message = JsonObject::new();
    message.insert("role".into(), json!(role));
    message.insert("content".into(), Value::String(text));
    if !images.is_empty() {
        message.insert("images".into(), json!(images));
    }
    message
}

fn picture(media: &Media) -> Result<&str, RequestError> {
    let media_type = media.media_type.as_deref().unwrap_or("image/");
    match &media.source {
        MediaSource::Base64(data) if media_type.starts_with("image/") => Ok(data),
        MediaSource::Base64(_) => Err(unsupported(media_type)),
        MediaSource::Url(_) => Err(unsupported("a picture behind a URL")),
    }
}

fn encode_assistant(
    parts: &[Part],
    origin: &Origin,
    left_out: &mut Vec<String>,
) -> Result<Option<Value>, RequestError> {
    let (mut thinking, mut texts, mut calls) = (String::new(), Vec::new(), Vec::new());
    for part in parts {
        match part {
            Part::Text(text) | Part::Refusal(text) => texts.push(text.as_str()),
            Part::ToolCall(call) => {
                if call.signature.is_some() {
                    leave_out(left_out, "thought signatures");
                }
                let arguments: Value = serde_json::from_str(&call.arguments).unwrap_or_else(|_| json!({}));
                calls.push(json!({"id": call.id, "function": {"name": call.name, "arguments": arguments}}));
            }
            Part::Thinking(Thought { text: Some(text), origin: Some(of), .. }) if of == origin => {
                thinking.push_str(text);
            }
            Part::Thinking(_) => leave_out(left_out, "thinking"),
            Part::Media(_) => return Err(unsupported("a picture in the assistant's turn")),
            Part::ToolResult(_) => return Err(unsupported("a tool's result in the assistant's turn")),
        }
    }
    if texts.is_empty() && calls.is_empty() {
        return Ok(None);
    }
    let mut message = said("assistant", texts.concat(), Vec::new());
    if !thinking.is_empty() {
        message.insert("thinking".into(), Value::String(thinking));
    }
    if !calls.is_empty() {
        message.insert("tool_calls".into(), Value::Array(calls));
    }
    Ok(Some(Value::Object(message)))
}

fn leave_out(left_out: &mut Vec<String>, what: &str) {
    if !left_out.iter().any(|known| known == what) {
        left_out.push(what.to_owned());
    }
}
