//! The gateway's errors: `{"error": {"message", "type", "param", "code"}}`. The kind is both type and code, and
//! `attempts` lists the attempts.

use serde_json::{Value, json};

use crate::errors::GatewayError;
use crate::framing::sse;

/// Writes the error event that ends a stream. No `[DONE]` follows it: SDKs raise an exception at the event, and for
/// clients that don't, an end would look like success.
pub(crate) fn write_event(error: &GatewayError<'_>, out: &mut Vec<u8>) {
    sse::write(None, &body(error), out);
}

/// The body of an error answer.
pub(crate) fn body(error: &GatewayError<'_>) -> Value {
    let mut body = json!({
        "message": error.full_message(),
        "type": error.kind,
        "param": error.param,
        "code": error.kind,
    });
    if let (Value::Object(body), false) = (&mut body, error.attempts.is_empty()) {
        body.insert("attempts".to_owned(), error.attempts.into());
    }
    json!({"error": body, "request_id": error.request_id})
}
