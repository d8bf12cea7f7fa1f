//! The gateway's errors in a stream. The bodies of error answers are those of all of OpenAI's API.

use serde_json::{Value, json};

use crate::errors::GatewayError;
use crate::format::openai_chat;
use crate::framing::sse;

/// The body of an error answer.
pub(crate) fn body(error: &GatewayError<'_>) -> Value {
    openai_chat::errors::body(error)
}

/// Writes the error event that ends a stream whose bytes pass through. Its place in the stream is not known there, and
/// SDKs raise an exception at it whatever its number.
pub(crate) fn write_event(error: &GatewayError<'_>, out: &mut Vec<u8>) {
    let event = event(&body(error)["error"], 0);
    sse::write(Some("error"), &event, out);
}

/// An error event. Its fields are OpenAI's documented ones, and `error`, at which SDKs raise an exception.
pub(super) fn event(error: &Value, sequence_number: u64) -> Value {
    json!({
        "type": "error",
        "sequence_number": sequence_number,
        "code": error["code"],
        "message": error["message"],
        "param": error["param"],
        "error": error,
    })
}
