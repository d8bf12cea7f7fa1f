//! Reading a body whole, before deciding: the model often comes after the messages.

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};

use crate::memory::{Bodies, Held, LONGEST_BODY};
use crate::refuse::Refusal;

/// Reads a body, within the bounds of one and of all. Too large is said before it is all read.
pub async fn receive(headers: &HeaderMap, mut body: Incoming, bodies: &Bodies) -> Result<(Bytes, Held), Refusal> {
    let encoding = headers.get(http::header::CONTENT_ENCODING).and_then(|value| value.to_str().ok());
    if let Some(encoding) = encoding.filter(|encoding| !encoding.eq_ignore_ascii_case("identity")) {
        let message = format!("a body with content-encoding `{encoding}` is not read here; send it as it is");
        return Err(Refusal::new(415, "invalid_request", message));
    }
    let said = body.size_hint().exact().unwrap_or(0);
    if said > LONGEST_BODY as u64 {
        return Err(too_large());
    }
    let mut held = bodies.hold(said as usize).ok_or_else(overloaded)?;
    let mut known = said as usize;
    let mut first: Option<Bytes> = None;
    let mut whole = BytesMut::new();
    let mut length = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame
            .map_err(|error| Refusal::new(400, "invalid_request", format!("the body ended before its end: {error}")))?;
        let Ok(data) = frame.into_data() else { continue };
        length += data.len();
        if length > LONGEST_BODY {
            return Err(too_large());
        }
        if length > known {
            held.grow(bodies.hold(length - known).ok_or_else(overloaded)?);
            known = length;
        }
        // Most bodies come in one piece: that one is kept as it is, without a copy.
        match (&first, whole.is_empty()) {
            (None, true) => first = Some(data),
            (Some(_), true) => {
                whole.reserve(known.max(length));
                whole.extend_from_slice(first.take().as_deref().unwrap_or_default());
                whole.extend_from_slice(&data);
            }
            _ => whole.extend_from_slice(&data),
        }
    }
    Ok((first.unwrap_or_else(|| whole.freeze()), held))
}

fn too_large() -> Refusal {
    Refusal {
        final_word: true,
        ..Refusal::new(413, "request_too_large", format!("the body is longer than {} MiB", LONGEST_BODY >> 20))
    }
}

fn overloaded() -> Refusal {
    Refusal::new(503, "overloaded", "the gateway holds as many bodies as its memory allows").after(1)
}

/// Where the `model` field of a multipart form stands: its text and its place in the body.
pub fn form_model(headers: &HeaderMap, body: &[u8]) -> Option<(String, std::ops::Range<usize>)> {
    let content_type = headers.get(http::header::CONTENT_TYPE)?.to_str().ok()?;
    let boundary = content_type.split(';').find_map(|part| part.trim().strip_prefix("boundary="))?.trim_matches('"');
    let delimiter = format!("--{boundary}");
    let starts: Vec<usize> = memchr::memmem::find_iter(body, delimiter.as_bytes()).collect();
    let mut found = None;
    for pair in starts.windows(2) {
        let begin = pair[0] + delimiter.len();
        let part = body.get(begin..pair[1])?;
        let Some(blank) = memchr::memmem::find(part, b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&part[..blank]).to_ascii_lowercase();
        if !head.contains("name=\"model\"") || head.contains("filename=") {
            continue;
        }
        let value = begin + blank + 4..pair[1].saturating_sub(2).max(begin + blank + 4);
        // Two fields of that name: nobody can say which one counts.
        if found.replace((String::from_utf8_lossy(body.get(value.clone())?).into_owned(), value)).is_some() {
            return None;
        }
    }
    found
}

/// A form's body with another model's name in it.
pub fn with_form_model(call: &crate::call::Call, model: &str) -> Bytes {
    match form_model(&call.headers, &call.body) {
        Some((said, at)) if said != model => {
            let mut edited = Vec::with_capacity(call.body.len() + model.len());
            edited.extend_from_slice(&call.body[..at.start]);
            edited.extend_from_slice(model.as_bytes());
            edited.extend_from_slice(&call.body[at.end..]);
            edited.into()
        }
        _ => call.body.clone(),
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
        assert_eq!(form_model(&headers, b"--xyz--"), None);
        assert_eq!(form_model(&HeaderMap::new(), body.as_bytes()), None);
    }
}
