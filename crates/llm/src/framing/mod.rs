//! Splits streams into events, and frames events.
//!
//! Relays, watchers and decoders know only [`Event`] and [`EventReader`]. Another framing is a variant of [`Framing`]
//! and of [`EventReader`], and a file next to `sse.rs`.

pub mod aws_chunks;
pub mod aws_event_stream;
mod error;
mod event;
pub mod json_array;
pub mod lines;
pub mod sse;

use bytes::Bytes;

pub use error::FramingError;
pub use event::Event;

/// The framing of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// Server-sent events.
    Sse,
    /// Event streams of AWS: binary messages with checksums.
    AwsEventStream,
    /// Anthropic's events inside of those.
    AwsChunks,
    /// Lines of JSON.
    Lines,
}

impl Framing {
    /// The media type of such a stream.
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self {
            Framing::Sse => "text/event-stream",
            Framing::AwsEventStream | Framing::AwsChunks => aws_event_stream::CONTENT_TYPE,
            Framing::Lines => lines::CONTENT_TYPE,
        }
    }

    /// Writes an event in this framing. `data` is JSON.
    pub fn write(self, name: &str, data: &str, out: &mut Vec<u8>) {
        match self {
            Framing::Sse => sse::write_text(name, data, out),
            Framing::AwsEventStream => aws_event_stream::write_text(name, data, out),
            Framing::AwsChunks => aws_chunks::write(&Event::of(name, Some(data)), out),
            Framing::Lines => lines::write(data, out),
        }
    }
}

/// Splits a stream into events, chunk by chunk. Buffers at most one unfinished event.
#[derive(Debug)]
pub enum EventReader {
    Sse(sse::SseReader),
    AwsEventStream(aws_event_stream::AwsEventReader),
    AwsChunks(aws_chunks::AwsChunkReader),
    Lines(lines::JsonLineReader),
}

impl EventReader {
    #[must_use]
    pub fn new(framing: Framing) -> Self {
        match framing {
            Framing::Sse => EventReader::Sse(sse::SseReader::default()),
            Framing::AwsEventStream => EventReader::AwsEventStream(aws_event_stream::AwsEventReader::default()),
            Framing::AwsChunks => EventReader::AwsChunks(aws_chunks::AwsChunkReader::default()),
            Framing::Lines => EventReader::Lines(lines::JsonLineReader::default()),
        }
    }

    /// Reads `chunk`, and appends the events that it completes to `out`. They are slices of it, except for an event
    /// that began in an earlier chunk.
    pub fn push(&mut self, chunk: &Bytes, out: &mut Vec<Event>) {
        match self {
            EventReader::Sse(reader) => reader.push(chunk, out),
            EventReader::AwsEventStream(reader) => reader.push(chunk, out),
            EventReader::AwsChunks(reader) => reader.push(chunk, out),
            EventReader::Lines(reader) => reader.push(chunk, out),
        }
    }

    /// Ends the stream: returns the last event if it is unfinished. Its data may be truncated.
    pub fn finish(&mut self) -> Option<Event> {
        match self {
            EventReader::Sse(reader) => reader.finish(),
            EventReader::Lines(reader) => reader.finish(),
            EventReader::AwsEventStream(reader) => {
                reader.finish();
                None
            }
            EventReader::AwsChunks(reader) => {
                reader.finish();
                None
            }
        }
    }

    /// Bytes buffered of an unfinished event.
    #[must_use]
    pub fn buffered(&self) -> usize {
        match self {
            EventReader::Sse(reader) => reader.buffered(),
            EventReader::AwsEventStream(reader) => reader.buffered(),
            EventReader::AwsChunks(reader) => reader.buffered(),
            EventReader::Lines(reader) => reader.buffered(),
        }
    }

    /// Why nothing more is read. The stream should be abandoned.
    #[must_use]
    pub fn failure(&self) -> Option<FramingError> {
        match self {
            EventReader::Sse(reader) => reader.overflowed().then_some(FramingError::Endless),
            EventReader::AwsEventStream(reader) => reader.failure(),
            EventReader::AwsChunks(reader) => reader.failure(),
            EventReader::Lines(reader) => reader.overflowed().then_some(FramingError::Endless),
        }
    }
}
