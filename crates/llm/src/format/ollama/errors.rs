//! The gateway's errors: `{"error": "…"}`, also as the last line of a stream.

use serde_json::{Value, json};

use crate::errors::GatewayError;
use crate::framing::lines;

/// Writes the line that ends a stream.
pub(crate) fn write_event(error: &GatewayError<'_>, out: &mut Vec<u8>) {
    lines::write(&body(error).to_string(), out);
}

/// The body of an error answer.
pub(crate) fn body(error: &GatewayError<'_>) -> Value {
    json!({"error": error.full_message()})
}
