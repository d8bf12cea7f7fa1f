//! The gateway's own error responses, in the caller's dialect.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use outrigger_core::RefusalKind;
use outrigger_llm::Dialect;
use outrigger_llm::errors::GatewayError;
use outrigger_llm::format::bedrock::exception;
use outrigger_llm::registry::error_body;

use crate::request::headers::{self, name};
use crate::request::reply::ReplyBody;
use crate::telemetry::record::cut;

/// Why a request is refused, and the error for the caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The status of the kind, or a more specific one.
    pub status: u16,
    pub kind: RefusalKind,
    pub message: String,
    pub param: Option<String>,
    /// Seconds.
    pub retry_after: Option<u64>,
    /// Tells SDKs not to retry. It depends on the kind, and on what the gateway has tried already.
    pub final_word: bool,
}

/// The longest message, in bytes.
const LONGEST: usize = 4_096;

impl Refusal {
    pub fn new(kind: RefusalKind, message: impl Into<String>) -> Self {
        let mut message = message.into();
        // It may quote the caller or an upstream.
        cut(&mut message, LONGEST);
        let (status, final_word) = (kind.status(), kind.is_final());
        Refusal { status, kind, message, param: None, retry_after: None, final_word }
    }

    /// Sets another status than that of the kind.
    #[must_use]
    pub fn with_status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    /// Sets after how many seconds a retry may succeed.
    #[must_use]
    pub fn after(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    /// The error response in a dialect.
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
        if dialect == Dialect::Bedrock {
            // AWS's SDKs take the class of an error from here.
            headers.insert(name::AMZN_ERRORTYPE, HeaderValue::from_static(exception(self.status)));
        }
        set_request_id(headers, dialect, request_id);
        response
    }
}

impl From<&outrigger_policy::PolicyRefusal> for Refusal {
    fn from(refusal: &outrigger_policy::PolicyRefusal) -> Self {
        Refusal { param: refusal.param.clone(), ..Refusal::new(refusal.kind.kind(), refusal.message.clone()) }
    }
}

/// Sets the headers in which SDKs look for the id of a request, unless the upstream has set them.
pub fn set_request_id(headers: &mut HeaderMap, dialect: Dialect, request_id: &str) {
    let name = match dialect {
        Dialect::Anthropic => name::REQUEST_ID,
        Dialect::OpenAi | Dialect::Gemini | Dialect::Cohere | Dialect::Ollama => name::X_REQUEST_ID,
        Dialect::Bedrock => name::AMZN_REQUEST_ID,
    };
    if !headers.contains_key(&name) {
        headers::set(headers, name, request_id);
    }
    if !headers.contains_key(&name::X_REQUEST_ID) {
        headers::set(headers, name::X_REQUEST_ID, request_id);
    }
}

/// A JSON response.
pub fn json(status: u16, body: impl Into<Bytes>) -> Response<ReplyBody> {
    let mut response = Response::new(Full::new(body.into()).map_err(|never| match never {}).boxed_unsync());
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
