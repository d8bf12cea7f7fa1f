//! Encodes a stream for a caller.
//!
//! Blocks follow each other, while other upstreams may interleave pieces of several calls. So one block is open at a time,
//! and pieces of later blocks wait until the arguments of the open call are whole, or the answer ends. Text and thinking
//! have no `contentBlockStart`: an SDK refuses an empty one.
//!
//! `messageStop` waits for the stop reason, and `metadata` for the end, because it contains the usage.

use std::collections::VecDeque;

use serde_json::{Value, json};

use crate::Answer;
use crate::chat::mark::mark;
use crate::chat::{ChatEvent, Finish, StreamError, Thought};
use crate::format::anthropic::response::picture;
use crate::format::bedrock::errors::{status, stream_exception};
use crate::format::bedrock::response::{call_id, picture_block, stop_reason};
use crate::format::bedrock::usage;
use crate::framing::aws_event_stream::{write_event, write_exception};
use crate::json::object_end::ObjectEnd;
use crate::usage::Usage;

/// Writes one stream.
#[derive(Debug)]
pub struct Encoder {
    answer: Answer,
    usage: Usage,
    finish: Option<Finish>,
    stage: StreamStage,
    /// The number of blocks that were opened.
    begun: usize,
    open: Option<WrittenBlock>,
    waiting: VecDeque<QueuedPiece>,
    calls: bool,
    refused: bool,
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

/// The block that is being written; it is the last one opened.
#[derive(Debug)]
enum WrittenBlock {
    Text,
    Thinking,
    Call { index: usize, end: ObjectEnd },
}

/// A piece that waits for the open call to end.
#[derive(Debug)]
enum QueuedPiece {
    Call { index: usize, id: String, name: String, arguments: String },
    Text(String),
    Thinking(String),
    Signature(String),
    Redacted(String),
    Picture { format: &'static str, data: String },
}

impl Encoder {
    /// A stream with nothing written yet.
    #[must_use]
    pub fn new(answer: Answer) -> Self {
        Encoder {
            answer,
            usage: Usage::default(),
            finish: None,
            stage: StreamStage::Before,
            begun: 0,
            open: None,
            waiting: VecDeque::new(),
            calls: false,
            refused: false,
        }
    }

    /// Writes an event. After an error or the end nothing more is written.
    pub fn push(&mut self, event: &ChatEvent, out: &mut Vec<u8>) {
        if self.stage == StreamStage::Over {
            return;
        }
        match event {
            ChatEvent::Start { .. } => {}
            ChatEvent::Usage(usage) => self.usage.merge(usage),
            ChatEvent::Finish { reason, .. } => {
                self.finish = Some(*reason);
                self.flush(out);
            }
            ChatEvent::Error(error) => {
                self.stage = StreamStage::Over;
                write_error(error, out);
            }
            ChatEvent::End => {
                self.flush(out);
                self.stop(out);
                self.stage = StreamStage::Over;
                let usage = usage::encode(&self.usage);
                let metadata = json!({"metrics": {"latencyMs": self.answer.latency_ms}, "usage": usage});
                write_event("metadata", &metadata, out);
            }
            content => {
                if self.stage != StreamStage::Stopped {
                    self.content(content, out);
                }
            }
        }
    }

    fn content(&mut self, event: &ChatEvent, out: &mut Vec<u8>) {
        let piece = match event {
            ChatEvent::Text(text) => QueuedPiece::Text(text.clone()),
            ChatEvent::Refusal(text) => {
                self.refused |= !text.is_empty();
                QueuedPiece::Text(text.clone())
            }
            ChatEvent::Thinking(text) => QueuedPiece::Thinking(text.clone()),
            ChatEvent::ThinkingSignature(signature) => QueuedPiece::Signature(signature.clone()),
            ChatEvent::RedactedThinking(data) => QueuedPiece::Redacted(data.clone()),
            ChatEvent::Media(media) => match picture_block(media) {
                Some((format, data)) => QueuedPiece::Picture { format, data: data.to_owned() },
                None => QueuedPiece::Text(picture(media)),
            },
            ChatEvent::ToolCall { index, id, name, signature } => {
                self.calls = true;
                let id = call_id(id, signature.as_deref(), &self.answer.origin);
                QueuedPiece::Call { index: *index, id, name: name.clone(), arguments: String::new() }
            }
            ChatEvent::ToolArguments { index, fragment } => return self.arguments(*index, fragment, out),
            ChatEvent::Start { .. }
            | ChatEvent::Usage(_)
            | ChatEvent::Finish { .. }
            | ChatEvent::Error(_)
            | ChatEvent::End => return,
        };
        if !piece.is_empty() {
            self.waiting.push_back(piece);
            self.advance(out);
        }
    }

    fn arguments(&mut self, index: usize, fragment: &str, out: &mut Vec<u8>) {
        if fragment.is_empty() {
            return;
        }
        if let Some(WrittenBlock::Call { index: open, end }) = &mut self.open
            && *open == index
        {
            end.push(fragment);
            self.delta(&json!({"toolUse": {"input": fragment}}), out);
            return self.advance(out);
        }
        // A fragment of a call that has ended, or never began, is dropped.
        for piece in &mut self.waiting {
            if let QueuedPiece::Call { index: waiting, arguments, .. } = piece
                && *waiting == index
            {
                arguments.push_str(fragment);
            }
        }
    }

    /// Writes queued pieces, up to the first unfinished call.
    fn advance(&mut self, out: &mut Vec<u8>) {
        while !self.waiting.is_empty() {
            if let Some(WrittenBlock::Call { end, .. }) = &self.open
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
        if self.finish.is_some() {
            self.stop(out);
        }
    }

    fn write_next(&mut self, out: &mut Vec<u8>) {
        match self.waiting.pop_front() {
            None => {}
            Some(QueuedPiece::Call { index, id, name, arguments }) => {
                self.begin(out);
                self.start_block(&json!({"toolUse": {"toolUseId": id, "name": name}}), out);
                if !arguments.is_empty() {
                    self.delta(&json!({"toolUse": {"input": arguments}}), out);
                }
                let mut end = ObjectEnd::default();
                end.push(&arguments);
                self.open = Some(WrittenBlock::Call { index, end });
            }
            Some(QueuedPiece::Picture { format, data }) => {
                self.begin(out);
                self.start_block(&json!({"image": {"format": format}}), out);
                self.delta(&json!({"image": {"source": {"bytes": data}}}), out);
                self.stop_last(out);
            }
            Some(QueuedPiece::Text(text)) => {
                if !matches!(self.open, Some(WrittenBlock::Text)) {
                    self.begin(out);
                    self.open = Some(WrittenBlock::Text);
                }
                self.delta(&json!({"text": text}), out);
            }
            Some(QueuedPiece::Redacted(data)) => {
                self.begin(out);
                let thought = Thought { redacted: Some(data), ..Thought::default() };
                let data = mark(&self.answer.origin, &thought);
                self.delta(&json!({"reasoningContent": {"redactedContent": data}}), out);
                self.stop_last(out);
            }
            Some(piece @ (QueuedPiece::Thinking(_) | QueuedPiece::Signature(_))) => {
                if !matches!(self.open, Some(WrittenBlock::Thinking)) {
                    self.begin(out);
                    self.open = Some(WrittenBlock::Thinking);
                }
                match piece {
                    QueuedPiece::Signature(signature) => self.sign(Some(&signature), out),
                    QueuedPiece::Thinking(text) => self.delta(&json!({"reasoningContent": {"text": text}}), out),
                    _ => {}
                }
            }
        }
    }

    /// Closes the open block and begins another one.
    fn begin(&mut self, out: &mut Vec<u8>) {
        self.start(out);
        self.close(out);
        self.begun += 1;
    }

    fn start_block(&mut self, start: &Value, out: &mut Vec<u8>) {
        write_event("contentBlockStart", &json!({"contentBlockIndex": self.last(), "start": start}), out);
    }

    fn delta(&mut self, delta: &Value, out: &mut Vec<u8>) {
        write_event("contentBlockDelta", &json!({"contentBlockIndex": self.last(), "delta": delta}), out);
    }

    fn close(&mut self, out: &mut Vec<u8>) {
        match self.open.take() {
            None => {}
            Some(WrittenBlock::Thinking) => self.sign(None, out),
            Some(WrittenBlock::Text) => self.stop_last(out),
            Some(WrittenBlock::Call { end, .. }) => {
                // Clients parse the arguments, and an empty text is not JSON.
                if !end.has_begun() {
                    self.delta(&json!({"toolUse": {"input": "{}"}}), out);
                }
                self.stop_last(out);
            }
        }
    }

    /// Ends the thinking with the mark, which shows later that the thought is another provider's.
    fn sign(&mut self, signature: Option<&str>, out: &mut Vec<u8>) {
        self.open = None;
        let thought = Thought { signature: signature.map(str::to_owned), ..Thought::default() };
        let signature = mark(&self.answer.origin, &thought);
        self.delta(&json!({"reasoningContent": {"signature": signature}}), out);
        self.stop_last(out);
    }

    fn stop_last(&mut self, out: &mut Vec<u8>) {
        write_event("contentBlockStop", &json!({"contentBlockIndex": self.last()}), out);
    }

    fn last(&self) -> usize {
        self.begun.saturating_sub(1)
    }

    fn start(&mut self, out: &mut Vec<u8>) {
        if self.stage == StreamStage::Before {
            self.stage = StreamStage::Begun;
            write_event("messageStart", &json!({"role": "assistant"}), out);
        }
    }

    fn stop(&mut self, out: &mut Vec<u8>) {
        self.start(out);
        if self.stage != StreamStage::Begun {
            return;
        }
        self.stage = StreamStage::Stopped;
        let finish = self.finish.unwrap_or(Finish::Stop);
        let reason = stop_reason(finish, self.calls, self.refused);
        write_event("messageStop", &json!({"stopReason": reason}), out);
    }
}

impl QueuedPiece {
    fn is_empty(&self) -> bool {
        match self {
            QueuedPiece::Text(words)
            | QueuedPiece::Thinking(words)
            | QueuedPiece::Signature(words)
            | QueuedPiece::Redacted(words) => words.is_empty(),
            QueuedPiece::Call { .. } | QueuedPiece::Picture { .. } => false,
        }
    }
}

/// An error as one of the exceptions that SDKs know inside of a stream.
fn write_error(error: &StreamError, out: &mut Vec<u8>) {
    let code = error.status.or_else(|| status(&error.kind)).unwrap_or(500);
    write_exception(stream_exception(code), &json!({"message": error.message}), out);
}
