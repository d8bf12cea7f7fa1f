//! Decodes content blocks: of the system prompt, of turns and of tool results.

use std::collections::HashMap;

use serde_json::Value;

use super::response::arguments;
use super::shape::{self, NotedPlaces, Path, Shaped, boolean_if, given, text_if, text_of};
use crate::chat::mark::unmark;
use crate::chat::origin::Origin;
use crate::chat::signature::unpack;
use crate::chat::{JsonObject, Media, MediaSource, Part, Thought, ToolCall, ToolResult};

/// The names of the tools that were called so far, by the id of the call.
pub type ToolNames = HashMap<String, String>;

/// A system prompt: a string, or text blocks.
pub fn system(value: &Value, at: &Path<'_>, places: &mut NotedPlaces) -> Shaped<Vec<String>> {
    if let Some(text) = value.as_str() {
        return Ok(vec![text.to_owned()]);
    }
    let mut prompts = Vec::new();
    for (index, block) in blocks(value, at)?.iter().enumerate() {
        let at = at.index(index);
        let block = shape::object(block, &at)?;
        match text_of(block, "type", &at)? {
            "text" => prompts.push(plain_text(block, &at, places)?),
            other => places.note_value(&at.key("type"), other),
        }
        mark(block, prompts.len(), places);
    }
    Ok(prompts)
}

/// The content of a turn: a string, or blocks.
pub fn content(value: &Value, at: &Path<'_>, names: &mut ToolNames, places: &mut NotedPlaces) -> Shaped<Vec<Part>> {
    if let Some(text) = value.as_str() {
        return Ok(vec![Part::Text(text.to_owned())]);
    }
    let blocks = blocks(value, at)?;
    let mut parts = Vec::with_capacity(blocks.len());
    for (index, value) in blocks.iter().enumerate() {
        let at = at.index(index);
        let block = shape::object(value, &at)?;
        match text_of(block, "type", &at)? {
            "tool_use" => parts.push(tool_use(block, &at, names, places)?),
            "tool_result" => parts.push(tool_result(block, &at, names, places)?),
            "thinking" => {
                places.note_rest(block, &["type", "thinking", "signature"], &at);
                let text = text_of(block, "thinking", &at)?.to_owned();
                let signature = text_if(block, "signature", &at)?;
                parts.push(Part::Thinking(Thought::returned(text, signature, &Origin::CLAUDE)));
            }
            "redacted_thinking" => {
                places.note_rest(block, &["type", "data"], &at);
                let data = text_of(block, "data", &at)?;
                parts.push(Part::Thinking(unmark(data).unwrap_or_else(|| Thought {
                    redacted: Some(data.to_owned()),
                    origin: Some(Origin::CLAUDE),
                    ..Thought::default()
                })));
            }
            // The search for deferred tools; in other dialects all tools are present from the beginning.
            "server_tool_use" if text_of(block, "name", &at)?.starts_with("tool_search_tool") => {
                places.note_value(&at.key("type"), "tool_search_tool_result");
            }
            _ => shown(block, &at, places, &mut parts)?,
        }
        mark(block, parts.len(), places);
    }
    Ok(parts)
}

/// Notes a mark of the prompt's cache, at the last of what was read.
fn mark(block: &JsonObject, read: usize, places: &mut NotedPlaces) {
    if let Some(mark) = block.get("cache_control") {
        places.marks.mark(read, mark);
    }
}

/// Content that turns and tool results share: text, images, documents.
fn shown(block: &JsonObject, at: &Path<'_>, places: &mut NotedPlaces, parts: &mut Vec<Part>) -> Shaped<()> {
    match text_of(block, "type", at)? {
        "text" => parts.push(Part::Text(plain_text(block, at, places)?)),
        "image" => {
            places.note_rest(block, &["type", "source"], at);
            parts.extend(image(block, at, places)?.map(Part::Media));
        }
        "document" => document(block, at, places, parts)?,
        "search_result" => parts.push(Part::Text(search_result(block, at, places)?)),
        other => places.note_value(&at.key("type"), other),
    }
    Ok(())
}

fn blocks<'v>(value: &'v Value, at: &Path<'_>) -> Shaped<&'v Vec<Value>> {
    value.as_array().ok_or_else(|| at.invalid("must be a string or a list of blocks"))
}

fn plain_text(block: &JsonObject, at: &Path<'_>, places: &mut NotedPlaces) -> Shaped<String> {
    places.note_rest(block, &["type", "text"], at);
    Ok(text_of(block, "text", at)?.to_owned())
}

fn tool_use(block: &JsonObject, at: &Path<'_>, names: &mut ToolNames, places: &mut NotedPlaces) -> Shaped<Part> {
    let (id, signature) = unpack(call_id(block, "id", at)?);
    let name = text_of(block, "name", at)?.to_owned();
    let input = given(block, "input");
    if let Some(input) = input {
        shape::object(input, &at.key("input"))?;
    }
    if let Some(caller) = given(block, "caller") {
        let caller_at = at.key("caller");
        if text_of(shape::object(caller, &caller_at)?, "type", &caller_at)? != "direct" {
            places.note(&caller_at);
        }
    }
    places.note_rest(block, &["type", "id", "name", "input", "caller"], at);
    names.insert(id.clone(), name.clone());
    Ok(Part::ToolCall(ToolCall { id, name, arguments: arguments(input), signature }))
}

fn tool_result(block: &JsonObject, at: &Path<'_>, names: &ToolNames, places: &mut NotedPlaces) -> Shaped<Part> {
    let (id, _) = unpack(call_id(block, "tool_use_id", at)?);
    let mut parts = Vec::new();
    match given(block, "content") {
        None => {}
        Some(Value::String(text)) => parts.push(Part::Text(text.clone())),
        Some(value) => {
            let at = at.key("content");
            for (index, block) in blocks(value, &at)?.iter().enumerate() {
                let at = at.index(index);
                let block = shape::object(block, &at)?;
                if text_of(block, "type", &at)? == "tool_reference" {
                    // Announces a deferred tool; in other dialects it was present from the beginning.
                    places.note_rest(block, &["type", "tool_name"], &at);
                    parts.push(Part::Text(text_of(block, "tool_name", &at)?.to_owned()));
                } else {
                    shown(block, &at, places, &mut parts)?;
                }
            }
        }
    }
    let is_error = boolean_if(block, "is_error", at)?.unwrap_or(false);
    places.note_rest(block, &["type", "tool_use_id", "content", "is_error"], at);
    Ok(Part::ToolResult(ToolResult { name: names.get(&id).cloned(), id, content: parts, is_error }))
}

fn call_id<'v>(block: &'v JsonObject, key: &str, at: &Path<'_>) -> Shaped<&'v str> {
    match text_of(block, key, at)? {
        "" => Err(at.key(key).invalid("must not be empty")),
        id => Ok(id),
    }
}

fn source<'v>(block: &'v JsonObject, at: &Path<'_>) -> Shaped<&'v JsonObject> {
    shape::object(given(block, "source").ok_or_else(|| at.invalid("is missing"))?, at)
}

/// An image, or `None` if its source is recorded as one that only Anthropic can read.
fn image(block: &JsonObject, at: &Path<'_>, places: &mut NotedPlaces) -> Shaped<Option<Media>> {
    let at = at.key("source");
    media(source(block, &at)?, &at, None, places)
}

fn media(
    source: &JsonObject,
    at: &Path<'_>,
    url_type: Option<&str>,
    places: &mut NotedPlaces,
) -> Shaped<Option<Media>> {
    let (media_type, found) = match text_of(source, "type", at)? {
        "base64" => {
            places.note_rest(source, &["type", "media_type", "data"], at);
            let data = text_of(source, "data", at)?.to_owned();
            (Some(text_of(source, "media_type", at)?), MediaSource::Base64(data))
        }
        "url" => {
            places.note_rest(source, &["type", "url"], at);
            (url_type, MediaSource::Url(text_of(source, "url", at)?.to_owned()))
        }
        other => {
            places.note_value(&at.key("type"), other);
            return Ok(None);
        }
    };
    Ok(Some(Media { media_type: media_type.map(str::to_owned), source: found, filename: None, detail: None }))
}

/// A document. PDFs are media; plain documents become text with title and context above it, as Anthropic presents them
/// to the model.
fn document(block: &JsonObject, at: &Path<'_>, places: &mut NotedPlaces, parts: &mut Vec<Part>) -> Shaped<()> {
    places.note_rest(block, &["type", "source", "title", "context", "citations"], at);
    citations(block, at, places)?;
    let title = text_if(block, "title", at)?.filter(|title| !title.is_empty());
    let context = text_if(block, "context", at)?.filter(|context| !context.is_empty());
    let at = at.key("source");
    let source = source(block, &at)?;
    let heading = |title: Option<&str>| [title, context].into_iter().flatten().collect::<Vec<_>>().join("\n");
    match text_of(source, "type", &at)? {
        "text" => {
            places.note_rest(source, &["type", "media_type", "data"], &at);
            let data = text_of(source, "data", &at)?;
            let heading = heading(title);
            parts.push(Part::Text(if heading.is_empty() { data.to_owned() } else { format!("{heading}\n\n{data}") }));
        }
        "content" => {
            places.note_rest(source, &["type", "content"], &at);
            let heading = heading(title);
            if !heading.is_empty() {
                parts.push(Part::Text(heading));
            }
            let at = at.key("content");
            match given(source, "content").ok_or_else(|| at.invalid("is missing"))? {
                Value::String(text) => parts.push(Part::Text(text.clone())),
                value => {
                    for (index, block) in blocks(value, &at)?.iter().enumerate() {
                        let at = at.index(index);
                        let block = shape::object(block, &at)?;
                        match text_of(block, "type", &at)? {
                            "text" | "image" => shown(block, &at, places, parts)?,
                            other => places.note_value(&at.key("type"), other),
                        }
                    }
                }
            }
        }
        _ => {
            let heading = heading(None);
            if !heading.is_empty() {
                parts.push(Part::Text(heading));
            }
            if let Some(mut media) = media(source, &at, Some("application/pdf"), places)? {
                media.filename = title.map(str::to_owned);
                parts.push(Part::Media(media));
            }
        }
    }
    Ok(())
}

/// A search result, as text: title, source, and content.
fn search_result(block: &JsonObject, at: &Path<'_>, places: &mut NotedPlaces) -> Shaped<String> {
    places.note_rest(block, &["type", "source", "title", "content", "citations"], at);
    citations(block, at, places)?;
    let mut text = format!("{}\n{}", text_of(block, "title", at)?, text_of(block, "source", at)?);
    let at = at.key("content");
    let found = given(block, "content").ok_or_else(|| at.invalid("is missing"))?;
    for (index, block) in shape::list(found, &at)?.iter().enumerate() {
        let at = at.index(index);
        text.push_str("\n\n");
        text.push_str(&plain_text(shape::object(block, &at)?, &at, places)?);
    }
    Ok(text)
}

/// Records that citations are requested, which changes the answer.
fn citations(block: &JsonObject, at: &Path<'_>, places: &mut NotedPlaces) -> Shaped<()> {
    if let Some(config) = given(block, "citations") {
        let at = at.key("citations");
        let config = shape::object(config, &at)?;
        if boolean_if(config, "enabled", &at)? == Some(true) {
            places.note(&at.key("enabled"));
        }
    }
    Ok(())
}
