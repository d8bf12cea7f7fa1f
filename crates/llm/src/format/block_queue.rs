//! Streams of blocks, for the formats whose blocks follow each other.
//!
//! Upstreams of other formats may interleave pieces of several calls. So one block is open at a time, and pieces of later
//! blocks wait:
//!
//! ```text
//! closed ──text, thinking──▶ open words ──anything else──▶ closed
//!    └───────call──────────▶ open call ──its arguments are whole, and something waits──▶ closed
//!                               └─ until then all other pieces are queued, in order
//! ```

use std::collections::{HashMap, VecDeque};

use crate::chat::citation::Citation;
use crate::chat::mark::mark;
use crate::chat::origin::Origin;
use crate::chat::{ChatEvent, Media, Thought};
use crate::json::object_end::ObjectEnd;

/// A piece of an answer, which may have to wait.
#[derive(Debug)]
pub(super) enum QueuedPiece {
    Text(String),
    Citation(Citation),
    Thinking(String),
    Signature(String),
    Redacted(String),
    /// A picture in a format that the caller has a word for.
    Picture {
        format: &'static str,
        data: String,
    },
    Call {
        index: usize,
        id: String,
        name: String,
    },
}

/// The beginning of a block.
#[derive(Clone, Copy, Debug)]
pub(super) enum BlockStart<'p> {
    Text,
    Thinking,
    Redacted(&'p str),
    Picture(&'static str),
    Call { id: &'p str, name: &'p str },
}

/// What is added to the open block.
#[derive(Clone, Copy, Debug)]
pub(super) enum BlockDelta<'p> {
    Text(&'p str),
    Citation(&'p Citation),
    Thinking(&'p str),
    Signature(&'p str),
    Redacted(&'p str),
    Picture(&'p str),
    Arguments(&'p str),
}

/// How a format writes its events.
pub(super) trait BlockEvents {
    /// Begins the answer, unless it has begun.
    fn begin_answer(&mut self, out: &mut Vec<u8>);
    fn start(&self, index: usize, block: BlockStart<'_>, out: &mut Vec<u8>);
    fn delta(&self, index: usize, delta: BlockDelta<'_>, out: &mut Vec<u8>);
    fn stop(&self, index: usize, out: &mut Vec<u8>);
    /// Media of the model, or the text in their place.
    fn media(&self, media: &Media) -> QueuedPiece;
    /// The id of a call, as the caller may return it.
    fn call_id(&self, id: &str, signature: Option<&str>) -> String;
    /// The provider whose thoughts the answer has.
    fn origin(&self) -> &Origin;
}

/// The blocks of one answer.
#[derive(Debug, Default)]
pub(super) struct BlockQueue {
    /// The number of blocks that were opened.
    begun: usize,
    open: Option<OpenBlock>,
    waiting: VecDeque<QueuedPiece>,
    /// The arguments of the calls that wait, by their index.
    arguments: HashMap<usize, String>,
    /// Whether the answer has a call, and a refusal.
    pub calls: bool,
    pub refused: bool,
}

/// The block that is being written; it is the last one opened.
#[derive(Debug)]
enum OpenBlock {
    Text { cited: bool },
    Thinking,
    Call { index: usize, end: ObjectEnd },
}

impl BlockQueue {
    /// Writes content, or queues it while a call is open that has not ended. Other events are ignored.
    pub fn content(&mut self, event: &ChatEvent, to: &mut dyn BlockEvents, out: &mut Vec<u8>) {
        let piece = match event {
            ChatEvent::Text(text) => QueuedPiece::Text(text.clone()),
            ChatEvent::Citation(citation) => QueuedPiece::Citation(citation.clone()),
            ChatEvent::Refusal(text) => {
                self.refused |= !text.is_empty();
                QueuedPiece::Text(text.clone())
            }
            ChatEvent::Thinking(text) => QueuedPiece::Thinking(text.clone()),
            ChatEvent::ThinkingSignature(signature) => QueuedPiece::Signature(signature.clone()),
            ChatEvent::RedactedThinking(data) => QueuedPiece::Redacted(data.clone()),
            ChatEvent::Media(media) => to.media(media),
            ChatEvent::ToolCall { index, id, name, signature } => {
                self.calls = true;
                let id = to.call_id(id, signature.as_deref());
                self.arguments.insert(*index, String::new());
                QueuedPiece::Call { index: *index, id, name: name.clone() }
            }
            ChatEvent::ToolArguments { index, fragment } => return self.arguments(*index, fragment, to, out),
            ChatEvent::Start { .. }
            | ChatEvent::Usage(_)
            | ChatEvent::Finish { .. }
            | ChatEvent::Error(_)
            | ChatEvent::End => return,
        };
        if !piece.is_empty() {
            self.waiting.push_back(piece);
            self.advance(to, out);
        }
    }

    /// Writes all queued pieces and closes the last block: the stream ends.
    pub fn flush(&mut self, to: &mut dyn BlockEvents, out: &mut Vec<u8>) {
        while let Some(piece) = self.waiting.pop_front() {
            self.write(piece, to, out);
        }
        self.close(to, out);
    }

    fn arguments(&mut self, index: usize, fragment: &str, to: &mut dyn BlockEvents, out: &mut Vec<u8>) {
        if fragment.is_empty() {
            return;
        }
        if let Some(OpenBlock::Call { index: open, end }) = &mut self.open
            && *open == index
        {
            end.push(fragment);
            to.delta(self.last(), BlockDelta::Arguments(fragment), out);
            return self.advance(to, out);
        }
        // A fragment of a call that has ended, or never began, is dropped.
        if let Some(arguments) = self.arguments.get_mut(&index) {
            arguments.push_str(fragment);
        }
    }

    /// Writes queued pieces, up to the first unfinished call.
    fn advance(&mut self, to: &mut dyn BlockEvents, out: &mut Vec<u8>) {
        while !matches!(&self.open, Some(OpenBlock::Call { end, .. }) if !end.is_whole()) {
            let Some(piece) = self.waiting.pop_front() else { return };
            self.write(piece, to, out);
        }
    }

    fn write(&mut self, piece: QueuedPiece, to: &mut dyn BlockEvents, out: &mut Vec<u8>) {
        match piece {
            QueuedPiece::Call { index, id, name } => {
                let arguments = self.arguments.remove(&index).unwrap_or_default();
                self.begin(BlockStart::Call { id: &id, name: &name }, to, out);
                if !arguments.is_empty() {
                    to.delta(self.last(), BlockDelta::Arguments(&arguments), out);
                }
                let mut end = ObjectEnd::default();
                end.push(&arguments);
                self.open = Some(OpenBlock::Call { index, end });
            }
            QueuedPiece::Text(text) => {
                // Citations are for a whole block: what follows them is in another one.
                if !matches!(self.open, Some(OpenBlock::Text { cited: false })) {
                    self.begin(BlockStart::Text, to, out);
                    self.open = Some(OpenBlock::Text { cited: false });
                }
                to.delta(self.last(), BlockDelta::Text(&text), out);
            }
            // Only a text has citations. One that comes later than the text is lost.
            QueuedPiece::Citation(citation) => {
                if let Some(OpenBlock::Text { cited }) = &mut self.open {
                    *cited = true;
                    to.delta(self.last(), BlockDelta::Citation(&citation), out);
                }
            }
            QueuedPiece::Thinking(text) => {
                self.think(to, out);
                to.delta(self.last(), BlockDelta::Thinking(&text), out);
            }
            QueuedPiece::Signature(signature) => {
                self.think(to, out);
                self.sign(Some(&signature), to, out);
            }
            QueuedPiece::Redacted(data) => {
                let data = mark(to.origin(), &Thought { redacted: Some(data), ..Thought::default() });
                self.begin(BlockStart::Redacted(&data), to, out);
                to.delta(self.last(), BlockDelta::Redacted(&data), out);
                to.stop(self.last(), out);
            }
            QueuedPiece::Picture { format, data } => {
                self.begin(BlockStart::Picture(format), to, out);
                to.delta(self.last(), BlockDelta::Picture(&data), out);
                to.stop(self.last(), out);
            }
        }
    }

    /// Closes the open block and begins another one.
    fn begin(&mut self, block: BlockStart<'_>, to: &mut dyn BlockEvents, out: &mut Vec<u8>) {
        to.begin_answer(out);
        self.close(to, out);
        self.begun += 1;
        to.start(self.last(), block, out);
    }

    fn think(&mut self, to: &mut dyn BlockEvents, out: &mut Vec<u8>) {
        if !matches!(self.open, Some(OpenBlock::Thinking)) {
            self.begin(BlockStart::Thinking, to, out);
            self.open = Some(OpenBlock::Thinking);
        }
    }

    fn close(&mut self, to: &mut dyn BlockEvents, out: &mut Vec<u8>) {
        match self.open.take() {
            None => {}
            Some(OpenBlock::Thinking) => self.sign(None, to, out),
            Some(OpenBlock::Text { .. }) => to.stop(self.last(), out),
            Some(OpenBlock::Call { end, .. }) => {
                // Clients parse the arguments, and an empty text is not JSON.
                if !end.has_begun() {
                    to.delta(self.last(), BlockDelta::Arguments("{}"), out);
                }
                to.stop(self.last(), out);
            }
        }
    }

    /// Ends the thinking with the mark, which shows later that the thought is another provider's.
    fn sign(&mut self, signature: Option<&str>, to: &mut dyn BlockEvents, out: &mut Vec<u8>) {
        self.open = None;
        let thought = Thought { signature: signature.map(str::to_owned), ..Thought::default() };
        let signature = mark(to.origin(), &thought);
        to.delta(self.last(), BlockDelta::Signature(&signature), out);
        to.stop(self.last(), out);
    }

    fn last(&self) -> usize {
        self.begun.saturating_sub(1)
    }
}

impl QueuedPiece {
    fn is_empty(&self) -> bool {
        match self {
            QueuedPiece::Text(words)
            | QueuedPiece::Thinking(words)
            | QueuedPiece::Signature(words)
            | QueuedPiece::Redacted(words) => words.is_empty(),
            QueuedPiece::Citation(_) | QueuedPiece::Call { .. } | QueuedPiece::Picture { .. } => false,
        }
    }
}
