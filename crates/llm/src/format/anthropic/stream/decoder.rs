//! Decodes an upstream's stream, event by event.
//!
//! ```text
//! message_start
//!   (content_block_start  content_block_delta…  content_block_stop)…
//! message_delta            stop reason, cumulative usage
//! message_stop             or `error`, at any point
//! ```
//!
//! Events, blocks and deltas of unknown kinds are skipped: new ones are added without notice.

use std::collections::HashMap;

use serde_json::Value;

use crate::Malformed;
use crate::chat::citation::CitedBlocks;
use crate::chat::{ChatEvent, StreamError};
use crate::format::anthropic::citations;
use crate::format::anthropic::response::{arguments, finish, malformed};
use crate::format::anthropic::usage::UsageStatements;
use crate::framing;

#[derive(Debug, Default)]
pub struct Decoder {
    blocks: HashMap<u64, Block>,
    calls: usize,
    cited: CitedBlocks,
    spent: UsageStatements,
    over: bool,
}

/// An open block of the upstream.
#[derive(Debug)]
enum Block {
    /// Text or thinking: the type of each delta distinguishes them.
    Words,
    Call {
        index: usize,
        /// The arguments in the start of the block, used at its end if there was no delta.
        whole: String,
        has_arguments: bool,
    },
    /// A block of a tool that the provider runs, or of an unknown kind.
    Other,
}

impl Decoder {
    /// Decodes one event, and appends the result to `out`.
    ///
    /// # Errors
    /// [`Malformed`] if the data is not JSON, or lacks required fields.
    pub fn push(&mut self, event: &framing::Event, out: &mut Vec<ChatEvent>) -> Result<(), Malformed> {
        let Some(data) = event.data().filter(|data| !data.trim().is_empty()) else { return Ok(()) };
        // Some servers of this dialect send OpenAI's `[DONE]` after `message_stop`.
        if self.over || data.trim() == "[DONE]" {
            return Ok(());
        }
        let data: Value =
            serde_json::from_str(&data).map_err(|error| malformed(format!("event is not JSON: {error}")))?;
        let kind = data.get("type").and_then(Value::as_str).unwrap_or(event.name());
        match kind {
            "message_start" => self.message_start(&data, out),
            "content_block_start" => self.block_start(&data, out)?,
            "content_block_delta" => self.block_delta(&data, out),
            "content_block_stop" => {
                if let Some(block) = position(&data).and_then(|position| self.blocks.remove(&position)) {
                    close(block, out);
                }
                out.extend(self.cited.end().map(ChatEvent::Citation));
            }
            "message_delta" => self.message_delta(&data, out),
            "message_stop" => {
                self.close_all(out);
                self.over = true;
                out.push(ChatEvent::End);
            }
            _ if kind == "error" || data.get("error").is_some_and(Value::is_object) => {
                self.over = true;
                out.push(ChatEvent::Error(stream_error(&data)));
            }
            "" => return Err(malformed("event has no `type`")),
            _ => {}
        }
        Ok(())
    }

    fn message_start(&mut self, data: &Value, out: &mut Vec<ChatEvent>) {
        let message = data.get("message");
        let text = |key: &str| message.and_then(|m| m.get(key)).and_then(Value::as_str).map(str::to_owned);
        out.push(ChatEvent::Start { id: text("id"), model: text("model") });
        if let Some(usage) = message.and_then(|m| m.get("usage")) {
            self.spent.correct(UsageStatements::read(usage).without_output());
            let usage = self.spent.usage();
            if !usage.is_empty() {
                out.push(ChatEvent::Usage(usage));
            }
        }
    }

    fn block_start(&mut self, data: &Value, out: &mut Vec<ChatEvent>) -> Result<(), Malformed> {
        let position = position(data).ok_or_else(|| malformed("content_block_start has no `index`"))?;
        let block = data.get("content_block").ok_or_else(|| malformed("content_block_start has no `content_block`"))?;
        let text = |key: &str| block.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
        let opened = match text("type").unwrap_or_default() {
            "text" => {
                self.cited.text(text("text").unwrap_or_default());
                out.extend(text("text").map(|text| ChatEvent::Text(text.to_owned())));
                Block::Words
            }
            "thinking" => {
                out.extend(text("thinking").map(|text| ChatEvent::Thinking(text.to_owned())));
                out.extend(text("signature").map(|text| ChatEvent::ThinkingSignature(text.to_owned())));
                Block::Words
            }
            "redacted_thinking" => {
                out.extend(text("data").map(|data| ChatEvent::RedactedThinking(data.to_owned())));
                Block::Other
            }
            "tool_use" => {
                let wanted = |key: &str| text(key).ok_or_else(|| malformed(format!("a tool_use block has no `{key}`")));
                let (id, name) = (wanted("id")?.to_owned(), wanted("name")?.to_owned());
                let index = self.calls;
                self.calls += 1;
                out.push(ChatEvent::ToolCall { index, id, name, signature: None });
                Block::Call { index, whole: arguments(block.get("input")), has_arguments: false }
            }
            _ => Block::Other,
        };
        self.blocks.insert(position, opened);
        Ok(())
    }

    fn block_delta(&mut self, data: &Value, out: &mut Vec<ChatEvent>) {
        let Some(delta) = data.get("delta") else { return };
        let text = |key: &str| delta.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
        let block = position(data).and_then(|position| self.blocks.get_mut(&position));
        match (delta.get("type").and_then(Value::as_str).unwrap_or_default(), block) {
            (_, Some(Block::Other)) => {}
            ("text_delta", _) => {
                self.cited.text(text("text").unwrap_or_default());
                out.extend(text("text").map(|text| ChatEvent::Text(text.to_owned())));
            }
            ("citations_delta", _) => self.cited.cite(delta.get("citation").and_then(citations::decode)),
            ("thinking_delta", _) => out.extend(text("thinking").map(|text| ChatEvent::Thinking(text.to_owned()))),
            ("signature_delta", _) => {
                out.extend(text("signature").map(|text| ChatEvent::ThinkingSignature(text.to_owned())));
            }
            ("input_json_delta", Some(Block::Call { index, has_arguments, .. })) => {
                if let Some(fragment) = text("partial_json") {
                    *has_arguments = true;
                    out.push(ChatEvent::ToolArguments { index: *index, fragment: fragment.to_owned() });
                }
            }
            _ => {}
        }
    }

    fn message_delta(&mut self, data: &Value, out: &mut Vec<ChatEvent>) {
        self.close_all(out);
        if let Some(usage) = data.get("usage") {
            self.spent.correct(UsageStatements::read(usage));
            let usage = self.spent.usage();
            if !usage.is_empty() {
                out.push(ChatEvent::Usage(usage));
            }
        }
        let delta = |key: &str| data.get("delta").and_then(|delta| delta.get(key)).and_then(Value::as_str);
        if let Some(reason) = delta("stop_reason") {
            let stop_sequence = delta("stop_sequence").map(str::to_owned);
            out.push(ChatEvent::Finish { reason: finish(reason), stop_sequence });
        }
    }

    /// Ends the blocks that the upstream left open.
    fn close_all(&mut self, out: &mut Vec<ChatEvent>) {
        let mut left: Vec<(u64, Block)> = self.blocks.drain().collect();
        left.sort_by_key(|(position, _)| *position);
        for (_, block) in left {
            close(block, out);
        }
        out.extend(self.cited.end().map(ChatEvent::Citation));
    }
}

/// A call without arguments has no delta for them.
fn close(block: Block, out: &mut Vec<ChatEvent>) {
    if let Block::Call { index, whole, has_arguments: false } = block {
        out.push(ChatEvent::ToolArguments { index, fragment: whole });
    }
}

fn position(data: &Value) -> Option<u64> {
    data.get("index").and_then(Value::as_u64)
}

fn stream_error(data: &Value) -> StreamError {
    let error = data.get("error");
    let text = |key: &str| error.and_then(|e| e.get(key)).and_then(Value::as_str).map(str::to_owned);
    let kind = text("type").unwrap_or_else(|| "api_error".to_owned());
    let status = status(&kind);
    StreamError { kind, message: text("message").unwrap_or_else(|| "no message was given".to_owned()), status }
}

/// The status with which Anthropic answers an error of this type outside of a stream.
fn status(kind: &str) -> Option<u16> {
    Some(match kind {
        "invalid_request_error" => 400,
        "authentication_error" => 401,
        "billing_error" => 402,
        "permission_error" => 403,
        "not_found_error" => 404,
        "request_too_large" => 413,
        "rate_limit_error" => 429,
        "api_error" => 500,
        "timeout_error" => 504,
        "overloaded_error" => 529,
        _ => return None,
    })
}
