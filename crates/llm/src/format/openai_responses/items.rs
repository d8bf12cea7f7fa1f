//! Decodes `input`: items become turns. Consecutive items of the model are one turn, as are the outputs of its tools
//! with the user's message after them.

use std::collections::HashMap;

use serde_json::Value;

use super::content;
use super::named_tools::custom_arguments;
use super::reasoning;
use super::tools::{called_name, note_type};
use crate::RequestError;
use crate::chat::signature::unpack;
use crate::chat::{ChatRequest, JsonObject, Media, MediaSource, Message, Part, Role, ToolCall, ToolResult};
use crate::format::openai_chat::messages::user_turn;
use crate::format::openai_chat::shape::{self, NotedFields};
use crate::format::openai_chat::tools::arguments;

/// Keys of an item that say nothing to a model.
const SILENT: [&str; 4] = ["type", "id", "status", "object"];

/// Decodes `input` to prompts and turns.
pub(super) fn decode(value: &Value, request: &mut ChatRequest, noted: &mut NotedFields) -> Result<(), RequestError> {
    let items = match value {
        Value::String(text) => {
            request.messages.push(Message { role: Role::User, parts: vec![Part::Text(text.clone())] });
            return Ok(());
        }
        Value::Array(items) => items,
        _ => return Err(shape::invalid("", "input", "must be a string or an array of items")),
    };
    if items.is_empty() {
        return Err(shape::invalid("", "input", "must not be empty"));
    }
    let mut decoder = ItemDecoder { request, noted, names: HashMap::new() };
    for (at, item) in items.iter().enumerate() {
        let path = format!("input[{at}]");
        decoder.item(shape::element(item, &path)?, &path)?;
    }
    Ok(())
}

struct ItemDecoder<'r> {
    request: &'r mut ChatRequest,
    noted: &'r mut NotedFields,
    /// The names of called tools, by the ids of the calls: Gemini requires them with the results.
    names: HashMap<String, String>,
}

impl ItemDecoder<'_> {
    fn item(&mut self, item: &JsonObject, path: &str) -> Result<(), RequestError> {
        let kind = match shape::present(item, "type") {
            Some(kind) => shape::text(kind, path, "type")?,
            // A message may have no type, and a reference has only an id.
            None if item.contains_key("role") => "message",
            None => "item_reference",
        };
        match kind {
            "message" => self.message(item, path),
            "function_call" | "custom_tool_call" => self.call(item, path, kind),
            "function_call_output" | "custom_tool_call_output" => self.output(item, path),
            "reasoning" => {
                self.note_others(item, path, &["summary", "content", "encrypted_content"]);
                let thought = reasoning::decode(item, path, self.noted)?;
                self.by_model(thought.map(Part::Thinking));
                Ok(())
            }
            "image_generation_call" if shape::present(item, "result").is_some() => self.picture(item, path),
            other => {
                note_type(path, other, self.noted);
                Ok(())
            }
        }
    }

    fn note_others(&mut self, item: &JsonObject, path: &str, known: &[&str]) {
        for (key, value) in item {
            if !value.is_null() && !SILENT.contains(&key.as_str()) && !known.contains(&key.as_str()) {
                self.noted.note(path, key);
            }
        }
    }

    fn message(&mut self, item: &JsonObject, path: &str) -> Result<(), RequestError> {
        let role = shape::required_text(item, path, "role")?;
        let parts = content::decode(shape::required(item, path, "content")?, path, "content", self.noted)?;
        self.note_others(item, path, &["role", "content"]);
        match role {
            "user" => user_turn(&mut self.request.messages, parts, false),
            // Providers refuse empty texts, and some clients return them next to calls.
            "assistant" => {
                self.by_model(parts.into_iter().filter(|part| !matches!(part, Part::Text(text) if text.is_empty())));
            }
            "system" | "developer" => {
                for part in parts {
                    let Part::Text(text) = part else {
                        return Err(shape::invalid(path, "content", "must be text alone in a system message"));
                    };
                    self.request.system.push(text);
                }
            }
            _ => return Err(shape::invalid(path, "role", "must be one of user, assistant, system and developer")),
        }
        Ok(())
    }

    /// Adds parts to the turn of the model.
    fn by_model(&mut self, parts: impl IntoIterator<Item = Part>) {
        let mut parts = parts.into_iter().peekable();
        if parts.peek().is_none() {
            return;
        }
        match self.request.messages.last_mut() {
            Some(last) if last.role == Role::Assistant => last.parts.extend(parts),
            _ => self.request.messages.push(Message { role: Role::Assistant, parts: parts.collect() }),
        }
    }

    fn call(&mut self, item: &JsonObject, path: &str, kind: &str) -> Result<(), RequestError> {
        let (id, signature) = unpack(shape::required_text(item, path, "call_id")?);
        let name = called_name(item, path)?;
        let arguments = match kind {
            "custom_tool_call" => custom_arguments(shape::required_text(item, path, "input")?),
            _ => arguments(item.get("arguments"), path, self.noted)?,
        };
        self.note_others(item, path, &["call_id", "name", "namespace", "arguments", "input"]);
        self.names.insert(id.clone(), name.clone());
        self.by_model([Part::ToolCall(ToolCall { id, name, arguments, signature })]);
        Ok(())
    }

    fn output(&mut self, item: &JsonObject, path: &str) -> Result<(), RequestError> {
        let (id, _) = unpack(shape::required_text(item, path, "call_id")?);
        let content = content::decode(shape::required(item, path, "output")?, path, "output", self.noted)?;
        self.note_others(item, path, &["call_id", "output", "name", "namespace"]);
        let name = match self.names.get(&id) {
            Some(name) => Some(name.clone()),
            None if item.contains_key("name") => Some(called_name(item, path)?),
            None => None,
        };
        let result = ToolResult { id, name, content, is_error: false };
        user_turn(&mut self.request.messages, vec![Part::ToolResult(result)], true);
        Ok(())
    }

    /// A picture that the model generated.
    fn picture(&mut self, item: &JsonObject, path: &str) -> Result<(), RequestError> {
        let data = shape::required_text(item, path, "result")?.to_owned();
        let format = shape::present(item, "output_format").and_then(Value::as_str).unwrap_or("png");
        let media_type = Some(format!("image/{format}"));
        self.note_others(item, path, &["result", "output_format", "revised_prompt"]);
        let source = MediaSource::Base64(data);
        self.by_model([Part::Media(Media { media_type, source, filename: None, detail: None })]);
        Ok(())
    }
}
