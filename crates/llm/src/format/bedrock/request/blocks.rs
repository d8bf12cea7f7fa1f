//! Decodes the blocks of the system prompt and of turns. A block is an object with one member, named by its kind.

use std::collections::HashMap;

use serde_json::Value;

use super::sources::{document, guarded, picture, search_result};
use crate::chat::mark::unmark;
use crate::chat::origin::Origin;
use crate::chat::signature::unpack;
use crate::chat::{JsonObject, Part, Thought, ToolCall, ToolResult};
use crate::format::anthropic::shape::{self, NotedPlaces, Path, Shaped, given, text_if, text_of};

/// The names of the tools that were called so far, by the id of the call.
pub(super) type CalledTools = HashMap<String, String>;

/// The system prompt.
pub(super) fn system(value: &Value, at: &Path<'_>, places: &mut NotedPlaces) -> Shaped<Vec<String>> {
    let mut prompts = Vec::new();
    for (index, block) in shape::list(value, at)?.iter().enumerate() {
        let at = at.index(index);
        let (kind, value) = member(shape::object(block, &at)?, &at)?;
        let at = at.key(kind);
        match kind {
            "text" => prompts.push(shape::text(value, &at)?.to_owned()),
            "guardContent" => match guarded(value, &at, places)? {
                Some(Part::Text(text)) => prompts.push(text),
                _ => places.note(&at.key("image")),
            },
            "cachePoint" => {
                places.note(&at);
                places.marks.mark(prompts.len(), value);
            }
            _ => places.note(&at),
        }
    }
    Ok(prompts)
}

/// The content of a turn.
pub(super) fn content(
    value: &Value,
    at: &Path<'_>,
    names: &mut CalledTools,
    places: &mut NotedPlaces,
) -> Shaped<Vec<Part>> {
    let blocks = shape::list(value, at)?;
    let mut parts = Vec::with_capacity(blocks.len());
    for (index, block) in blocks.iter().enumerate() {
        let at = at.index(index);
        let (kind, value) = member(shape::object(block, &at)?, &at)?;
        let at = at.key(kind);
        match kind {
            "text" => parts.push(Part::Text(shape::text(value, &at)?.to_owned())),
            "image" => parts.extend(picture(value, &at, places)?),
            "document" => document(value, &at, places, &mut parts)?,
            "guardContent" => parts.extend(guarded(value, &at, places)?),
            "searchResult" => parts.push(search_result(value, &at, places)?),
            "citationsContent" => parts.push(cited(shape::object(value, &at)?, &at, places)?),
            "reasoningContent" => parts.push(thought(shape::object(value, &at)?, &at, places)?),
            "toolUse" => parts.push(tool_use(shape::object(value, &at)?, &at, names, places)?),
            "toolResult" => parts.push(tool_result(shape::object(value, &at)?, &at, names, places)?),
            "cachePoint" => {
                places.note(&at);
                places.marks.mark(parts.len(), value);
            }
            // Video, audio, and kinds that AWS may add.
            _ => places.note(&at),
        }
    }
    Ok(parts)
}

/// The only member of a block.
fn member<'v>(block: &'v JsonObject, at: &Path<'_>) -> Shaped<(&'v str, &'v Value)> {
    let mut members = block.iter().filter(|(_, value)| !value.is_null());
    match (members.next(), members.next()) {
        (Some((kind, value)), None) => Ok((kind, value)),
        (None, _) => Err(at.invalid("must have a member")),
        (Some((one, _)), Some((other, _))) => {
            Err(at.key(other).invalid(format!("cannot stand beside {one}: a block is one thing")))
        }
    }
}

/// Text of an earlier answer that cites documents.
fn cited(block: &JsonObject, at: &Path<'_>, places: &mut NotedPlaces) -> Shaped<Part> {
    places.note_rest(block, &["content"], at);
    let at = at.key("content");
    let mut text = String::new();
    for (index, piece) in given(block, "content").map_or(Ok(&vec![]), |list| shape::list(list, &at))?.iter().enumerate()
    {
        let at = at.index(index);
        let piece = shape::object(piece, &at)?;
        places.note_rest(piece, &["text"], &at);
        text.push_str(text_of(piece, "text", &at)?);
    }
    Ok(Part::Text(text))
}

fn thought(block: &JsonObject, at: &Path<'_>, places: &mut NotedPlaces) -> Shaped<Part> {
    places.note_rest(block, &["reasoningText", "redactedContent"], at);
    if let Some(data) = text_if(block, "redactedContent", at)? {
        return Ok(Part::Thinking(unmark(data).unwrap_or_else(|| Thought {
            redacted: Some(data.to_owned()),
            origin: Some(Origin::CLAUDE),
            ..Thought::default()
        })));
    }
    let at = at.key("reasoningText");
    let text = shape::object(given(block, "reasoningText").ok_or_else(|| at.invalid("is missing"))?, &at)?;
    places.note_rest(text, &["text", "signature"], &at);
    // Of the models there, only Claude signs its thoughts.
    let signature = text_if(text, "signature", &at)?;
    Ok(Part::Thinking(Thought::returned(text_of(text, "text", &at)?.to_owned(), signature, &Origin::CLAUDE)))
}

fn tool_use(block: &JsonObject, at: &Path<'_>, names: &mut CalledTools, places: &mut NotedPlaces) -> Shaped<Part> {
    let (id, signature) = unpack(call_id(block, at)?);
    let name = text_of(block, "name", at)?.to_owned();
    let arguments = match given(block, "input") {
        Some(input) => Value::Object(shape::object(input, &at.key("input"))?.clone()).to_string(),
        None => "{}".to_owned(),
    };
    // Answers of Claude contain it, although no SDK knows it.
    if text_if(block, "type", at)?.is_some_and(|kind| kind != "tool_use") {
        places.note(&at.key("type"));
    }
    places.note_rest(block, &["toolUseId", "name", "input", "type"], at);
    names.insert(id.clone(), name.clone());
    Ok(Part::ToolCall(ToolCall { id, name, arguments, signature }))
}

fn tool_result(block: &JsonObject, at: &Path<'_>, names: &CalledTools, places: &mut NotedPlaces) -> Shaped<Part> {
    let (id, _) = unpack(call_id(block, at)?);
    let is_error = text_if(block, "status", at)? == Some("error");
    places.note_rest(block, &["toolUseId", "content", "status"], at);
    let mut parts = Vec::new();
    let content_at = at.key("content");
    let content = given(block, "content").ok_or_else(|| content_at.invalid("is missing"))?;
    for (index, block) in shape::list(content, &content_at)?.iter().enumerate() {
        let at = content_at.index(index);
        let (kind, value) = member(shape::object(block, &at)?, &at)?;
        let at = at.key(kind);
        match kind {
            "text" => parts.push(Part::Text(shape::text(value, &at)?.to_owned())),
            "json" => parts.push(Part::Text(value.to_string())),
            "image" => parts.extend(picture(value, &at, places)?),
            "document" => document(value, &at, places, &mut parts)?,
            "searchResult" => parts.push(search_result(value, &at, places)?),
            _ => places.note(&at),
        }
    }
    Ok(Part::ToolResult(ToolResult { name: names.get(&id).cloned(), id, content: parts, is_error }))
}

fn call_id<'v>(block: &'v JsonObject, at: &Path<'_>) -> Shaped<&'v str> {
    match text_of(block, "toolUseId", at)? {
        "" => Err(at.key("toolUseId").invalid("must not be empty")),
        id => Ok(id),
    }
}
