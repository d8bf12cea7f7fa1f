//! Reading a body whole, before deciding: the model often comes after the messages.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Version};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use outrigger_core::RefusalKind;
use tokio::sync::Semaphore;

use crate::memory::{Memory, MemoryLease, of_request};
use crate::request::refusal::Refusal;
use crate::upstream::Pieces;

/// A client that sends nothing of its body for so long has stopped.
const STALLED: Duration = Duration::from_secs(30);
/// How much of a body is read on for that was refused, and for how long: a client that is still writing would find its
/// connection reset, and never read why.
const DRAINED: usize = 64 << 20;
const DRAINING: Duration = Duration::from_secs(10);
/// The same for the next piece of it.
const DRAINED_NEXT: Duration = Duration::from_secs(1);
/// For so many requests of HTTP/2 at a time: a connection may have many. The others' streams are reset behind the answer,
/// which most clients read all the same.
static DRAINS: Semaphore = Semaphore::const_new(64);

/// Reads a body, within the bounds of one and of all. Too large is said before it is all read.
pub async fn receive(
    headers: &HeaderMap,
    body: &mut Incoming,
    memory: &Memory,
) -> Result<(Bytes, MemoryLease), Refusal> {
    let encoding = headers.get(http::header::CONTENT_ENCODING).and_then(|value| value.to_str().ok());
    if let Some(encoding) = encoding.filter(|encoding| !encoding.eq_ignore_ascii_case("identity")) {
        let message = format!("a body with content-encoding `{encoding}` is not read here; send it as it is");
        return Err(Refusal::new(RefusalKind::InvalidRequest, message).with_status(415));
    }
    let said = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if said > memory.longest_body() {
        return Err(too_large(memory));
    }
    // What is announced is not yet held: only asked for, so that nothing is read in vain.
    // Whether it asks for a stream stands in the body.
    let request = of_request(headers, false);
    drop(memory.hold(request + said).map_err(|_| overloaded())?);
    let mut held = memory.hold(request).map_err(|_| overloaded())?;
    let mut first: Option<Bytes> = None;
    let mut whole = BytesMut::new();
    let mut length = 0;
    loop {
        let Ok(frame) = tokio::time::timeout(STALLED, body.frame()).await else {
            return Err(Refusal::new(RefusalKind::InvalidRequest, "the body stopped coming").with_status(408));
        };
        let Some(frame) = frame else { break };
        let broken =
            |error| Refusal::new(RefusalKind::InvalidRequest, format!("the body ended before its end: {error}"));
        let frame = frame.map_err(broken)?;
        let Ok(data) = frame.into_data() else { continue };
        length += data.len();
        if length > memory.longest_body() {
            return Err(too_large(memory));
        }
        // One that is not announced is copied as it grows: some of both copies is there for a moment.
        let grows = if length > said { length + length / 2 } else { length };
        held.grow_to(request + grows, memory).map_err(|_| overloaded())?;
        // Most bodies come in one piece: that one is kept as it is, without a copy.
        match (&first, whole.is_empty()) {
            (None, true) => first = Some(data),
            (Some(_), true) => {
                whole.reserve(said.max(length));
                whole.extend_from_slice(first.take().as_deref().unwrap_or_default());
                whole.extend_from_slice(&data);
            }
            _ => whole.extend_from_slice(&data),
        }
    }
    held.shrink_to(request + length);
    Ok((first.unwrap_or_else(|| whole.freeze()), held))
}

/// Reads on what a refused client still sends, and forgets it, so that it comes to read why. `waits`: it has asked whether
/// it may send, and was not told to.
pub async fn drain(body: &mut Incoming, version: Version, waits: bool) {
    if body.is_end_stream() || waits {
        return;
    }
    let place = (version == Version::HTTP_2).then(|| DRAINS.try_acquire());
    if matches!(place, Some(Err(_))) {
        return;
    }
    let reading = async {
        let mut drained = 0;
        while drained < DRAINED {
            match tokio::time::timeout(DRAINED_NEXT, body.frame()).await {
                Ok(Some(Ok(frame))) => drained += frame.data_ref().map_or(0, Bytes::len),
                Ok(Some(Err(_)) | None) | Err(_) => break,
            }
        }
    };
    // Whoever sends for longer is no client that waits for an answer.
    let _either = tokio::time::timeout(DRAINING, reading).await;
}

pub fn too_large(memory: &Memory) -> Refusal {
    let longest = memory.longest_body();
    let longest = if longest < 1 << 20 { format!("{} KiB", longest >> 10) } else { format!("{} MiB", longest >> 20) };
    let message = format!("the body is longer than {longest}, the most that this gateway's memory allows");
    Refusal::new(RefusalKind::RequestTooLarge, message)
}

/// There is no room now.
pub fn overloaded() -> Refusal {
    Refusal::new(RefusalKind::Overloaded, "the gateway holds as many requests and answers as its memory allows")
        .after(1)
}

/// Bytes of the longest head of a form's part.
const LONGEST_HEAD: usize = 8 << 10;

/// Where the `model` field of a multipart form stands: its text and its place in the body.
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
        // No head of a part is that long, and no name of a model.
        let head = part.get(..blank).filter(|head| head.len() <= LONGEST_HEAD).unwrap_or_default();
        if !names_model(&String::from_utf8_lossy(head)) {
            continue;
        }
        let value = begin + blank + 4..end.saturating_sub(2).max(begin + blank + 4);
        if value.len() > LONGEST_HEAD {
            return None;
        }
        // Two fields of that name: nobody can say which one counts.
        if found.replace((String::from_utf8_lossy(body.get(value.clone())?).into_owned(), value)).is_some() {
            return None;
        }
    }
    found
}

/// Whether a part's head says that it is the field `model`, however it spells that.
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

/// A form's body with another model's name in it.
pub fn with_form_model(context: &crate::request::context::RequestContext, model: &str) -> Pieces {
    match form_model(&context.headers, &context.body) {
        Some((said, at)) if said != model => {
            Pieces::new([context.body.slice(..at.start), Bytes::from(model.to_owned()), context.body.slice(at.end..)])
        }
        _ => context.body.clone().into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_forms_model_is_found_once() {
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
