//! Scripted faults of a mock.

use std::time::Duration;

use bytes::Bytes;
use http::{Response, StatusCode, header};
use outrigger_llm::errors::GatewayError;
use outrigger_llm::registry::{error_body, error_event};
use outrigger_llm::{CallerFormat, Dialect};
use outrigger_policy::{FaultDoc, FaultKind, Globs};

use super::body::MockPace;
use super::respond;
use crate::upstream::UpstreamBody;

/// A scripted fault.
#[derive(Debug)]
pub struct MockFault {
    doc: FaultDoc,
    models: Globs,
}

impl MockFault {
    pub fn new(doc: &FaultDoc) -> Self {
        MockFault { models: Globs::new(&doc.models), doc: doc.clone() }
    }

    /// Whether it applies to this request.
    pub fn strikes(&self, model: &str) -> bool {
        self.models.allows(model) && fastrand::u32(0..100) < self.doc.percent
    }

    pub fn kind(&self) -> FaultKind {
        self.doc.kind
    }

    /// The message, which names the fault.
    pub fn message(&self) -> String {
        self.doc.message.clone().unwrap_or_else(|| format!("the mock's fault `{}`", self.doc.name))
    }

    pub fn delay(&self) -> Duration {
        Duration::from_millis(self.doc.delay.unwrap_or(0))
    }

    /// Cuts a stream short: adds an error event, or returns the reason for which the connection breaks.
    pub fn shorten(&self, events: &mut Vec<Bytes>, format: CallerFormat) -> Option<String> {
        events.truncate(self.doc.events.unwrap_or(0) as usize);
        match self.doc.kind {
            FaultKind::ErrorEvent => {
                events.push(self.error_event(format).into());
                None
            }
            _ => Some(self.message()),
        }
    }

    pub fn allows_fallbacks(&self) -> bool {
        self.doc.allow_fallbacks
    }

    pub fn status_code(&self) -> u16 {
        self.doc.status.unwrap_or(match self.doc.kind {
            FaultKind::Status | FaultKind::ErrorEvent => 500,
            _ => 200,
        })
    }

    /// The error response in the dialect.
    pub fn status(&self, dialect: Dialect) -> Response<UpstreamBody> {
        let status = self.status_code();
        let mut response = respond::json(status, MockPace::whole(self.error_body(dialect)));
        if let Some(ms) = self.doc.retry_after {
            let seconds = ms.div_ceil(1_000);
            response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        }
        response
    }

    pub fn error_body(&self, dialect: Dialect) -> Vec<u8> {
        error_body(dialect, &self.refusal(&self.message()))
    }

    /// The error event of the format's streams.
    fn error_event(&self, format: CallerFormat) -> Vec<u8> {
        error_event(format, &self.refusal(&self.message()))
    }

    fn refusal<'a>(&self, message: &'a str) -> GatewayError<'a> {
        let status = self.status_code();
        // The types that providers use, so that code that reads them is tested too.
        let kind = match status {
            400 | 422 => "invalid_request_error",
            401 => "invalid_api_key",
            402 => "insufficient_quota",
            403 => "permission_denied",
            404 => "model_not_found",
            429 => "rate_limit_exceeded",
            503 | 529 => "overloaded_error",
            _ => "server_error",
        };
        GatewayError { status, kind, message, request_id: "req_mock", param: None, attempts: &[] }
    }
}

/// Status 200, but not valid in the dialect.
pub fn malformed(dialect: Dialect, stream: bool) -> Response<UpstreamBody> {
    match stream {
        true => respond::event_stream(dialect, MockPace::whole("data: {\"choices\": oops\n\n")),
        false => respond::json(200, MockPace::whole("<html>mock</html>")),
    }
}

/// Status 200, but empty.
pub fn empty(dialect: Dialect, stream: bool) -> Response<UpstreamBody> {
    match stream {
        true => respond::event_stream(dialect, MockPace::whole("")),
        false => respond::json(StatusCode::OK.as_u16(), MockPace::whole("")),
    }
}
