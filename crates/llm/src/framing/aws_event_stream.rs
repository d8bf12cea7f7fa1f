//! Event streams of AWS (`application/vnd.amazon.eventstream`): a reader, split anywhere, and a writer.
//!
//! ```text
//! total length, header length, CRC of both | headers: name, type, value … | payload | CRC of all
//! ```
//! All numbers are big-endian. A message whose checksum is wrong ends the stream: nothing after it can be trusted, the
//! place of the next message included.

use std::ops::Range;

use bytes::Bytes;
use serde::Serialize;

use super::FramingError;
use super::event::{DataPlace, Event};

/// The media type of such a stream.
pub const CONTENT_TYPE: &str = "application/vnd.amazon.eventstream";

/// The longest message, in bytes.
pub const MAX_MESSAGE: usize = 8 << 20;
/// The longest headers of a message, in bytes. AWS has the same bound.
const MAX_HEADERS: usize = 128 << 10;

/// Both lengths, and their checksum.
const PRELUDE: usize = 12;
/// A checksum.
const CRC: usize = 4;

/// The largest buffer that is not shrunk.
const SMALL: usize = 4 << 10;

/// Reads a stream, chunk by chunk. Buffers at most one unfinished message.
///
/// The name of an event is its `:event-type`. Of an exception it is the `:exception-type`, and of an error the
/// `:error-code`, whose data is the `:error-message` and no JSON.
#[derive(Debug, Default)]
pub struct AwsEventReader {
    buffer: Vec<u8>,
    failure: Option<FramingError>,
}

impl AwsEventReader {
    /// Reads `chunk`, and appends the events that it completes to `out`.
    pub fn push(&mut self, chunk: &Bytes, out: &mut Vec<Event>) {
        if self.failure.is_some() {
            return;
        }
        if let Err(error) = self.read(chunk, out) {
            self.failure = Some(error);
            self.buffer = Vec::new();
        }
    }

    /// Ends the stream. An unfinished message is dropped: its checksum is missing, and another message can't follow it.
    pub fn finish(&mut self) {
        self.buffer = Vec::new();
    }

    /// Bytes buffered of an unfinished message.
    #[must_use]
    pub fn buffered(&self) -> usize {
        self.buffer.len()
    }

    /// Why nothing more is read.
    #[must_use]
    pub fn failure(&self) -> Option<FramingError> {
        self.failure
    }

    fn read(&mut self, chunk: &Bytes, out: &mut Vec<Event>) -> Result<(), FramingError> {
        let mut used = 0;
        while !self.buffer.is_empty() && used < chunk.len() {
            let wanted = length(&self.buffer)?.unwrap_or(PRELUDE);
            let end = chunk.len().min(used + wanted.saturating_sub(self.buffer.len()));
            self.buffer.extend_from_slice(chunk.get(used..end).unwrap_or_default());
            used = end;
            if length(&self.buffer)? == Some(self.buffer.len()) {
                // Only the message that began earlier is copied.
                out.push(event(Bytes::copy_from_slice(&self.buffer))?);
                self.buffer.clear();
            }
        }
        // Most chunks contain whole messages, which become slices of it.
        while let Some(length) = length(chunk.get(used..).unwrap_or_default())? {
            if length > chunk.len() - used {
                break;
            }
            out.push(event(chunk.slice(used..used + length))?);
            used += length;
        }
        let rest = chunk.get(used..).unwrap_or_default();
        // Little is left of a long piece, whose buffer would be kept as long as the stream.
        if self.buffer.is_empty() && self.buffer.capacity() > SMALL && rest.len() < self.buffer.capacity() / 4 {
            self.buffer = Vec::new();
        }
        self.buffer.extend_from_slice(rest);
        Ok(())
    }
}

/// The length of the message that begins with these bytes; `None` if its prelude is not complete.
fn length(bytes: &[u8]) -> Result<Option<usize>, FramingError> {
    let Some(prelude) = bytes.get(..PRELUDE) else { return Ok(None) };
    if crc32fast::hash(prelude.get(..PRELUDE - CRC).unwrap_or_default()) != number(prelude, PRELUDE - CRC) {
        return Err(FramingError::PreludeChecksum);
    }
    let total = number(prelude, 0) as usize;
    let headers = number(prelude, 4) as usize;
    if total > MAX_MESSAGE || headers > MAX_HEADERS {
        return Err(FramingError::TooLong);
    }
    if total < PRELUDE + headers + CRC {
        return Err(FramingError::Lengths);
    }
    Ok(Some(total))
}

/// The four bytes at a position.
fn number(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..).and_then(<[u8]>::first_chunk).map_or(0, |bytes| u32::from_be_bytes(*bytes))
}

/// The event of a whole message.
fn event(raw: Bytes) -> Result<Event, FramingError> {
    let end = raw.len().saturating_sub(CRC);
    if crc32fast::hash(raw.get(..end).unwrap_or_default()) != number(&raw, end) {
        return Err(FramingError::Checksum);
    }
    let payload = PRELUDE + number(&raw, 4) as usize;
    let headers = Headers::read(&raw, PRELUDE..payload)?;
    let kind = headers.message_type.map_or(&b"event"[..], |place| raw.get(place).unwrap_or_default());
    let place = if payload < end { DataPlace::At(payload..end) } else { DataPlace::None };
    let (name, data, is_exception) = match kind {
        b"exception" => (headers.exception_type, place, true),
        b"error" => (headers.error_code, headers.error_message.map_or(DataPlace::None, DataPlace::At), true),
        _ => (headers.event_type, place, false),
    };
    let event = Event::new(raw, name.unwrap_or_default(), data);
    Ok(if is_exception { event.into_exception() } else { event })
}

/// Where the headers are that say what a message is.
#[derive(Default)]
struct Headers {
    message_type: Option<Range<usize>>,
    event_type: Option<Range<usize>>,
    exception_type: Option<Range<usize>>,
    error_code: Option<Range<usize>>,
    error_message: Option<Range<usize>>,
}

impl Headers {
    fn read(raw: &[u8], place: Range<usize>) -> Result<Self, FramingError> {
        let mut headers = Headers::default();
        let bytes = raw.get(..place.end).ok_or(FramingError::Headers)?;
        let mut at = place.start;
        while at < bytes.len() {
            let name_begin = at + 1;
            let name_end = name_begin + usize::from(bytes[at]);
            let name = bytes.get(name_begin..name_end).ok_or(FramingError::Headers)?;
            let kind = *bytes.get(name_end).ok_or(FramingError::Headers)?;
            let mut begin = name_end + 1;
            let length = match kind {
                // true, false, and numbers of one to eight bytes
                0 | 1 => 0,
                2 => 1,
                3 => 2,
                4 => 4,
                // a number, or a time
                5 | 8 => 8,
                BYTES | TEXT => {
                    let length = bytes.get(begin..).and_then(<[u8]>::first_chunk).ok_or(FramingError::Headers)?;
                    begin += 2;
                    usize::from(u16::from_be_bytes(*length))
                }
                // a UUID
                9 => 16,
                _ => return Err(FramingError::Headers),
            };
            at = begin + length;
            if at > bytes.len() {
                return Err(FramingError::Headers);
            }
            let known = match name {
                b":message-type" => &mut headers.message_type,
                b":event-type" => &mut headers.event_type,
                b":exception-type" => &mut headers.exception_type,
                b":error-code" => &mut headers.error_code,
                b":error-message" => &mut headers.error_message,
                _ => continue,
            };
            // Other readers refuse a second one too, so nobody can be told two things by the same bytes.
            if kind != TEXT || known.replace(begin..at).is_some() {
                return Err(FramingError::Headers);
            }
        }
        Ok(headers)
    }
}

/// The types of headers that have a length.
const BYTES: u8 = 6;
const TEXT: u8 = 7;

/// Writes an event.
pub fn write_event(name: &str, payload: &impl Serialize, out: &mut Vec<u8>) {
    write(&[(":event-type", name), (":content-type", "application/json"), (":message-type", "event")], payload, out);
}

/// Writes an event whose payload is JSON text. Other text becomes a JSON string.
pub(super) fn write_text(name: &str, payload: &str, out: &mut Vec<u8>) {
    match serde_json::from_str::<&serde_json::value::RawValue>(payload) {
        Ok(payload) => write_event(name, &payload, out),
        Err(_) => write_event(name, &payload, out),
    }
}

/// Writes an exception, which ends a stream: `throttlingException`, for example.
pub fn write_exception(name: &str, payload: &impl Serialize, out: &mut Vec<u8>) {
    let headers = [(":exception-type", name), (":content-type", "application/json"), (":message-type", "exception")];
    write(&headers, payload, out);
}

/// Writes a message. Names and values of headers are our own, and short.
fn write(headers: &[(&str, &str)], payload: &impl Serialize, out: &mut Vec<u8>) {
    let begin = out.len();
    out.extend_from_slice(&[0; PRELUDE]);
    for (name, value) in headers {
        out.push(u8::try_from(name.len()).unwrap_or_default());
        out.extend_from_slice(name.as_bytes());
        out.push(TEXT);
        out.extend_from_slice(&u16::try_from(value.len()).unwrap_or_default().to_be_bytes());
        out.extend_from_slice(value.as_bytes());
    }
    let headers = out.len() - begin - PRELUDE;
    // Writing to memory can't fail.
    let _ = serde_json::to_writer(&mut *out, payload);
    let total = out.len() - begin + CRC;
    let prelude = [total, headers].map(|length| u32::try_from(length).unwrap_or_default().to_be_bytes()).concat();
    let checksum = crc32fast::hash(&prelude).to_be_bytes();
    if let Some(place) = out.get_mut(begin..begin + PRELUDE) {
        place.copy_from_slice(&[&prelude[..], &checksum[..]].concat());
    }
    let checksum = crc32fast::hash(out.get(begin..).unwrap_or_default());
    out.extend_from_slice(&checksum.to_be_bytes());
}

#[cfg(test)]
mod tests;
