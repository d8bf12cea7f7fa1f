//! Encodes the turns of a conversation for Anthropic's API.
//!
//! - Consecutive turns of one role become one turn. The first is the user's: if a conversation begins
//!   with the assistant, or has no turn at all, a user's turn of [`OPENING`] is inserted before it.
//! - Results of tools come first in a user's turn.
//! - Texts that are only white space are omitted, and the end of the last turn is trimmed if it is the
//!   assistant's: Anthropic refuses both.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::response::input;
use super::tool_id;
use crate::chat::cache::{CacheLife, CacheMarks, PrefixEnd};
use crate::chat::origin::Origin;
use crate::chat::{Media, MediaSource, Message, Part, Role, Thought, ToolResult, object};
use crate::{Dialect, RequestError};

/// The first user's turn if the conversation begins with the assistant.
const OPENING: &str = ".";

/// The turns, and what was omitted from them.
#[derive(Debug, Default)]
pub struct MessageTurns {
    pub turns: Vec<MessageTurn>,
    pub left_out: Vec<&'static str>,
}

#[derive(Debug)]
pub struct MessageTurn {
    pub role: Role,
    pub blocks: Vec<Value>,
}

impl MessageTurn {
    pub fn into_value(self) -> Value {
        let role = match self.role {
            Role::User => "user",
            Role::Assistant => "assistant",
        };
        object([("role", json!(role)), ("content", Value::Array(self.blocks))])
    }

    fn first_type(&self) -> &str {
        self.blocks.first().and_then(|block| block.get("type")).and_then(Value::as_str).unwrap_or_default()
    }
}

/// Encodes the messages, with the thinking blocks of one origin, or with none.
///
/// # Errors
/// [`RequestError::Unsupported`] for media that Anthropic can't read.
pub fn of(messages: &[Message], thinks: Option<&Origin>, cache: &CacheMarks) -> Result<MessageTurns, RequestError> {
    let mut encoded = MessageTurns::default();
    for (message, Message { role, parts }) in messages.iter().enumerate() {
        for (at, part) in parts.iter().enumerate() {
            if let Some(mut block) = encoded.block(part, thinks)? {
                let life = cache.at(PrefixEnd::Part { message, part: at });
                // Thinking cannot be marked.
                if let Some(life) = life.filter(|_| !matches!(part, Part::Thinking(_))) {
                    block["cache_control"] = cache_control(life);
                }
                encoded.add(*role, block);
            }
        }
    }
    if let Some(last) = encoded.turns.last_mut().filter(|turn| turn.role == Role::Assistant)
        && let Some(text) = last.blocks.last_mut().and_then(|block| block.get_mut("text"))
    {
        *text = Value::from(text.as_str().unwrap_or_default().trim_end());
    }
    if encoded.turns.first().is_none_or(|turn| turn.role == Role::Assistant) {
        encoded
            .turns
            .insert(0, MessageTurn { role: Role::User, blocks: vec![json!({"type": "text", "text": OPENING})] });
    }
    for turn in &mut encoded.turns {
        // Stable: results keep their order, and so do other blocks.
        turn.blocks.sort_by_key(|block| block["type"] != "tool_result");
    }
    Ok(encoded)
}

/// A mark of the prompt's cache.
pub fn cache_control(life: CacheLife) -> Value {
    match life {
        CacheLife::FiveMinutes => json!({"type": "ephemeral"}),
        CacheLife::Hour => json!({"type": "ephemeral", "ttl": "1h"}),
    }
}

/// Whether the current assistant turn, which a model with a thinking budget continues, begins without the thinking that
/// Anthropic then requires.
pub fn lacks_thinking(turns: &[MessageTurn]) -> bool {
    let mut latest = turns.iter().rev();
    let turn = match latest.next() {
        Some(turn) if turn.role == Role::Assistant => Some(turn),
        Some(turn) if turn.first_type() == "tool_result" => latest.next(),
        _ => None,
    };
    turn.is_some_and(|turn| !matches!(turn.first_type(), "thinking" | "redacted_thinking"))
}

impl MessageTurns {
    fn add(&mut self, role: Role, block: Value) {
        match self.turns.last_mut() {
            Some(turn) if turn.role == role => turn.blocks.push(block),
            _ => self.turns.push(MessageTurn { role, blocks: vec![block] }),
        }
    }

    fn leave_out(&mut self, field: &'static str) {
        if !self.left_out.contains(&field) {
            self.left_out.push(field);
        }
    }

    fn block(&mut self, part: &Part, thinks: Option<&Origin>) -> Result<Option<Value>, RequestError> {
        Ok(Some(match part {
            Part::Text(text) | Part::Refusal(text) => {
                if text.trim().is_empty() {
                    return Ok(None);
                }
                json!({"type": "text", "text": text})
            }
            Part::Media(media) => self.media(media)?,
            Part::ToolCall(call) => {
                if call.signature.is_some() {
                    // Gemini's signature; the client keeps it in the id of the call.
                    self.leave_out("thought_signature");
                }
                object([
                    ("type", json!("tool_use")),
                    ("id", json!(tool_id::fit(&call.id))),
                    ("name", json!(call.name)),
                    ("input", input(&call.arguments)),
                ])
            }
            Part::ToolResult(result) => self.result(result)?,
            Part::Thinking(thought) => match thinks.and_then(|origin| thinking(thought, origin)) {
                Some(block) => block,
                None => {
                    self.leave_out("thinking");
                    return Ok(None);
                }
            },
        }))
    }

    fn result(&mut self, result: &ToolResult) -> Result<Value, RequestError> {
        let mut block = json!({"type": "tool_result", "tool_use_id": tool_id::fit(&result.id)});
        match result.content.as_slice() {
            [Part::Text(text)] if !text.trim().is_empty() => block["content"] = Value::from(text.as_str()),
            parts => {
                let mut blocks = Vec::new();
                for part in parts {
                    blocks.extend(self.block(part, None)?);
                }
                if !blocks.is_empty() {
                    block["content"] = Value::Array(blocks);
                }
            }
        }
        if result.is_error {
            block["is_error"] = Value::Bool(true);
        }
        Ok(block)
    }

    /// An image or a document. Of URLs without a type, only `….pdf` counts as a document.
    fn media(&mut self, media: &Media) -> Result<Value, RequestError> {
        if media.detail.as_deref().is_some_and(|detail| detail != "auto") {
            self.leave_out("detail");
        }
        let media_type = media.media_type.as_deref().unwrap_or_default().to_ascii_lowercase();
        let unsupported =
            |what: &str| RequestError::Unsupported { field: what.to_owned(), upstream: Dialect::Anthropic };
        let (kind, source) = match &media.source {
            MediaSource::Base64(data) => match media_type.as_str() {
                "image/jpeg" | "image/png" | "image/gif" | "image/webp" => {
                    ("image", json!({"type": "base64", "media_type": media_type, "data": data}))
                }
                "image/jpg" => ("image", json!({"type": "base64", "media_type": "image/jpeg", "data": data})),
                "application/pdf" => {
                    ("document", json!({"type": "base64", "media_type": "application/pdf", "data": data}))
                }
                text if text.starts_with("text/") => {
                    let data = STANDARD.decode(data).ok().and_then(|bytes| String::from_utf8(bytes).ok());
                    let data = data.ok_or_else(|| unsupported("a text document that is not UTF-8 in base64"))?;
                    ("document", json!({"type": "text", "media_type": "text/plain", "data": data}))
                }
                "" => return Err(unsupported("media without a type")),
                other => return Err(unsupported(&format!("media of type {other}"))),
            },
            MediaSource::Url(url) => {
                let path = url.split(['?', '#']).next().unwrap_or_default().to_ascii_lowercase();
                let kind = match media_type.as_str() {
                    "application/pdf" => "document",
                    "" if path.ends_with(".pdf") => "document",
                    "" => "image",
                    image if image.starts_with("image/") => "image",
                    other => return Err(unsupported(&format!("media of type {other}"))),
                };
                (kind, json!({"type": "url", "url": url}))
            }
        };
        let mut block = object([("type", json!(kind)), ("source", source)]);
        if let (Some(name), "document") = (&media.filename, kind) {
            block["title"] = Value::from(name.as_str());
        }
        Ok(block)
    }
}

/// A thought that this server signed.
fn thinking(thought: &Thought, origin: &Origin) -> Option<Value> {
    if thought.origin.as_ref() != Some(origin) {
        return None;
    }
    if let Some(data) = &thought.redacted {
        return Some(json!({"type": "redacted_thinking", "data": data}));
    }
    // Claude may omit the text.
    let text = thought.text.as_deref().unwrap_or_default();
    thought.signature.as_ref().map(|signature| json!({"type": "thinking", "thinking": text, "signature": signature}))
}
