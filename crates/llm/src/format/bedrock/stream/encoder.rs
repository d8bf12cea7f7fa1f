//! Encodes a stream for a caller.
//!
//! Text and thinking have no `contentBlockStart`: an SDK refuses an empty one. `messageStop` waits for the stop reason,
//! and `metadata` for the end, because it contains the usage.

use serde_json::{Value, json};

use crate::Answer;
use crate::chat::origin::Origin;
use crate::chat::{ChatEvent, Finish, Media, StreamError};
use crate::format::anthropic::response::picture;
use crate::format::bedrock::errors::{status, stream_exception};
use crate::format::bedrock::response::{call_id, picture_block, stop_reason};
use crate::format::bedrock::{citations, usage};
use crate::format::block_queue::{BlockDelta, BlockEvents, BlockQueue, BlockStart, QueuedPiece};
use crate::framing::aws_event_stream::{write_event, write_exception};
use crate::usage::Usage;

/// Writes one stream.
#[derive(Debug)]
pub struct Encoder {
    blocks: BlockQueue,
    message: ConverseEvents,
}

/// The events, and what those around the blocks say.
#[derive(Debug)]
struct ConverseEvents {
    answer: Answer,
    usage: Usage,
    finish: Option<Finish>,
    stage: StreamStage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum StreamStage {
    /// Nothing was written.
    Before,
    /// `messageStart` was written.
    Begun,
    /// `messageStop` was written.
    Stopped,
    /// `metadata` or an exception was written.
    Over,
}

impl Encoder {
    /// A stream with nothing written yet.
    #[must_use]
    pub fn new(answer: Answer) -> Self {
        let message = ConverseEvents { answer, usage: Usage::default(), finish: None, stage: StreamStage::Before };
        Encoder { blocks: BlockQueue::default(), message }
    }

    /// Writes an event. After an error or the end nothing more is written.
    pub fn push(&mut self, event: &ChatEvent, out: &mut Vec<u8>) {
        let Encoder { blocks, message } = self;
        if message.stage == StreamStage::Over {
            return;
        }
        match event {
            ChatEvent::Start { .. } => {}
            ChatEvent::Usage(usage) => message.usage.merge(usage),
            ChatEvent::Finish { reason, .. } => {
                message.finish = Some(*reason);
                blocks.flush(message, out);
                message.stop_message(blocks, out);
            }
            ChatEvent::Error(error) => {
                message.stage = StreamStage::Over;
                write_error(error, out);
            }
            ChatEvent::End => {
                blocks.flush(message, out);
                message.stop_message(blocks, out);
                message.stage = StreamStage::Over;
                let usage = usage::encode(&message.usage);
                let metadata = json!({"metrics": {"latencyMs": message.answer.latency_ms}, "usage": usage});
                write_event("metadata", &metadata, out);
            }
            content => {
                if message.stage != StreamStage::Stopped {
                    blocks.content(content, message, out);
                }
            }
        }
    }
}

impl ConverseEvents {
    fn stop_message(&mut self, blocks: &BlockQueue, out: &mut Vec<u8>) {
        self.begin_answer(out);
        if self.stage != StreamStage::Begun {
            return;
        }
        self.stage = StreamStage::Stopped;
        let finish = self.finish.unwrap_or(Finish::Stop);
        let reason = stop_reason(finish, blocks.calls, blocks.refused);
        write_event("messageStop", &json!({"stopReason": reason}), out);
    }
}

impl BlockEvents for ConverseEvents {
    fn begin_answer(&mut self, out: &mut Vec<u8>) {
        if self.stage == StreamStage::Before {
            self.stage = StreamStage::Begun;
            write_event("messageStart", &json!({"role": "assistant"}), out);
        }
    }

    fn start(&self, index: usize, block: BlockStart<'_>, out: &mut Vec<u8>) {
        let start = match block {
            BlockStart::Text | BlockStart::Thinking | BlockStart::Redacted(_) => return,
            BlockStart::Picture(format) => json!({"image": {"format": format}}),
            BlockStart::Call { id, name } => json!({"toolUse": {"toolUseId": id, "name": name}}),
        };
        write_event("contentBlockStart", &json!({"contentBlockIndex": index, "start": start}), out);
    }

    fn delta(&self, index: usize, delta: BlockDelta<'_>, out: &mut Vec<u8>) {
        let delta: Value = match delta {
            BlockDelta::Text(text) => json!({"text": text}),
            BlockDelta::Citation(citation) => json!({"citation": citations::encode(citation)}),
            BlockDelta::Thinking(text) => json!({"reasoningContent": {"text": text}}),
            BlockDelta::Signature(signature) => json!({"reasoningContent": {"signature": signature}}),
            BlockDelta::Redacted(data) => json!({"reasoningContent": {"redactedContent": data}}),
            BlockDelta::Picture(data) => json!({"image": {"source": {"bytes": data}}}),
            BlockDelta::Arguments(fragment) => json!({"toolUse": {"input": fragment}}),
        };
        write_event("contentBlockDelta", &json!({"contentBlockIndex": index, "delta": delta}), out);
    }

    fn stop(&self, index: usize, out: &mut Vec<u8>) {
        write_event("contentBlockStop", &json!({"contentBlockIndex": index}), out);
    }

    fn media(&self, media: &Media) -> QueuedPiece {
        match picture_block(media) {
            Some((format, data)) => QueuedPiece::Picture { format, data: data.to_owned() },
            None => QueuedPiece::Text(picture(media)),
        }
    }

    fn call_id(&self, id: &str, signature: Option<&str>) -> String {
        call_id(id, signature, &self.answer.origin)
    }

    fn origin(&self) -> &Origin {
        &self.answer.origin
    }
}

/// An error as one of the exceptions that SDKs know inside of a stream.
fn write_error(error: &StreamError, out: &mut Vec<u8>) {
    let code = error.status.or_else(|| status(&error.kind)).unwrap_or(500);
    write_exception(stream_exception(code), &json!({"message": error.message}), out);
}
