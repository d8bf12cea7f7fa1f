//! Reads the whole body before the decision, because the model often comes after the messages.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Version};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use outrigger_core::RefusalKind;
use tokio::sync::Semaphore;

use crate::memory::{Memory, MemoryLease, request_size, size_text};
use crate::request::refusal::Refusal;
use crate::upstream::Pieces;

/// A client that sends nothing of its body for this long has stopped.
const STALL_TIMEOUT: Duration = Duration::from_secs(30);
/// How much of a refused body is read and discarded, and for how long. Otherwise a client that is still writing would
/// find its connection reset, and never read the refusal.
const MAX_DRAINED: usize = 64 << 20;
const DRAIN_TIMEOUT: Duration = Duration::from_secs(10);
/// The limit for its next chunk.
const DRAIN_CHUNK_TIMEOUT: Duration = Duration::from_secs(1);
/// How many HTTP/2 requests are drained at once: a connection may have many. The streams of others are reset after the
/// response, which most clients can still read.
static DRAIN_PERMITS: Semaphore = Semaphore::const_new(64);

/// Reads a body, within the limits of a body and of the memory. A body that announces too much is refused before it is
/// read.
pub async fn receive(
    headers: &HeaderMap,
    body: &mut Incoming,
    memory: &Memory,
) -> Result<(Bytes, MemoryLease), Refusal> {
    let encoding = headers.get(http::header::CONTENT_ENCODING).and_then(|value| value.to_str().ok());
    if let Some(encoding) = encoding.filter(|encoding| !encoding.eq_ignore_ascii_case("identity")) {
        let message =
            format!("a body with content-encoding `{encoding}` is not supported; send it without an encoding");
        return Err(Refusal::new(RefusalKind::InvalidRequest, message).with_status(415));
    }
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if announced > memory.longest_body() {
        return Err(too_large(memory));
    }
    // Check the announced length without reserving it, so that nothing is read in vain. Whether the request wants a
    // stream is in the body.
    let request = request_size(headers, false);
    drop(memory.hold(request + announced).map_err(|_| overloaded())?);
    let mut lease = memory.hold(request).map_err(|_| overloaded())?;
    let mut first: Option<Bytes> = None;
    let mut whole = BytesMut::new();
    let mut length = 0;
    loop {
        let Ok(frame) = tokio::time::timeout(STALL_TIMEOUT, body.frame()).await else {
            return Err(Refusal::new(RefusalKind::InvalidRequest, "the body stopped arriving").with_status(408));
        };
        let Some(frame) = frame else { break };
        let broken = |error| Refusal::new(RefusalKind::InvalidRequest, format!("the body is incomplete: {error}"));
        let frame = frame.map_err(broken)?;
        let Ok(data) = frame.into_data() else { continue };
        length += data.len();
        if length > memory.longest_body() {
            return Err(too_large(memory));
        }
        // A buffer without an announced length is copied when it grows: parts of both copies exist for a moment.
        let grows = if length > announced { length + length / 2 } else { length };
        lease.grow_to(request + grows, memory).map_err(|_| overloaded())?;
        // Most bodies arrive in one chunk, which is kept without a copy.
        match (&first, whole.is_empty()) {
            (None, true) => first = Some(data),
            (Some(_), true) => {
                whole.reserve(announced.max(length));
                whole.extend_from_slice(first.take().as_deref().unwrap_or_default());
                whole.extend_from_slice(&data);
            }
            _ => whole.extend_from_slice(&data),
        }
    }
    lease.shrink_to(request + length);
    Ok((first.unwrap_or_else(|| whole.freeze()), lease))
}

/// Reads and discards the rest of a refused body, so that the client reads the refusal. `waits`: the client waits for
/// `100 Continue`, which was not sent.
pub async fn drain(body: &mut Incoming, version: Version, waits: bool) {
    if body.is_end_stream() || waits {
        return;
    }
    let permit = (version == Version::HTTP_2).then(|| DRAIN_PERMITS.try_acquire());
    if matches!(permit, Some(Err(_))) {
        return;
    }
    let reading = async {
        let mut drained = 0;
        while drained < MAX_DRAINED {
            match tokio::time::timeout(DRAIN_CHUNK_TIMEOUT, body.frame()).await {
                Ok(Some(Ok(frame))) => drained += frame.data_ref().map_or(0, Bytes::len),
                Ok(Some(Err(_)) | None) | Err(_) => break,
            }
        }
    };
    // A client that sends for longer does not wait for a response.
    let _either = tokio::time::timeout(DRAIN_TIMEOUT, reading).await;
}

pub fn too_large(memory: &Memory) -> Refusal {
    let longest = size_text(memory.longest_body());
    let message = format!("the body is longer than {longest}, the most that this gateway's memory allows");
    Refusal::new(RefusalKind::RequestTooLarge, message)
}

/// The refusal if there is no memory now.
pub fn overloaded() -> Refusal {
    Refusal::new(RefusalKind::Overloaded, "the gateway holds as many requests and answers as its memory allows")
        .after(1)
}

/// The longest head of a part of a form, in bytes.
const MAX_PART_HEAD: usize = 8 << 10;

/// Finds the `model` field of a multipart form: its text and its range in the body.
pub fn form_model(headers: &HeaderMap, body: &[u8]) -> Option<(String, std::ops::Range<usize>)> {
    let content_type = headers.get(http::header::CONTENT_TYPE)?.to_str().ok()?;
    let boundary = content_type.split(';').find_map(|part| part.trim().strip_prefix("boundary="))?.trim_matches('"');
    let delimiter = format!("--{boundary}");
    let mut found = None;
    let mut last = None;
    for end in memchr::memmem::find_iter(body, delimiter.as_bytes()) {
        let Some(start) = last.replace(end) else { continue };
        let begin = start + delimiter.len();
        let part = body.get(begin..end)?;
        let Some(blank) = memchr::memmem::find(part, b"\r\n\r\n") else { continue };
        // Valid heads and names of models are shorter.
        let head = part.get(..blank).filter(|head| head.len() <= MAX_PART_HEAD).unwrap_or_default();
        if !names_model(&String::from_utf8_lossy(head)) {
            continue;
        }
        let value = begin + blank + 4..end.saturating_sub(2).max(begin + blank + 4);
        if value.len() > MAX_PART_HEAD {
            return None;
        }
        // With two fields of that name, it is not clear which one counts.
        if found.replace((String::from_utf8_lossy(body.get(value.clone())?).into_owned(), value)).is_some() {
            return None;
        }
    }
    found
}

/// Whether a part's head names the field `model`, in any spelling.
fn names_model(head: &str) -> bool {
    let disposition = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.trim().eq_ignore_ascii_case("content-disposition").then_some(value)
    });
    let parameters = disposition.into_iter().flat_map(|value| value.split(';').skip(1));
    parameters
        .filter_map(|parameter| parameter.split_once('='))
        .any(|(name, value)| name.trim().eq_ignore_ascii_case("name") && value.trim().trim_matches('"') == "model")
}

/// The body of a form with another model.
pub fn with_form_model(context: &crate::request::context::RequestContext, model: &str) -> Pieces {
    match form_model(&context.headers, &context.body) {
        Some((current, at)) if current != model => {
            Pieces::new([context.body.slice(..at.start), Bytes::from(model.to_owned()), context.body.slice(at.end..)])
        }
        _ => context.body.clone().into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_model_of_a_form_if_there_is_one() {
        let mut headers = HeaderMap::new();
        headers.insert("content-type", "multipart/form-data; boundary=xyz".parse().unwrap());
        let part = "--xyz\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nwhisper-1\r\n";
        let file = "--xyz\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\n\u{0}\u{1}\r\n";
        let body = format!("{file}{part}--xyz--\r\n");
        let (model, at) = form_model(&headers, body.as_bytes()).unwrap();
        assert_eq!((model.as_str(), &body[at]), ("whisper-1", "whisper-1"));
        assert_eq!(form_model(&headers, format!("{part}{part}--xyz--\r\n").as_bytes()), None);
        let unquoted = "--xyz\r\ncontent-disposition:form-data; NAME=model\r\n\r\nother\r\n";
        assert_eq!(form_model(&headers, format!("{part}{unquoted}--xyz--\r\n").as_bytes()), None);
        assert_eq!(form_model(&headers, b"--xyz--"), None);
        assert_eq!(form_model(&HeaderMap::new(), body.as_bytes()), None);
    }
}
