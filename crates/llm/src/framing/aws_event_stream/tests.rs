use proptest::prelude::*;
use serde_json::json;

use super::*;

/// The events of a stream in these chunks, and why it ended early.
fn read<'a>(chunks: impl IntoIterator<Item = &'a [u8]>) -> (Vec<Event>, Option<FramingError>) {
    let (mut reader, mut out) = (AwsEventReader::default(), Vec::new());
    for chunk in chunks {
        reader.push(&Bytes::copy_from_slice(chunk), &mut out);
    }
    reader.finish();
    assert_eq!(reader.buffered(), 0);
    (out, reader.failure())
}

/// A message with these headers and this payload, and right checksums.
fn message(headers: &[u8], payload: &[u8]) -> Vec<u8> {
    let total = (PRELUDE + headers.len() + payload.len() + CRC) as u32;
    let mut out = [total.to_be_bytes(), (headers.len() as u32).to_be_bytes()].concat();
    out.extend(crc32fast::hash(&out).to_be_bytes());
    out.extend(headers);
    out.extend(payload);
    out.extend(crc32fast::hash(&out).to_be_bytes());
    out
}

fn header(name: &str, kind: u8, value: &[u8]) -> Vec<u8> {
    [&[name.len() as u8], name.as_bytes(), &[kind], value].concat()
}

fn text(name: &str, value: &str) -> Vec<u8> {
    header(name, TEXT, &[&(value.len() as u16).to_be_bytes(), value.as_bytes()].concat())
}

fn told(event: &Event) -> (&str, Option<String>, bool) {
    (event.name(), event.data().map(String::from), event.is_exception())
}

#[test]
fn messages_of_other_writers_are_read() {
    let table: [(&[u8], Option<&str>); 3] = [
        (b"\x00\x00\x00\x10\x00\x00\x00\x00\x05\xc2\x48\xeb\x7d\x98\xc8\xff", None),
        (b"\x00\x00\x00\x1d\x00\x00\x00\x00\xfd\x52\x8c\x5a{'foo':'bar'}\xc3\x65\x39\x36", Some("{'foo':'bar'}")),
        (
            b"\x00\x00\x00+\x00\x00\x00\x0e\x34\x8b\xec\x7b\x08event-id\x04\x00\x00\xa0\x0c{'foo':'bar'}\xd3\x89\x02\x85",
            Some("{'foo':'bar'}"),
        ),
    ];
    for (bytes, data) in table {
        let (events, failure) = read([bytes]);
        assert_eq!(failure, None, "{}", bytes.escape_ascii());
        assert_eq!(told(&events[0]), ("", data.map(str::to_owned), false));
        assert_eq!(events[0].raw(), bytes);
    }
}

#[test]
fn every_type_of_header_is_passed_over() {
    let headers = [
        header("true", 0, b""),
        header("false", 1, b""),
        header("byte", 2, b"\x01"),
        header("short", 3, b"\x01\x02"),
        header("int", 4, b"\x01\x02\x03\x04"),
        header("long", 5, &[7; 8]),
        header("bytes", BYTES, b"\x00\x03abc"),
        text("text", "é漢"),
        header("time", 8, &[7; 8]),
        header("uuid", 9, &[7; 16]),
        text(":event-type", "contentBlockDelta"),
        text("", "a header without a name"),
        text(":message-type", "event"),
    ];
    let (events, failure) = read([&message(&headers.concat(), b"{}")[..]]);
    assert_eq!(failure, None);
    assert_eq!(told(&events[0]), ("contentBlockDelta", Some("{}".to_owned()), false));
}

#[test]
fn events_exceptions_and_errors_are_told_apart() {
    let (mut out, payload) = (Vec::new(), json!({"message": "slow down"}));
    write_event("messageStop", &json!({"stopReason": "end_turn"}), &mut out);
    write_exception("throttlingException", &payload, &mut out);
    let error = [text(":message-type", "error"), text(":error-code", "Internal"), text(":error-message", "it failed")];
    out.extend(message(&error.concat(), b""));
    out.extend(message(&text(":message-type", "error"), b""));
    out.extend(message(&[text(":message-type", "news"), text(":event-type", "later")].concat(), b"1"));
    let (events, failure) = read([&out[..]]);
    assert_eq!(failure, None);
    let expected = [
        ("messageStop", Some(r#"{"stopReason":"end_turn"}"#.to_owned()), false),
        ("throttlingException", Some(payload.to_string()), true),
        ("Internal", Some("it failed".to_owned()), true),
        ("", None, true),
        ("later", Some("1".to_owned()), false),
    ];
    assert_eq!(events.iter().map(told).collect::<Vec<_>>(), expected);
}

#[test]
fn a_message_with_one_wrong_bit_is_never_read() {
    let mut stream = Vec::new();
    write_event("messageStart", &json!({"role": "assistant"}), &mut stream);
    let first = stream.len();
    write_event("messageStop", &json!({"stopReason": "end_turn"}), &mut stream);
    for at in 0..stream.len() {
        for bit in 0..8 {
            let mut wrong = stream.clone();
            wrong[at] ^= 1 << bit;
            let (events, failure) = read([&wrong[..]]);
            assert_eq!(events.len(), usize::from(at >= first), "byte {at}, bit {bit}");
            let begin = if at < first { 0 } else { first };
            let expected = if at < begin + PRELUDE { FramingError::PreludeChecksum } else { FramingError::Checksum };
            assert_eq!(failure, Some(expected), "byte {at}, bit {bit}");
        }
    }
}

#[test]
fn what_is_no_message_stops_the_reader() {
    let lengths = |total: usize, headers: usize| {
        let prelude = [(total as u32).to_be_bytes(), (headers as u32).to_be_bytes()].concat();
        let checksum = crc32fast::hash(&prelude);
        [prelude, checksum.to_be_bytes().to_vec()].concat()
    };
    let of = |headers: &[u8]| message(headers, b"{}");
    let table = [
        ("text", b"data: {\"a\": 1}\n\n".to_vec(), FramingError::PreludeChecksum),
        ("too long", lengths(MAX_MESSAGE + 1, 0), FramingError::TooLong),
        ("too long headers", lengths(MAX_MESSAGE, MAX_HEADERS + 1), FramingError::TooLong),
        ("nothing", lengths(0, 0), FramingError::Lengths),
        ("shorter than its frame", lengths(15, 0), FramingError::Lengths),
        ("headers beyond the end", lengths(20, 5), FramingError::Lengths),
        ("a name that is cut", of(b"\x05abc"), FramingError::Headers),
        ("no type", of(b"\x03abc"), FramingError::Headers),
        ("an unknown type", of(&header("a", 10, b"")), FramingError::Headers),
        ("a value that is cut", of(&header("a", TEXT, b"\x00\x05abc")), FramingError::Headers),
        ("a number that is cut", of(&header("a", 5, b"1234567")), FramingError::Headers),
        ("a length that is cut", of(&header("a", BYTES, b"\x00")), FramingError::Headers),
        ("a name that is a number", of(&header(":event-type", 2, b"1")), FramingError::Headers),
        ("two names", of(&[text(":event-type", "a"), text(":event-type", "b")].concat()), FramingError::Headers),
    ];
    let mut good = Vec::new();
    write_event("messageStart", &json!({}), &mut good);
    for (what, bytes, expected) in table {
        let stream = [&good[..], &bytes, &good].concat();
        for size in [1, 7, stream.len()] {
            let (events, failure) = read(stream.chunks(size));
            assert_eq!((events.len(), failure), (1, Some(expected)), "{what}, {size} bytes at a time");
        }
    }
}

#[test]
fn a_message_that_is_only_announced_takes_no_room() {
    let mut stream = message(&[], &vec![b'x'; MAX_MESSAGE - PRELUDE - CRC]);
    let rest = stream.split_off(PRELUDE);
    let (mut reader, mut out) = (AwsEventReader::default(), Vec::new());
    reader.push(&stream.into(), &mut out);
    assert!(reader.buffer.capacity() < 64, "{}", reader.buffer.capacity());
    reader.push(&rest.into(), &mut out);
    assert_eq!((out.len(), reader.failure()), (1, None));
    reader.push(&Bytes::from_static(b"\x00"), &mut out);
    assert!(reader.buffer.capacity() < 64, "{}", reader.buffer.capacity());
}

fn streams() -> impl Strategy<Value = Vec<u8>> {
    let name = prop_oneof![Just("contentBlockDelta"), Just("metadata"), Just("")];
    let piece = (name, any::<String>(), any::<bool>()).prop_map(|(name, text, exception)| {
        let mut out = Vec::new();
        match exception {
            true => write_exception(name, &text, &mut out),
            false => write_event(name, &text, &mut out),
        }
        out
    });
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn what_is_written_is_read_wherever_chunks_end(stream in streams()) {
        let whole = read([&stream[..]]);
        prop_assert_eq!(whole.1, None);
        let raw: Vec<u8> = whole.0.iter().flat_map(|event| event.raw().to_vec()).collect();
        prop_assert_eq!(&raw, &stream);
        prop_assert_eq!(&read(stream.chunks(1)), &whole);
        for at in 0..stream.len() {
            let (one, other) = stream.split_at(at);
            prop_assert_eq!(&read([one, other]), &whole, "split at {}", at);
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(stream in prop::collection::vec(any::<u8>(), 0..200)) {
        let whole = read([&stream[..]]);
        prop_assert_eq!(read(stream.chunks(3)), whole);
    }
}
