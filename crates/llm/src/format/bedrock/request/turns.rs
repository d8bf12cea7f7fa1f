//! Encodes the turns of a conversation for Converse.
//!
//! - Consecutive turns of one role become one turn. The first is the user's: if a conversation begins with the
//!   assistant, or has no turn at all, a user's turn of [`OPENING`] is inserted before it.
//! - Results of tools come first in a user's turn.
//! - Texts that are only white space are omitted, and a document gets a text of [`OPENING`] beside it if there is none:
//!   AWS refuses both.

use serde_json::{Value, json};

use crate::chat::cache::{CacheMarks, PrefixEnd};
use crate::chat::origin::Origin;
use crate::chat::{Message, Part, Role, Thought, ToolCall, ToolResult, object};
use crate::format::anthropic::response::input;
use crate::format::bedrock::media::{self, DocumentNames, EncodedMedia};
use crate::format::bedrock::tool_id;
use crate::{Dialect, RequestError};

/// The text of a user's turn that would have none.
const OPENING: &str = ".";

/// The turns, and what was omitted from them.
#[derive(Debug, Default)]
pub(super) struct ConverseTurns {
    turns: Vec<(Role, Vec<Value>)>,
    pub left_out: Vec<&'static str>,
    /// The names of documents.
    names: DocumentNames,
}

/// Encodes the messages, with the signed thoughts of one origin. Those without a signature are omitted: several models
/// there refuse them.
///
/// # Errors
/// [`RequestError::Unsupported`] for media that AWS can't read.
pub(super) fn of(
    messages: &[Message],
    origin: &Origin,
    cache: Option<&CacheMarks>,
) -> Result<ConverseTurns, RequestError> {
    let mut encoded = ConverseTurns::default();
    for (message, Message { role, parts }) in messages.iter().enumerate() {
        for (at, part) in parts.iter().enumerate() {
            if let Some(block) = encoded.block(part, *role, origin)? {
                encoded.add(*role, block);
                if cache.is_some_and(|cache| cache.at(PrefixEnd::Part { message, part: at }).is_some()) {
                    encoded.add(*role, cache_point());
                }
            }
        }
    }
    if encoded.turns.first().is_none_or(|(role, _)| *role == Role::Assistant) {
        encoded.turns.insert(0, (Role::User, vec![json!({"text": OPENING})]));
    }
    for (role, blocks) in &mut encoded.turns {
        // Stable: results keep their order, and so do other blocks.
        blocks.sort_by_key(|block| block.get("toolResult").is_none());
        let has = |kind: &str| blocks.iter().any(|block| block.get(kind).is_some());
        if *role == Role::User && has("document") && !has("text") {
            blocks.push(json!({"text": OPENING}));
        }
    }
    Ok(encoded)
}

/// A mark of the prompt's cache.
pub(super) fn cache_point() -> Value {
    json!({"cachePoint": {"type": "default"}})
}

/// A signed thought as a block.
fn signed(thought: &Thought) -> Option<Value> {
    let content = match (&thought.redacted, &thought.signature) {
        (Some(data), _) => json!({"redactedContent": data}),
        (None, Some(signature)) => {
            let text = thought.text.as_deref().unwrap_or_default();
            json!({"reasoningText": {"text": text, "signature": signature}})
        }
        (None, None) => return None,
    };
    Some(json!({"reasoningContent": content}))
}

impl ConverseTurns {
    pub(super) fn into_value(self) -> Value {
        let turns = self.turns.into_iter().map(|(role, blocks)| {
            let role = if role == Role::User { "user" } else { "assistant" };
            object([("role", json!(role)), ("content", Value::Array(blocks))])
        });
        Value::Array(turns.collect())
    }

    /// Asks for citations of all documents.
    pub(super) fn cite_documents(&mut self) {
        let blocks = self.turns.iter_mut().flat_map(|(_, blocks)| blocks);
        for document in blocks.filter_map(|block| block.get_mut("document")) {
            document["citations"] = json!({"enabled": true});
        }
    }

    fn add(&mut self, role: Role, block: Value) {
        match self.turns.last_mut() {
            Some((last, blocks)) if *last == role => blocks.push(block),
            _ => self.turns.push((role, vec![block])),
        }
    }

    fn leave_out(&mut self, field: &'static str) {
        if !self.left_out.contains(&field) {
            self.left_out.push(field);
        }
    }

    fn block(&mut self, part: &Part, role: Role, origin: &Origin) -> Result<Option<Value>, RequestError> {
        Ok(match part {
            Part::Text(text) | Part::Refusal(text) => (!text.trim().is_empty()).then(|| json!({"text": text})),
            Part::Media(_) if role == Role::Assistant => {
                return Err(unsupported("a picture or document in the assistant's turn"));
            }
            Part::Media(media) => Some(self.media(media)?),
            Part::ToolCall(call) => Some(self.call(call)?),
            Part::ToolResult(result) => Some(self.result(result)?),
            Part::Thinking(thought) => {
                let block = signed(thought).filter(|_| thought.origin.as_ref() == Some(origin));
                if block.is_none() {
                    self.leave_out("thinking");
                }
                block
            }
        })
    }

    fn call(&mut self, call: &ToolCall) -> Result<Value, RequestError> {
        check_name(&call.name)?;
        if call.signature.is_some() {
            // Gemini's signature; the client keeps it in the id of the call.
            self.leave_out("thought_signature");
        }
        let called = [
            ("toolUseId", json!(tool_id::fit(&call.id))),
            ("name", json!(call.name)),
            ("input", input(&call.arguments)),
        ];
        Ok(object([("toolUse", object(called))]))
    }

    fn result(&mut self, result: &ToolResult) -> Result<Value, RequestError> {
        let mut content = Vec::with_capacity(result.content.len());
        for part in &result.content {
            // A result contains nothing else.
            if matches!(part, Part::Text(_) | Part::Refusal(_) | Part::Media(_)) {
                content.extend(self.block(part, Role::User, &Origin::UNKNOWN)?);
            }
        }
        if content.is_empty() {
            // A list without elements, and a text without characters, are refused.
            content.push(json!({"json": {}}));
        }
        let status = if result.is_error { "error" } else { "success" };
        let told = [
            ("toolUseId", json!(tool_id::fit(&result.id))),
            ("content", Value::Array(content)),
            ("status", json!(status)),
        ];
        Ok(object([("toolResult", object(told))]))
    }

    fn media(&mut self, media: &crate::chat::Media) -> Result<Value, RequestError> {
        if media.detail.as_deref().is_some_and(|detail| detail != "auto") {
            self.leave_out("detail");
        }
        match media::encode(media, &mut self.names).map_err(|what| unsupported(&what))? {
            EncodedMedia::Picture(block) | EncodedMedia::Document(block) => Ok(block),
        }
    }
}

/// Another name for the tool would have to be reverted in the answer, where the request is not known.
pub(super) fn check_name(name: &str) -> Result<(), RequestError> {
    match tool_id::is_name(name) {
        true => Ok(()),
        false => Err(unsupported(&format!("the tool name `{name}`"))),
    }
}

pub(super) fn unsupported(field: &str) -> RequestError {
    RequestError::Unsupported { field: field.to_owned(), upstream: Dialect::Bedrock }
}
