//! Lines of JSON, as Ollama streams: each line is an event.

use bytes::Bytes;

use super::Event;
use super::event::DataPlace;
use super::sse::MAX_BLOCK;

/// The media type of such a stream.
pub(super) const CONTENT_TYPE: &str = "application/x-ndjson";

/// Writes one event. `data` is JSON on one line.
pub(crate) fn write(data: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(data.as_bytes());
    out.push(b'\n');
}

/// Reads a stream, chunk by chunk. Buffers at most one unfinished line.
#[derive(Debug, Default)]
pub struct JsonLineReader {
    buffer: Vec<u8>,
    overflowed: bool,
}

impl JsonLineReader {
    /// Reads `chunk`, and appends the lines that it completes to `out`.
    pub fn push(&mut self, chunk: &Bytes, out: &mut Vec<Event>) {
        let mut used = 0;
        while !self.overflowed {
            let rest = chunk.get(used..).unwrap_or_default();
            let end = memchr::memchr(b'\n', rest).map(|at| at + 1);
            if self.buffer.len() + end.unwrap_or(rest.len()) > MAX_BLOCK {
                self.overflowed = true;
                self.buffer = Vec::new();
                return;
            }
            let Some(end) = end else {
                self.buffer.extend_from_slice(rest);
                return;
            };
            // Most chunks contain whole lines, which become slices of it.
            out.push(event(match self.buffer.is_empty() {
                true => chunk.slice(used..used + end),
                false => {
                    self.buffer.extend_from_slice(&rest[..end]);
                    Bytes::from(std::mem::take(&mut self.buffer))
                }
            }));
            used += end;
        }
    }

    /// Ends the stream: returns the last line if nothing ended it. It may be truncated.
    pub fn finish(&mut self) -> Option<Event> {
        let rest = std::mem::take(&mut self.buffer);
        (!rest.is_empty()).then(|| event(Bytes::from(rest)))
    }

    /// Bytes buffered of an unfinished line.
    #[must_use]
    pub fn buffered(&self) -> usize {
        self.buffer.len()
    }

    /// Whether a line was longer than [`MAX_BLOCK`]. Nothing more is read after it, and the stream should be abandoned.
    #[must_use]
    pub fn overflowed(&self) -> bool {
        self.overflowed
    }
}

/// An empty line has no data.
fn event(raw: Bytes) -> Event {
    let data = match raw.trim_ascii() {
        [] => DataPlace::None,
        _ => DataPlace::At(0..raw.trim_ascii_end().len()),
    };
    Event::new(raw, 0..0, data)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(chunks: &[&str]) -> (Vec<String>, Option<String>) {
        let (mut reader, mut events) = (JsonLineReader::default(), Vec::new());
        for chunk in chunks {
            reader.push(&Bytes::copy_from_slice(chunk.as_bytes()), &mut events);
        }
        let text = |event: &Event| event.data().unwrap_or_default().into_owned();
        let last = reader.finish();
        (events.iter().map(text).collect(), last.as_ref().map(text))
    }

    #[test]
    fn a_line_is_an_event_wherever_chunks_end() {
        let expected = (vec![r#"{"a":1}"#.to_owned(), String::new(), r#"{"b":2}"#.to_owned()], Some("{".to_owned()));
        let text = "{\"a\":1}\r\n\n{\"b\":2}\n{";
        assert_eq!(read(&[text]), expected);
        for at in 0..text.len() {
            assert_eq!(read(&[&text[..at], &text[at..]]), expected, "{at}");
        }
    }

    #[test]
    fn a_line_without_an_end_is_not_kept() {
        let mut reader = JsonLineReader::default();
        let chunk = Bytes::from(vec![b'a'; MAX_BLOCK / 2 + 1]);
        let mut events = Vec::new();
        reader.push(&chunk, &mut events);
        assert!(!reader.overflowed());
        reader.push(&chunk, &mut events);
        reader.push(&Bytes::from_static(b"\n{}\n"), &mut events);
        assert!(reader.overflowed() && reader.buffered() == 0 && events.is_empty());
    }
}
