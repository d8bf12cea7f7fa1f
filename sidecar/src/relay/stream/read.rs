//! Reads chunks of a stream, and writes their events in the caller's dialect.

use bytes::Bytes;

use super::{Relay, comment};
use crate::completion::Completion;
use crate::memory::EVENTS;
use crate::relay::broken_stream::Broken;

/// How many bytes are parsed at a time: events take several times as much memory.
const READ_AT_ONCE: usize = 8 << 10;
/// How many copies of an event exist while it is relayed: read, parsed, written, and being sent.
const COPIES: usize = 6;

impl Relay {
    /// Reads a chunk and writes its events. Returns whether there was content, and what broke the stream.
    pub(super) fn read(&mut self, chunk: &Bytes, completion: &Completion) -> (bool, Option<Broken>) {
        let mut content = false;
        for begin in (0..chunk.len()).step_by(READ_AT_ONCE) {
            let piece = chunk.slice(begin..chunk.len().min(begin + READ_AT_ONCE));
            // Reserve memory for incomplete events and for what the translator buffers; an event exists several times.
            let grows = (self.reader.buffered() + piece.len()) * COPIES + self.translator.buffered_bytes();
            if grows > EVENTS && self.lease.grow_to(grows, &self.memory).is_err() {
                return (content, Some(Broken::Malformed("an event is too long for the gateway's memory".to_owned())));
            }
            self.reader.push(&piece, &mut self.events);
            // The output is mostly as long as the input. Exact, because spare room would stay allocated for a slow
            // reader.
            self.out.reserve_exact(piece.len());
            let (written, broken) = self.write_events(completion);
            content |= written;
            if broken.is_some() {
                return (content, broken);
            }
            if let Some(failure) = self.reader.failure() {
                return (content, Some(Broken::Malformed(failure.to_string())));
            }
        }
        self.lease.shrink_to(self.reader.buffered() * COPIES + self.translator.buffered_bytes());
        (content, None)
    }

    /// The same for the rest at the end of the stream.
    pub(super) fn read_rest(&mut self, completion: &Completion) -> (bool, Option<Broken>) {
        self.events.extend(self.reader.finish());
        self.write_events(completion)
    }

    /// Writes the events that were read. Returns whether there was content, and what broke the stream.
    pub(super) fn write_events(&mut self, completion: &Completion) -> (bool, Option<Broken>) {
        let mut content = false;
        self.read_events += self.events.len();
        let source = &self.source;
        for event in self.events.drain(..) {
            let before = self.out.len();
            let mut outcome = self.translator.translate(&event, &mut self.out, |usage, content_bytes| {
                comment(completion, source, usage, content_bytes)
            });
            content |= outcome.content;
            if let Some(problem) = outcome.malformed {
                return (content, Some(Broken::Malformed(problem)));
            }
            if let Some(error) = &mut outcome.error {
                // An error may quote the request.
                let passed = self.body.masked_error(Bytes::copy_from_slice(&self.out[before..]));
                self.out.truncate(before);
                self.out.extend_from_slice(&passed);
                let message = self.body.masked_error(std::mem::take(&mut error.message).into());
                error.message = String::from_utf8_lossy(&message).into_owned();
                return (content, outcome.error.map(Broken::ErrorEvent));
            }
        }
        (content, None)
    }
}
