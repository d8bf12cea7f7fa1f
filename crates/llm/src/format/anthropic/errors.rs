//! The gateway's errors: `{"type": "error", "error": {"type", "message", "reason"}, "request_id"}`. `type` is one of
//! Anthropic's own, by status, because its SDKs know no others; `reason` is the kind.

use serde_json::{Value, json};

use crate::errors::GatewayError;
use crate::framing::sse;

/// Writes the error event that ends a stream.
pub(crate) fn write_event(error: &GatewayError<'_>, out: &mut Vec<u8>) {
    sse::write(Some("error"), &body(error), out);
}

/// The body of an error answer.
pub(crate) fn body(error: &GatewayError<'_>) -> Value {
    json!({
        "type": "error",
        "error": {"type": error_type(error.status), "message": error.full_message(), "reason": error.kind},
        "request_id": error.request_id,
    })
}

/// Anthropic's error type for a status.
fn error_type(status: u16) -> &'static str {
    match status {
        401 => "authentication_error",
        402 => "billing_error",
        403 => "permission_error",
        404 => "not_found_error",
        408 | 504 => "timeout_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        503 | 529 => "overloaded_error",
        500.. => "api_error",
        _ => "invalid_request_error",
    }
}
