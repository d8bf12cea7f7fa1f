//! A response of the listener: JSON, or a stream.

use std::convert::Infallible;

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};

/// The body of every response: whole, or a stream.
pub type AnswerBody = UnsyncBoxBody<Bytes, Infallible>;

/// A whole response.
#[must_use]
pub fn answer(status: StatusCode, json: impl Into<Bytes>) -> Response<AnswerBody> {
    let mut response = Response::new(Full::new(json.into()).boxed_unsync());
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// The body, with a value that is dropped with it.
pub(crate) fn with_guard<T: Send + 'static>(body: AnswerBody, guard: T) -> AnswerBody {
    body.map_frame(move |frame| {
        let _ = &guard;
        frame
    })
    .boxed_unsync()
}
