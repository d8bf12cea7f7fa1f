//! Server-sent events: a reader that accepts every legal framing, split anywhere, and a writer.
//!
//! From the chunks of a socket it makes whole events as slices of those chunks, so that a relay can pass them on
//! unchanged. CR, LF and CRLF end lines; a byte order mark may come first; comments and unknown fields are kept in the
//! bytes and otherwise ignored; `data` lines are joined with a line feed.

use std::ops::Range;

use bytes::Bytes;
use memchr::{memchr, memchr2};
use serde_json::Value;

use super::event::{DataPlace, Event};

/// The longest block, in bytes. A larger one stops the reader: [`SseReader::overflowed`].
pub const MAX_BLOCK: usize = 8 << 20;

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// Writes one event. JSON is written on one line.
pub(crate) fn write(name: Option<&str>, data: &Value, out: &mut Vec<u8>) {
    if let Some(name) = name {
        out.extend_from_slice(b"event: ");
        out.extend_from_slice(name.as_bytes());
        out.push(b'\n');
    }
    out.extend_from_slice(b"data: ");
    // Writing to memory can't fail.
    let _ = serde_json::to_writer(&mut *out, data);
    out.extend_from_slice(b"\n\n");
}

/// Writes one event with any text.
pub(super) fn write_text(name: &str, data: &str, out: &mut Vec<u8>) {
    if !name.is_empty() {
        out.extend_from_slice(b"event: ");
        out.extend_from_slice(name.as_bytes());
        out.push(b'\n');
    }
    for line in data.split('\n') {
        out.extend_from_slice(b"data: ");
        out.extend_from_slice(line.as_bytes());
        out.push(b'\n');
    }
    out.push(b'\n');
}

/// Reads a stream, chunk by chunk. Buffers at most one unfinished block.
///
/// The events do not depend on where chunks end. So a CR that ends both a block and a chunk waits for the next byte: it
/// may be half of a CRLF. This matters only for a stream framed by bare CRs.
#[derive(Debug, Default)]
pub struct SseReader {
    buffer: Vec<u8>,
    /// How far the unfinished block was searched for its end.
    searched: usize,
    /// The start of the line at the current position of the search.
    line: usize,
    /// Whether a block was read: only the first may begin with a byte order mark.
    begun: bool,
    overflowed: bool,
}

/// The largest buffer that is not shrunk.
const SMALL: usize = 4 << 10;

impl SseReader {
    /// Reads `chunk`, and appends the events that it completes to `out`.
    pub fn push(&mut self, chunk: &Bytes, out: &mut Vec<Event>) {
        if self.overflowed {
            return;
        }
        // Most chunks contain whole events, which become slices of it.
        let mut used = 0;
        if !self.buffer.is_empty() {
            let before = self.buffer.len();
            let mut buffer = std::mem::take(&mut self.buffer);
            buffer.extend_from_slice(chunk);
            let Some(end) = self.block_end(&buffer) else {
                self.buffer = buffer;
                return self.bound();
            };
            // Only the block that began earlier is copied.
            self.give(Bytes::copy_from_slice(buffer.get(..end).unwrap_or_default()), out);
            used = end.saturating_sub(before);
            buffer.clear();
            self.buffer = buffer;
        }
        while let Some(length) = self.block_end(chunk.get(used..).unwrap_or_default()) {
            self.give(chunk.slice(used..used + length), out);
            used += length;
        }
        let rest = chunk.get(used..).unwrap_or_default();
        // Little is left of a long piece, whose buffer would be kept as long as the stream.
        if self.buffer.capacity() > SMALL && rest.len() < self.buffer.capacity() / 4 {
            self.buffer = Vec::new();
        }
        self.buffer.extend_from_slice(rest);
        self.bound();
    }

    /// Ends the stream: returns the last block if no blank line ended it. Its data may be truncated.
    pub fn finish(&mut self) -> Option<Event> {
        let raw = std::mem::take(&mut self.buffer);
        let first = !self.begun;
        self.searched = 0;
        self.line = 0;
        (!raw.is_empty()).then(|| event(Bytes::from(raw), first))
    }

    /// Bytes buffered of an unfinished block.
    #[must_use]
    pub fn buffered(&self) -> usize {
        self.buffer.len()
    }

    /// Whether a block was longer than [`MAX_BLOCK`]. Nothing more is read after it, and the stream should be
    /// abandoned.
    #[must_use]
    pub fn overflowed(&self) -> bool {
        self.overflowed
    }

    /// Appends a block, unless it is too long.
    fn give(&mut self, block: Bytes, out: &mut Vec<Event>) {
        if block.len() > MAX_BLOCK {
            self.overflowed = true;
        }
        if !self.overflowed {
            out.push(event(block, !self.begun));
        }
        self.begun = true;
        self.searched = 0;
        self.line = 0;
    }

    /// Stops at a block that is too long.
    fn bound(&mut self) {
        if self.overflowed || self.buffer.len() > MAX_BLOCK {
            self.overflowed = true;
            self.buffer = Vec::new();
        }
    }

    /// The end of the block that begins with `bytes`, including its blank line; `None` if it is not there yet.
    fn block_end(&mut self, bytes: &[u8]) -> Option<usize> {
        loop {
            let Some(found) = memchr2(b'\n', b'\r', bytes.get(self.searched..).unwrap_or_default()) else {
                self.searched = bytes.len();
                return None;
            };
            let end = self.searched + found;
            let next = match (bytes.get(end), bytes.get(end + 1)) {
                (Some(b'\n'), _) => end + 1,
                (_, Some(b'\n')) => end + 2,
                (_, Some(_)) => end + 1,
                (_, None) => {
                    self.searched = end;
                    return None;
                }
            };
            let line = bytes.get(self.line..end).unwrap_or_default();
            let only_mark = !self.begun && self.line == 0 && line == BYTE_ORDER_MARK;
            if line.is_empty() || only_mark {
                return Some(next);
            }
            self.searched = next;
            self.line = next;
        }
    }
}

/// Reads the fields of one block. `first`: of the stream.
fn event(raw: Bytes, first: bool) -> Event {
    let mut name = 0..0;
    let mut data = DataPlace::None;
    let mut at = if first && raw.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len() } else { 0 };
    while at < raw.len() {
        let rest = raw.get(at..).unwrap_or_default();
        let end = memchr2(b'\n', b'\r', rest).unwrap_or(rest.len());
        let line = rest.get(..end).unwrap_or_default();
        let (field, value) = match memchr(b':', line) {
            Some(colon) => {
                let begin = colon + 1 + usize::from(line.get(colon + 1) == Some(&b' '));
                (line.get(..colon).unwrap_or_default(), at + begin..at + end)
            }
            None => (line, at + end..at + end),
        };
        match field {
            b"data" => data = joined(&raw, data, value),
            b"event" => name = value,
            _ => {}
        }
        // The LF of a CRLF makes an empty line here, which is skipped like any other.
        at += end + 1;
    }
    Event::new(raw, name, data)
}

/// The data, with another line appended.
fn joined(raw: &Bytes, data: DataPlace, line: Range<usize>) -> DataPlace {
    let text = |place: Range<usize>| raw.get(place).unwrap_or_default();
    let mut bytes = match data {
        DataPlace::None => return DataPlace::At(line),
        DataPlace::At(place) => text(place).to_vec(),
        DataPlace::Joined(bytes) => bytes,
    };
    bytes.push(b'\n');
    bytes.extend_from_slice(text(line));
    DataPlace::Joined(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// All events of a stream in these chunks, including the unfinished last one.
    fn read<'a>(chunks: impl IntoIterator<Item = &'a [u8]>) -> Vec<Event> {
        let mut reader = SseReader::default();
        let mut out = Vec::new();
        for chunk in chunks {
            reader.push(&Bytes::copy_from_slice(chunk), &mut out);
        }
        out.extend(reader.finish());
        assert_eq!(reader.buffered(), 0);
        out
    }

    fn events_of(stream: &str) -> Vec<(String, Option<String>)> {
        read([stream.as_bytes()])
            .into_iter()
            .map(|event| (event.name().to_owned(), event.data().map(String::from)))
            .collect()
    }

    #[test]
    fn every_legal_framing_is_accepted() {
        type Told = &'static [(&'static str, Option<&'static str>)];
        let table: &[(&str, Told)] = &[
            ("", &[]),
            ("data: a\n\n", &[("", Some("a"))]),
            ("data: a\r\n\r\n", &[("", Some("a"))]),
            ("data: a\r\r", &[("", Some("a"))]),
            ("data: a\r\rdata: b\r\r", &[("", Some("a")), ("", Some("b"))]),
            (
                "data: a\n\r\ndata: b\r\n\ndata: c\n\rdata: d\r\r\n",
                &[("", Some("a")), ("", Some("b")), ("", Some("c")), ("", Some("d"))],
            ),
            ("data:a\n\n", &[("", Some("a"))]),
            ("data:  a\n\n", &[("", Some(" a"))]),
            ("data:\n\n", &[("", Some(""))]),
            ("data\n\n", &[("", Some(""))]),
            ("data\ndata\n\n", &[("", Some("\n"))]),
            ("data: a\ndata: b\r\ndata:c\n\n", &[("", Some("a\nb\nc"))]),
            ("event: ping\n\n", &[("ping", None)]),
            ("event: a\ndata: 1\nevent: b\n\n", &[("b", Some("1"))]),
            ("data: 1\nevent: late\n\n", &[("late", Some("1"))]),
            (": comment\n\n", &[("", None)]),
            (": comment\ndata: a\n: more\n\n", &[("", Some("a"))]),
            ("id: 7\nretry: 10\nunknown: x\nplain\ndata: a\n\n", &[("", Some("a"))]),
            ("Data: a\ndatax: b\n data: c\n\n", &[("", None)]),
            ("data: a\n\n\ndata: b\n\n", &[("", Some("a")), ("", None), ("", Some("b"))]),
            ("\u{FEFF}data: a\n\n", &[("", Some("a"))]),
            ("\u{FEFF}\ndata: a\n\n", &[("", None), ("", Some("a"))]),
            ("data: a\n\n\u{FEFF}data: b\n\n", &[("", Some("a")), ("", None)]),
            ("data: a\0b\n\n", &[("", Some("a\0b"))]),
            ("data: {\"a\": \"x:y\"}\n\n", &[("", Some("{\"a\": \"x:y\"}"))]),
            ("data: a\n\ndata: cut", &[("", Some("a")), ("", Some("cut"))]),
            ("data: a\r", &[("", Some("a"))]),
            ("\n", &[("", None)]),
        ];
        for (stream, expected) in table {
            let expected: Vec<_> =
                expected.iter().map(|(name, data)| ((*name).to_owned(), data.map(str::to_owned))).collect();
            assert_eq!(events_of(stream), expected, "{stream:?}");
        }
    }

    #[test]
    fn an_event_is_returned_as_soon_as_its_blank_line_arrives() {
        for (stream, given) in [("data: a\n\n", 1), ("data: a\r\n\r\n", 1), ("data: a\n", 0), ("data: a\r\n\r", 0)] {
            let mut out = Vec::new();
            let mut reader = SseReader::default();
            reader.push(&Bytes::copy_from_slice(stream.as_bytes()), &mut out);
            assert_eq!(out.len(), given, "{stream:?}");
            assert_eq!(reader.buffered(), if given == 1 { 0 } else { stream.len() });
        }
    }

    #[test]
    fn bytes_that_are_not_utf8_are_replaced_in_the_data_and_kept_in_the_bytes() {
        let events = read([&b"data: a\xFFb\n\n"[..]]);
        assert_eq!(events[0].data().as_deref(), Some("a\u{FFFD}b"));
        assert_eq!(events[0].raw(), &b"data: a\xFFb\n\n"[..]);
    }

    #[test]
    fn a_block_without_end_stops_the_reader() {
        let line = vec![b'x'; MAX_BLOCK / 4];
        let mut reader = SseReader::default();
        let mut out = Vec::new();
        for _ in 0..4 {
            reader.push(&line.clone().into(), &mut out);
            assert!(!reader.overflowed());
        }
        reader.push(&Bytes::from_static(b"x"), &mut out);
        assert!(reader.overflowed());
        assert_eq!(reader.buffered(), 0);
        reader.push(&Bytes::from_static(b"data: a\n\n"), &mut out);
        assert!(out.is_empty());
        assert_eq!(reader.finish(), None);
    }

    #[test]
    fn a_block_that_is_too_long_stops_the_reader_in_one_chunk_or_many() {
        let mut stream = b"data: ".to_vec();
        stream.resize(MAX_BLOCK, b'x');
        stream.extend_from_slice(b"\n\n");
        let mut reader = SseReader::default();
        let mut out = Vec::new();
        reader.push(&stream.into(), &mut out);
        assert!(reader.overflowed() && out.is_empty());
    }

    fn streams() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            Just(&b"data: {\"a\":1}"[..]),
            Just(&b"data:"[..]),
            Just(&b"data"[..]),
            Just(&b"event: x"[..]),
            Just(&b":c"[..]),
            Just("é漢😀".as_bytes()),
            Just(&b"\xEF\xBB\xBF"[..]),
            Just(&b"\xFF"[..]),
            Just(&b"\0"[..]),
            Just(&b"\n"[..]),
            Just(&b"\n"[..]),
            Just(&b"\n\n"[..]),
            Just(&b"\r"[..]),
            Just(&b"\r\n"[..]),
            Just(&b"\r\n\r\n"[..]),
        ];
        prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn events_do_not_depend_on_chunk_boundaries(stream in streams(), cuts in prop::collection::vec(1usize..9, 1..20)) {
            let whole = read([&stream[..]]);
            let raw: Vec<u8> = whole.iter().flat_map(|event| event.raw().to_vec()).collect();
            prop_assert_eq!(&raw, &stream);
            prop_assert_eq!(&read(stream.chunks(1)), &whole);
            let mut chunks = Vec::new();
            let mut rest = &stream[..];
            for cut in cuts.iter().cycle() {
                if rest.is_empty() {
                    break;
                }
                let (chunk, after) = rest.split_at((*cut).min(rest.len()));
                chunks.push(chunk);
                rest = after;
            }
            prop_assert_eq!(&read(chunks), &whole);
        }

        #[test]
        fn any_bytes_are_preserved(stream in prop::collection::vec(any::<u8>(), 0..200)) {
            let raw: Vec<u8> = read(stream.chunks(7)).into_iter().flat_map(|event| event.raw().to_vec()).collect();
            prop_assert_eq!(raw, stream);
        }
    }
}
