//! Builds an upstream's responses from a mock's answers.

use http::{Response, StatusCode, header};
use outrigger_llm::Dialect;
use outrigger_llm::provider::Api;

use super::body::{MockBody, MockPace};
use crate::upstream::UpstreamBody;

/// A JSON response.
pub fn json(status: u16, pace: MockPace) -> Response<UpstreamBody> {
    respond(status, "application/json", pace)
}

/// An event stream of a dialect.
pub fn event_stream(dialect: Dialect, pace: MockPace) -> Response<UpstreamBody> {
    respond(200, Api::of(dialect).framing.content_type(), pace)
}

fn respond(status: u16, content_type: &'static str, pace: MockPace) -> Response<UpstreamBody> {
    let mut response = Response::new(UpstreamBody::mock(MockBody::new(pace)));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(content_type));
    response
}
