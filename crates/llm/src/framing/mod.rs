//! Splits streams into events, and frames events.
//!
//! Relays, watchers and decoders know only [`Event`] and [`EventReader`]. Another framing (event streams of AWS, lines
//! of JSON) is a variant of [`Framing`] and of [`EventReader`], and a file next to `sse.rs`.

mod event;
pub mod json_array;
pub mod sse;

use bytes::Bytes;

pub use event::Event;

/// The framing of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// Server-sent events.
    Sse,
}

/// Splits a stream into events, chunk by chunk. Buffers at most one unfinished event.
#[derive(Debug)]
pub enum EventReader {
    Sse(sse::SseReader),
}

impl EventReader {
    #[must_use]
    pub fn new(framing: Framing) -> Self {
        match framing {
            Framing::Sse => EventReader::Sse(sse::SseReader::default()),
        }
    }

    /// Reads `chunk`, and appends the events that it completes to `out`. They are slices of it, except for an event
    /// that began in an earlier chunk.
    pub fn push(&mut self, chunk: &Bytes, out: &mut Vec<Event>) {
        match self {
            EventReader::Sse(reader) => reader.push(chunk, out),
        }
    }

    /// Ends the stream: returns the last event if it is unfinished. Its data may be truncated.
    pub fn finish(&mut self) -> Option<Event> {
        match self {
            EventReader::Sse(reader) => reader.finish(),
        }
    }

    /// Bytes buffered of an unfinished event.
    #[must_use]
    pub fn buffered(&self) -> usize {
        match self {
            EventReader::Sse(reader) => reader.buffered(),
        }
    }

    /// Whether an event was too long. Nothing more is read after it, and the stream should be abandoned.
    #[must_use]
    pub fn overflowed(&self) -> bool {
        match self {
            EventReader::Sse(reader) => reader.overflowed(),
        }
    }
}
