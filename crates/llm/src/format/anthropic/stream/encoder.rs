//! Encodes a stream for a caller, as Anthropic's events.
//!
//! Blocks of this dialect follow each other, while other upstreams may interleave pieces of several calls. So one block
//! is open at a time, and pieces of later blocks wait:
//!
//! ```text
//! closed ──text, thinking──▶ open words ──anything else──▶ closed
//!    └───────call──────────▶ open call ──its arguments are whole, and something waits──▶ closed
//!                               └─ until then all other pieces are queued, in order
//! ```
//!
//! `message_start` waits for the first content, so that it includes usage that is known by then. `message_delta` waits
//! for the stop reason *and* the usage, or for the end.

use std::collections::VecDeque;

use serde_json::{Value, json};

use crate::Answer;
use crate::chat::mark::mark;
use crate::chat::{ChatEvent, Finish, StreamError, Thought};
use crate::format::anthropic::response::{call_id, message_id, picture, stop_reason};
use crate::format::anthropic::usage;
use crate::framing::sse;
use crate::json::object_end::ObjectEnd;
use crate::usage::Usage;

#[derive(Debug)]
pub struct Encoder {
    answer: Answer,
    id: Option<String>,
    model: Option<String>,
    usage: Usage,
    finish: Option<(Finish, Option<String>)>,
    stage: Stage,
    /// The number of blocks that were started.
    begun: usize,
    open: Option<OpenBlock>,
    waiting: VecDeque<WaitingPiece>,
    calls: bool,
    refused: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Nothing was written.
    Before,
    /// `message_start` was written.
    Begun,
    /// `message_delta` was written.
    Told,
    /// `message_stop` or an error was written.
    Over,
}

/// The block that is being written; it is the last one started.
#[derive(Debug)]
enum OpenBlock {
    Text,
    Thinking,
    Call { index: usize, end: ObjectEnd },
}

/// A piece that waits for the open call to end.
#[derive(Debug)]
enum WaitingPiece {
    Call { index: usize, id: String, name: String, arguments: String },
    Words(BlockPiece),
}

#[derive(Clone, Debug)]
enum BlockPiece {
    Text(String),
    Thinking(String),
    Signature(String),
    Redacted(String),
}

impl Encoder {
    /// A stream with nothing written yet.
    #[must_use]
    pub fn new(answer: Answer) -> Self {
        Encoder {
            answer,
            id: None,
            model: None,
            usage: Usage::default(),
            finish: None,
            stage: Stage::Before,
            begun: 0,
            open: None,
            waiting: VecDeque::new(),
            calls: false,
            refused: false,
        }
    }

    /// Writes an event. After an error or the end nothing more is written.
    pub fn push(&mut self, event: &ChatEvent, out: &mut Vec<u8>) {
        if self.stage == Stage::Over {
            return;
        }
        match event {
            ChatEvent::Start { id, model } => {
                self.id.clone_from(id);
                self.model.clone_from(model);
            }
            ChatEvent::Usage(usage) => {
                self.usage.merge(usage);
                // The service tier may be reported without numbers.
                if self.finish.is_some() && !usage.is_empty() {
                    self.write_delta(out);
                }
            }
            ChatEvent::Finish { reason, stop_sequence } => {
                self.finish = Some((*reason, stop_sequence.clone()));
                self.flush(out);
            }
            ChatEvent::Error(error) => {
                self.stage = Stage::Over;
                sse::write(Some("error"), &error_body(error), out);
            }
            ChatEvent::End => {
                self.flush(out);
                self.write_delta(out);
                self.stage = Stage::Over;
                sse::write(Some("message_stop"), &json!({"type": "message_stop"}), out);
            }
            content => {
                if self.stage != Stage::Told {
                    self.content(content, out);
                }
            }
        }
    }

    fn content(&mut self, event: &ChatEvent, out: &mut Vec<u8>) {
        let words = match event {
            ChatEvent::Text(text) => BlockPiece::Text(text.clone()),
            ChatEvent::Refusal(text) => {
                self.refused |= !text.is_empty();
                BlockPiece::Text(text.clone())
            }
            ChatEvent::Thinking(text) => BlockPiece::Thinking(text.clone()),
            ChatEvent::ThinkingSignature(signature) => BlockPiece::Signature(signature.clone()),
            ChatEvent::RedactedThinking(data) => BlockPiece::Redacted(data.clone()),
            ChatEvent::Media(media) => BlockPiece::Text(picture(media)),
            ChatEvent::ToolCall { index, id, name, signature } => {
                self.calls = true;
                let call = WaitingPiece::Call {
                    index: *index,
                    id: call_id(id, signature.as_deref(), &self.answer.origin),
                    name: name.clone(),
                    arguments: String::new(),
                };
                return self.take(call, out);
            }
            ChatEvent::ToolArguments { index, fragment } => return self.arguments(*index, fragment, out),
            ChatEvent::Start { .. }
            | ChatEvent::Usage(_)
            | ChatEvent::Finish { .. }
            | ChatEvent::Error(_)
            | ChatEvent::End => return,
        };
        if !words.is_empty() {
            self.take(WaitingPiece::Words(words), out);
        }
    }

    /// Writes a piece, or queues it while a call is open that has not ended.
    fn take(&mut self, piece: WaitingPiece, out: &mut Vec<u8>) {
        self.waiting.push_back(piece);
        self.advance(out);
    }

    fn arguments(&mut self, index: usize, fragment: &str, out: &mut Vec<u8>) {
        if fragment.is_empty() {
            return;
        }
        if let Some(OpenBlock::Call { index: open, end }) = &mut self.open
            && *open == index
        {
            end.push(fragment);
            self.delta(&json!({"type": "input_json_delta", "partial_json": fragment}), out);
            return self.advance(out);
        }
        // A fragment of a call that has ended, or never began, is dropped.
        for piece in &mut self.waiting {
            if let WaitingPiece::Call { index: waiting, arguments, .. } = piece
                && *waiting == index
            {
                arguments.push_str(fragment);
            }
        }
    }

    /// Writes queued pieces, up to the first unfinished call.
    fn advance(&mut self, out: &mut Vec<u8>) {
        while !self.waiting.is_empty() {
            if let Some(OpenBlock::Call { end, .. }) = &self.open
                && !end.is_whole()
            {
                return;
            }
            self.write_next(out);
        }
    }

    /// Writes all queued pieces and closes the last block: the stream ends.
    fn flush(&mut self, out: &mut Vec<u8>) {
        while !self.waiting.is_empty() {
            self.write_next(out);
        }
        self.close(out);
    }

    fn write_next(&mut self, out: &mut Vec<u8>) {
        match self.waiting.pop_front() {
            None => {}
            Some(WaitingPiece::Call { index, id, name, arguments }) => {
                self.begin(&json!({"type": "tool_use", "id": id, "name": name, "input": {}}), out);
                if !arguments.is_empty() {
                    self.delta(&json!({"type": "input_json_delta", "partial_json": arguments}), out);
                }
                let mut end = ObjectEnd::default();
                end.push(&arguments);
                self.open = Some(OpenBlock::Call { index, end });
            }
            Some(WaitingPiece::Words(words)) => self.write_words(&words, out),
        }
    }

    fn write_words(&mut self, words: &BlockPiece, out: &mut Vec<u8>) {
        match words {
            BlockPiece::Text(text) => {
                if !matches!(self.open, Some(OpenBlock::Text)) {
                    self.begin(&json!({"type": "text", "text": ""}), out);
                    self.open = Some(OpenBlock::Text);
                }
                self.delta(&json!({"type": "text_delta", "text": text}), out);
            }
            BlockPiece::Thinking(_) | BlockPiece::Signature(_) => {
                if !matches!(self.open, Some(OpenBlock::Thinking)) {
                    self.begin(&json!({"type": "thinking", "thinking": "", "signature": ""}), out);
                    self.open = Some(OpenBlock::Thinking);
                }
                match words {
                    BlockPiece::Signature(signature) => self.sign(Some(signature), out),
                    BlockPiece::Thinking(text) | BlockPiece::Text(text) | BlockPiece::Redacted(text) => {
                        self.delta(&json!({"type": "thinking_delta", "thinking": text}), out);
                    }
                }
            }
            BlockPiece::Redacted(data) => {
                let thought = Thought { redacted: Some(data.clone()), ..Thought::default() };
                let data = mark(&self.answer.origin, &thought);
                self.begin(&json!({"type": "redacted_thinking", "data": data}), out);
                self.stop_last(out);
            }
        }
    }

    /// Closes the open block and starts another one.
    fn begin(&mut self, block: &Value, out: &mut Vec<u8>) {
        self.start(out);
        self.close(out);
        let index = self.begun;
        self.begun += 1;
        let event = json!({"type": "content_block_start", "index": index, "content_block": block});
        sse::write(Some("content_block_start"), &event, out);
    }

    fn delta(&mut self, delta: &Value, out: &mut Vec<u8>) {
        let index = self.begun.saturating_sub(1);
        sse::write(
            Some("content_block_delta"),
            &json!({"type": "content_block_delta", "index": index, "delta": delta}),
            out,
        );
    }

    fn close(&mut self, out: &mut Vec<u8>) {
        match self.open.take() {
            None => {}
            Some(OpenBlock::Thinking) => self.sign(None, out),
            Some(OpenBlock::Text | OpenBlock::Call { .. }) => self.stop_last(out),
        }
    }

    /// Ends the thinking with the mark, which shows later that the thought is not Anthropic's.
    fn sign(&mut self, signature: Option<&str>, out: &mut Vec<u8>) {
        self.open = None;
        let thought = Thought { signature: signature.map(str::to_owned), ..Thought::default() };
        let signature = mark(&self.answer.origin, &thought);
        self.delta(&json!({"type": "signature_delta", "signature": signature}), out);
        self.stop_last(out);
    }

    fn stop_last(&mut self, out: &mut Vec<u8>) {
        let index = self.begun.saturating_sub(1);
        sse::write(Some("content_block_stop"), &json!({"type": "content_block_stop", "index": index}), out);
    }

    fn start(&mut self, out: &mut Vec<u8>) {
        if self.stage != Stage::Before {
            return;
        }
        self.stage = Stage::Begun;
        let message = json!({
            "id": message_id(self.id.as_deref(), &self.answer),
            "type": "message",
            "role": "assistant",
            "model": self.model.as_deref().unwrap_or(&self.answer.model),
            "content": [],
            "stop_reason": null,
            "stop_sequence": null,
            "usage": usage::encode(&self.usage),
        });
        sse::write(Some("message_start"), &json!({"type": "message_start", "message": message}), out);
    }

    fn write_delta(&mut self, out: &mut Vec<u8>) {
        self.start(out);
        if self.stage != Stage::Begun {
            return;
        }
        self.stage = Stage::Told;
        // If the upstream gave no reason, none is invented, except for calls, which a client must run.
        let (reason, stop_sequence) = match self.finish.take() {
            Some((finish, stop_sequence)) => (Some(stop_reason(finish, self.calls, self.refused)), stop_sequence),
            None => (self.calls.then_some("tool_use"), None),
        };
        let mut usage = usage::encode(&self.usage);
        if self.usage.input.is_none() {
            // Optional here, unlike in `message_start`.
            usage.remove("input_tokens");
        }
        let event = json!({
            "type": "message_delta",
            "delta": {"stop_reason": reason, "stop_sequence": stop_sequence},
            "usage": usage,
        });
        sse::write(Some("message_delta"), &event, out);
    }
}

impl BlockPiece {
    fn is_empty(&self) -> bool {
        match self {
            BlockPiece::Text(words)
            | BlockPiece::Thinking(words)
            | BlockPiece::Signature(words)
            | BlockPiece::Redacted(words) => words.is_empty(),
        }
    }
}

/// An error with a type that Anthropic's SDKs know: the upstream's own if it is one, else the one for its status.
fn error_body(error: &StreamError) -> Value {
    let kind = match error.kind.as_str() {
        known @ ("invalid_request_error"
        | "authentication_error"
        | "billing_error"
        | "permission_error"
        | "not_found_error"
        | "request_too_large"
        | "rate_limit_error"
        | "api_error"
        | "timeout_error"
        | "overloaded_error") => known,
        _ => match error.status {
            Some(400 | 422) => "invalid_request_error",
            Some(401) => "authentication_error",
            Some(402) => "billing_error",
            Some(403) => "permission_error",
            Some(404) => "not_found_error",
            Some(413) => "request_too_large",
            Some(429) => "rate_limit_error",
            Some(408 | 504) => "timeout_error",
            Some(503 | 529) => "overloaded_error",
            _ => "api_error",
        },
    };
    json!({"type": "error", "error": {"type": kind, "message": error.message}})
}
