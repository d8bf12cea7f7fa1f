//! The gateway's errors: `{"id", "message"}`, with `error_type` in the form of Cohere's own (`MODEL_NOT_FOUND`).

use serde_json::{Value, json};

use crate::errors::GatewayError;
use crate::framing::sse;

/// Writes the error event that ends a stream. Cohere has no event of its own for errors: the last event says what
/// failed.
pub(crate) fn write_event(error: &GatewayError<'_>, out: &mut Vec<u8>) {
    write_end(&error.full_message(), out);
}

/// Writes the last event of a stream that failed. No `[DONE]` follows it, because the answer is not complete.
pub(super) fn write_end(message: &str, out: &mut Vec<u8>) {
    let delta = json!({"error": message, "finish_reason": "ERROR"});
    sse::write(Some("message-end"), &json!({"type": "message-end", "delta": delta}), out);
}

/// The body of an error answer.
pub(crate) fn body(error: &GatewayError<'_>) -> Value {
    json!({
        "id": error.request_id,
        "message": error.full_message(),
        "error_type": error.kind.to_ascii_uppercase(),
    })
}
