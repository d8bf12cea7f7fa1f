//! Anthropic's events inside of an event stream of AWS, as `InvokeModelWithResponseStream` sends them:
//!
//! ```text
//! chunk      {"bytes": "base64 of {\"type\": \"message_start\", …}"}  <->  event: message_start
//!                                                                          data: {"type": "message_start", …}
//! exception  {"message": "Too many requests"}                         <->  event: error
//!                                                                          data: {"type": "error", "error": {…}}
//! ```
//! So relays, watchers and decoders need to know only server-sent events.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};

use super::FramingError;
use super::aws_event_stream::{AwsEventReader, write_event, write_exception};
use super::event::{DataPlace, Event};

/// Reads such a stream as server-sent events.
#[derive(Debug, Default)]
pub struct AwsChunkReader {
    reader: AwsEventReader,
    messages: Vec<Event>,
    failure: Option<FramingError>,
}

impl AwsChunkReader {
    /// Reads `chunk`, and appends the events that it completes to `out`.
    pub fn push(&mut self, chunk: &Bytes, out: &mut Vec<Event>) {
        if self.failure().is_some() {
            return;
        }
        self.reader.push(chunk, &mut self.messages);
        for message in self.messages.drain(..) {
            match unpacked(&message) {
                Ok(event) => out.extend(event),
                Err(failure) => {
                    self.failure = Some(failure);
                    break;
                }
            }
        }
    }

    /// Ends the stream.
    pub fn finish(&mut self) {
        self.reader.finish();
    }

    /// Bytes buffered of an unfinished message.
    #[must_use]
    pub fn buffered(&self) -> usize {
        self.reader.buffered()
    }

    /// Why nothing more is read.
    #[must_use]
    pub fn failure(&self) -> Option<FramingError> {
        self.failure.or_else(|| self.reader.failure())
    }
}

/// The payload of a message.
#[derive(Deserialize)]
struct ChunkPayload<'a> {
    #[serde(borrow)]
    bytes: Cow<'a, str>,
}

/// The kind of an event, which is also its name.
#[derive(Default, Deserialize)]
#[serde(default)]
struct EventKind<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
}

/// The event in a message; `None` for messages of other kinds.
fn unpacked(message: &Event) -> Result<Option<Event>, FramingError> {
    let data = message.data_bytes().unwrap_or_default();
    if message.is_exception() {
        return Ok(Some(sse("error", error_of(message.name(), data).to_string().as_bytes())));
    }
    if message.name() != "chunk" {
        return Ok(None);
    }
    let chunk: ChunkPayload<'_> = serde_json::from_slice(data).map_err(|_| FramingError::Chunk)?;
    let data = STANDARD.decode(&*chunk.bytes).map_err(|_| FramingError::Chunk)?;
    // A line feed would end the data. JSON needs none.
    let one_line = data.iter().all(|byte| !matches!(byte, b'\n' | b'\r'));
    let text = std::str::from_utf8(&data).ok().filter(|_| one_line).ok_or(FramingError::Chunk)?;
    let kind = serde_json::from_str::<EventKind<'_>>(text).unwrap_or_default().kind;
    let fits = kind.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    Ok(Some(sse(if fits { &kind } else { "" }, &data)))
}

/// An event in the framing of server-sent events.
fn sse(name: &str, data: &[u8]) -> Event {
    let mut raw = Vec::with_capacity(name.len() + data.len() + 16);
    raw.extend_from_slice(b"event: ");
    raw.extend_from_slice(name.as_bytes());
    let name = 7..raw.len();
    raw.extend_from_slice(b"\ndata: ");
    let begin = raw.len();
    raw.extend_from_slice(data);
    let data = DataPlace::At(begin..raw.len());
    raw.extend_from_slice(b"\n\n");
    Event::new(raw.into(), name, data)
}

/// The exceptions of a stream, and Anthropic's types of the same errors.
const EXCEPTIONS: [(&str, &str); 6] = [
    ("throttlingException", "rate_limit_error"),
    ("validationException", "invalid_request_error"),
    ("serviceUnavailableException", "overloaded_error"),
    ("modelTimeoutException", "timeout_error"),
    ("modelStreamErrorException", "api_error"),
    ("internalServerException", "api_error"),
];

/// An exception as Anthropic's error.
fn error_of(name: &str, data: &[u8]) -> Value {
    let text = String::from_utf8_lossy(data);
    let message = match serde_json::from_str::<Value>(&text) {
        Ok(fields) => fields.get("message").and_then(Value::as_str).unwrap_or_default().to_owned(),
        Err(_) => text.into_owned(),
    };
    let kind = EXCEPTIONS.iter().find(|(known, _)| *known == name).map_or("api_error", |(_, kind)| *kind);
    json!({"type": "error", "error": {"type": kind, "message": message}})
}

/// Writes an event of Anthropic's as such a message: an error as an exception, a ping not at all, because AWS sends none.
pub fn write(event: &Event, out: &mut Vec<u8>) {
    let Some(data) = event.data() else { return };
    match event.name() {
        "ping" => {}
        "error" => {
            let body = serde_json::from_str::<Value>(&data).unwrap_or_default();
            let text = |key: &str| body.get("error")?.get(key)?.as_str().map(str::to_owned);
            let kind = text("type").unwrap_or_default();
            let exception = EXCEPTIONS.iter().find(|(_, known)| *known == kind).map_or(
                // Errors of the caller have several types.
                if kind.is_empty() { "internalServerException" } else { "validationException" },
                |(exception, _)| exception,
            );
            write_exception(exception, &json!({"message": text("message").unwrap_or_default()}), out);
        }
        _ => write_event("chunk", &json!({"bytes": STANDARD.encode(data.as_bytes())}), out),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The events of a stream in chunks of this length, and the failure at its end.
    fn read(stream: &[u8], length: usize) -> (Vec<(String, String)>, Option<FramingError>) {
        let (mut reader, mut events) = (AwsChunkReader::default(), Vec::new());
        for chunk in stream.chunks(length) {
            reader.push(&Bytes::copy_from_slice(chunk), &mut events);
        }
        let events = events.iter().map(|event| (event.name().to_owned(), event.data().unwrap().into_owned()));
        (events.collect(), reader.failure())
    }

    #[test]
    fn what_is_written_is_read_again_wherever_it_is_cut() {
        let events = [
            ("message_start", r#"{"type":"message_start","message":{"id":"msg_1"}}"#),
            ("ping", r#"{"type":"ping"}"#),
            ("content_block_delta", r#"{"type":"content_block_delta","delta":{"text":"é\n"}}"#),
            ("error", r#"{"type":"error","error":{"type":"rate_limit_error","message":"Too \"many\""}}"#),
        ];
        let mut stream = Vec::new();
        events.iter().for_each(|(name, data)| write(&Event::of(name, Some(data)), &mut stream));
        let told: Vec<(String, String)> = events
            .iter()
            .filter(|(name, _)| *name != "ping")
            .map(|(name, data)| ((*name).to_owned(), (*data).to_owned()))
            .collect();
        for length in [1, 7, stream.len()] {
            assert_eq!(read(&stream, length), (told.clone(), None), "{length}");
        }
    }

    #[test]
    fn events_have_the_framing_of_server_sent_events() {
        let (mut stream, mut events) = (Vec::new(), Vec::new());
        write_event("chunk", &json!({"bytes": STANDARD.encode(r#"{"type":"ping"}"#), "p": "abc"}), &mut stream);
        write_event("initial-response", &json!({}), &mut stream);
        AwsChunkReader::default().push(&stream.into(), &mut events);
        assert_eq!(events.len(), 1);
        assert_eq!(events[0].raw(), "event: ping\ndata: {\"type\":\"ping\"}\n\n");
    }

    #[test]
    fn exceptions_and_errors_have_each_others_names() {
        for (error, exception) in [
            ("rate_limit_error", "throttlingException"),
            ("overloaded_error", "serviceUnavailableException"),
            ("authentication_error", "validationException"),
            ("api_error", "modelStreamErrorException"),
            ("", "internalServerException"),
        ] {
            let data = json!({"type": "error", "error": {"type": error, "message": "m"}}).to_string();
            let (mut stream, mut messages) = (Vec::new(), Vec::new());
            write(&Event::of("error", Some(&data)), &mut stream);
            AwsEventReader::default().push(&stream.into(), &mut messages);
            assert_eq!((messages[0].name(), messages[0].is_exception()), (exception, true), "{error}");
        }
        assert_eq!(error_of("newException", b"plain")["error"], json!({"type": "api_error", "message": "plain"}));
    }

    #[test]
    fn a_chunk_that_is_no_event_ends_the_stream() {
        for bytes in ["*", &STANDARD.encode("a\nevent: b"), &STANDARD.encode(b"\xFF")] {
            let mut stream = Vec::new();
            write_event("chunk", &json!({"bytes": bytes}), &mut stream);
            write_event("chunk", &json!({"bytes": STANDARD.encode("{}")}), &mut stream);
            assert_eq!(read(&stream, stream.len()), (vec![], Some(FramingError::Chunk)), "{bytes}");
        }
    }
}
