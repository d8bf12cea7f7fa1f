//! Encodes a stream for a caller, as Anthropic's events.
//!
//! `message_start` waits for the first content, so that it includes usage that is known by then. `message_delta` waits
//! for the stop reason *and* the usage, or for the end.

use serde_json::{Value, json};

use crate::Answer;
use crate::chat::origin::Origin;
use crate::chat::{ChatEvent, Finish, Media, StreamError};
use crate::format::anthropic::citations;
use crate::format::anthropic::response::{call_id, message_id, picture, stop_reason};
use crate::format::anthropic::usage;
use crate::format::block_queue::{BlockDelta, BlockEvents, BlockQueue, BlockStart, QueuedPiece};
use crate::framing::sse;
use crate::usage::Usage;

#[derive(Debug)]
pub struct Encoder {
    blocks: BlockQueue,
    message: MessageEvents,
}

/// The events, and what those around the blocks say.
#[derive(Debug)]
struct MessageEvents {
    answer: Answer,
    id: Option<String>,
    model: Option<String>,
    usage: Usage,
    finish: Option<(Finish, Option<String>)>,
    stage: Stage,
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

impl Encoder {
    /// A stream with nothing written yet.
    #[must_use]
    pub fn new(answer: Answer) -> Self {
        let (usage, stage) = (Usage::default(), Stage::Before);
        let message = MessageEvents { answer, id: None, model: None, usage, finish: None, stage };
        Encoder { blocks: BlockQueue::default(), message }
    }

    /// Writes an event. After an error or the end nothing more is written.
    pub fn push(&mut self, event: &ChatEvent, out: &mut Vec<u8>) {
        let Encoder { blocks, message } = self;
        if message.stage == Stage::Over {
            return;
        }
        match event {
            ChatEvent::Start { id, model } => {
                message.id.clone_from(id);
                message.model.clone_from(model);
            }
            ChatEvent::Usage(usage) => {
                message.usage.merge(usage);
                // The service tier may be reported without numbers.
                if message.finish.is_some() && !usage.is_empty() {
                    message.write_delta(blocks, out);
                }
            }
            ChatEvent::Finish { reason, stop_sequence } => {
                message.finish = Some((*reason, stop_sequence.clone()));
                blocks.flush(message, out);
            }
            ChatEvent::Error(error) => {
                message.stage = Stage::Over;
                sse::write(Some("error"), &error_body(error), out);
            }
            ChatEvent::End => {
                blocks.flush(message, out);
                message.write_delta(blocks, out);
                message.stage = Stage::Over;
                sse::write(Some("message_stop"), &json!({"type": "message_stop"}), out);
            }
            content => {
                if message.stage != Stage::Told {
                    blocks.content(content, message, out);
                }
            }
        }
    }
}

impl MessageEvents {
    fn write_delta(&mut self, blocks: &BlockQueue, out: &mut Vec<u8>) {
        self.begin_answer(out);
        if self.stage != Stage::Begun {
            return;
        }
        self.stage = Stage::Told;
        // If the upstream gave no reason, none is invented, except for calls, which a client must run.
        let (reason, stop_sequence) = match self.finish.take() {
            Some((finish, stop_sequence)) => (Some(stop_reason(finish, blocks.calls, blocks.refused)), stop_sequence),
            None => (blocks.calls.then_some("tool_use"), None),
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

impl BlockEvents for MessageEvents {
    fn begin_answer(&mut self, out: &mut Vec<u8>) {
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

    fn start(&self, index: usize, block: BlockStart<'_>, out: &mut Vec<u8>) {
        let block = match block {
            BlockStart::Text | BlockStart::Picture(_) => json!({"type": "text", "text": ""}),
            BlockStart::Thinking => json!({"type": "thinking", "thinking": "", "signature": ""}),
            BlockStart::Redacted(data) => json!({"type": "redacted_thinking", "data": data}),
            BlockStart::Call { id, name } => json!({"type": "tool_use", "id": id, "name": name, "input": {}}),
        };
        let event = json!({"type": "content_block_start", "index": index, "content_block": block});
        sse::write(Some("content_block_start"), &event, out);
    }

    fn delta(&self, index: usize, delta: BlockDelta<'_>, out: &mut Vec<u8>) {
        let delta = match delta {
            BlockDelta::Text(text) => json!({"type": "text_delta", "text": text}),
            BlockDelta::Citation(citation) => {
                json!({"type": "citations_delta", "citation": citations::encode(citation, self.origin())})
            }
            BlockDelta::Thinking(text) => json!({"type": "thinking_delta", "thinking": text}),
            BlockDelta::Signature(signature) => json!({"type": "signature_delta", "signature": signature}),
            BlockDelta::Arguments(fragment) => json!({"type": "input_json_delta", "partial_json": fragment}),
            // The block began with its data; pictures are texts.
            BlockDelta::Redacted(_) | BlockDelta::Picture(_) => return,
        };
        let event = json!({"type": "content_block_delta", "index": index, "delta": delta});
        sse::write(Some("content_block_delta"), &event, out);
    }

    fn stop(&self, index: usize, out: &mut Vec<u8>) {
        sse::write(Some("content_block_stop"), &json!({"type": "content_block_stop", "index": index}), out);
    }

    fn media(&self, media: &Media) -> QueuedPiece {
        QueuedPiece::Text(picture(media))
    }

    fn call_id(&self, id: &str, signature: Option<&str>) -> String {
        call_id(id, signature, &self.answer.origin)
    }

    fn origin(&self) -> &Origin {
        &self.answer.origin
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
