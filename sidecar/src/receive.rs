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
        let frame = frame.map_err(|error| {
            Refusal::new(400, "invalid_request", format!("the body ended before its end: {error}"))
        })?;
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
