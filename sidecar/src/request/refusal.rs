//! The gateway's own answers: refusals and failures, in the caller's dialect.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use outrigger_core::RefusalKind;
use outrigger_llm::Dialect;
use outrigger_llm::errors::GatewayError;
use outrigger_llm::registry::error_body;

use crate::request::headers::{self, name};
use crate::request::reply::ReplyBody;
use crate::telemetry::record::cut;

/// Why a request is not served, and what the caller is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The kind's own, unless whoever refuses knows a better one.
    pub status: u16,
    pub kind: RefusalKind,
    pub message: String,
    pub param: Option<String>,
    /// Seconds.
    pub retry_after: Option<u64>,
    /// Tells SDKs not to try again by themselves. As the kind has it, but for what was tried in vain.
    pub final_word: bool,
}

/// Bytes of the longest message.
const LONGEST: usize = 4_096;

impl Refusal {
    pub fn new(kind: RefusalKind, message: impl Into<String>) -> Self {
        let mut message = message.into();
        // It may quote the caller, or an upstream.
        cut(&mut message, LONGEST);
        let (status, final_word) = (kind.status(), kind.is_final());
        Refusal { status, kind, message, param: None, retry_after: None, final_word }
    }

    /// Under another status than the kind's own.
    #[must_use]
    pub fn with_status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    /// After so many seconds it may be otherwise.
    #[must_use]
    pub fn after(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    /// The answer, in a dialect.
    #[must_use]
    pub fn answer(&self, dialect: Dialect, request_id: &str, attempts: &[String]) -> Response<ReplyBody> {
        let body = error_body(
            dialect,
            &GatewayError {
                status: self.status,
                kind: self.kind.name(),
                message: &self.message,
                request_id,
                param: self.param.as_deref(),
                attempts,
            },
        );
        let mut response = json(self.status, body);
        let headers = response.headers_mut();
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        if self.final_word {
            headers.insert("x-should-retry", HeaderValue::from_static("false"));
        }
        tell_request_id(headers, dialect, request_id);
        response
    }
}

impl From<&outrigger_policy::PolicyRefusal> for Refusal {
    fn from(refusal: &outrigger_policy::PolicyRefusal) -> Self {
        Refusal { param: refusal.param.clone(), ..Refusal::new(refusal.kind.kind(), refusal.message.clone()) }
    }
}

/// Where SDKs look for a request's id, unless the upstream's own is already there.
pub fn tell_request_id(headers: &mut HeaderMap, dialect: Dialect, request_id: &str) {
    let name = match dialect {
        Dialect::Anthropic => name::REQUEST_ID,
        Dialect::OpenAi | Dialect::Gemini => name::X_REQUEST_ID,
    };
    if !headers.contains_key(&name) {
        headers::set(headers, name, request_id);
    }
    if !headers.contains_key(&name::X_REQUEST_ID) {
        headers::set(headers, name::X_REQUEST_ID, request_id);
    }
}

/// A JSON answer.
pub fn json(status: u16, body: impl Into<Bytes>) -> Response<ReplyBody> {
    let mut response = Response::new(Full::new(body.into()).map_err(|never| match never {}).boxed_unsync());
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
