//! An answer of the listener: JSON, or a stream.

use std::convert::Infallible;

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};

/// What every answer's body is: whole, or a stream.
pub type AnswerBody = UnsyncBoxBody<Bytes, Infallible>;

/// A whole answer.
#[must_use]
pub fn answer(status: StatusCode, json: impl Into<Bytes>) -> Response<AnswerBody> {
    let mut response = Response::new(Full::new(json.into()).boxed_unsync());
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// The body, and something that lives as long as it does.
pub(crate) fn held<T: Send + 'static>(body: AnswerBody, held: T) -> AnswerBody {
    body.map_frame(move |frame| {
        let _ = &held;
        frame
    })
    .boxed_unsync()
}
