//! The gateway's errors: `{"error": {"code", "message", "status", "details"}}`. The kind, in capitals, is the reason of
//! an `ErrorInfo` with domain `outrigger.dev`.

use serde_json::{Map, Value, json};

use crate::errors::GatewayError;
use crate::framing::sse;

/// Writes the error event that ends a stream.
pub(crate) fn write_event(error: &GatewayError<'_>, out: &mut Vec<u8>) {
    sse::write(None, &body(error), out);
}

/// The body of an error answer.
pub(crate) fn body(error: &GatewayError<'_>) -> Value {
    // In Google's type, `metadata` is a map of strings.
    let mut metadata = Map::new();
    metadata.insert("requestId".to_owned(), error.request_id.into());
    if let Some(param) = error.param {
        metadata.insert("param".to_owned(), param.into());
    }
    json!({"error": {
        "code": error.status,
        "message": error.full_message(),
        "status": canonical_code(error.status),
        "details": [{
            "@type": "type.googleapis.com/google.rpc.ErrorInfo",
            "reason": error.kind.to_ascii_uppercase(),
            "domain": "outrigger.dev",
            "metadata": metadata,
        }],
    }})
}

/// Google's canonical code for a status, as Google's own gateway maps it.
fn canonical_code(status: u16) -> &'static str {
    match status {
        401 => "UNAUTHENTICATED",
        403 => "PERMISSION_DENIED",
        404 => "NOT_FOUND",
        409 => "ABORTED",
        // There is no code for payment; a spent budget is exhausted.
        402 | 429 => "RESOURCE_EXHAUSTED",
        499 => "CANCELLED",
        501 => "UNIMPLEMENTED",
        503 | 529 => "UNAVAILABLE",
        408 | 504 => "DEADLINE_EXCEEDED",
        500.. => "INTERNAL",
        _ => "INVALID_ARGUMENT",
    }
}
