//! How a stream is cut into events, and events are framed.
//!
//! Relays, watchers and decoders know [`Event`] and [`EventReader`] alone. Another framing (event streams of AWS, lines of JSON)
//! is a variant of [`Framing`] and of [`EventReader`], and a file beside `sse.rs`.

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

/// Cuts a stream into events, chunk by chunk. Holds at most one unfinished event.
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

    /// Reads `chunk`, adding the events that it completes to `out`. They are slices of it, but for one that began in an
    /// earlier chunk.
    pub fn push(&mut self, chunk: &Bytes, out: &mut Vec<Event>) {
        match self {
            EventReader::Sse(reader) => reader.push(chunk, out),
        }
    }

    /// Ends the stream: what came of a last event is given all the same, though its data may be cut short.
    pub fn finish(&mut self) -> Option<Event> {
        match self {
            EventReader::Sse(reader) => reader.finish(),
        }
    }

    /// Bytes held of an unfinished event.
    #[must_use]
    pub fn buffered(&self) -> usize {
        match self {
            EventReader::Sse(reader) => reader.buffered(),
        }
    }

    /// Whether an event was longer than is read. Nothing more is read after it: the stream cannot be followed and should
    /// be given up.
    #[must_use]
    pub fn overflowed(&self) -> bool {
        match self {
            EventReader::Sse(reader) => reader.overflowed(),
        }
    }
}
