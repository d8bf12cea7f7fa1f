//! The gateway's own errors, in the caller's dialect.
//!
//! SDKs pick an error class by status and read the rest from the body, each in its own shape:
//!
//! - OpenAI: `{"error": {"message", "type", "param", "code"}}`; the kind is both type and code, and
//!   the attempts stand beside it as `attempts`.
//! - Anthropic: `{"type": "error", "error": {"type", "message", "reason"}, "request_id"}`. `type` is
//!   one of Anthropic's own, by status, as its SDKs know no others; the kind is `reason`.
//! - Google: `{"error": {"code", "message", "status", "details"}}`; the kind, in capitals, is the
//!   reason of an `ErrorInfo` of domain `outrigger.dev`.

use serde_json::{Map, Value, json};

use crate::Dialect;

/// An error of the gateway's, to be told to a caller.
#[derive(Clone, Copy, Debug)]
pub struct Refusal<'a> {
    /// The HTTP status; in a stream that began with 200, the one that it would have been.
    pub status: u16,
    /// The gateway's word for it: `model_not_found`, `budget_exceeded`.
    pub kind: &'a str,
    /// What failed, and what to do, in a sentence.
    pub message: &'a str,
    pub request_id: &'a str,
    /// The parameter at fault, where it is one.
    pub param: Option<&'a str>,
    /// A line for each attempt: `openai/gpt-4o: rate_limited`. Told after the message.
    pub attempts: &'a [String],
}

/// The body of an error answer: JSON.
#[must_use]
pub fn body(dialect: Dialect, refusal: &Refusal<'_>) -> Vec<u8> {
    value(dialect, refusal).to_string().into_bytes()
}

/// The error event that ends a stream, framed. OpenAI's is followed by no `[DONE]`: SDKs raise at
/// the event, and an end after it would tell those that do not that all went well.
#[must_use]
pub fn event(dialect: Dialect, refusal: &Refusal<'_>) -> Vec<u8> {
    let value = value(dialect, refusal);
    match dialect {
        Dialect::OpenAi | Dialect::Gemini => format!("data: {value}\n\n"),
        Dialect::Anthropic => format!("event: error\ndata: {value}\n\n"),
    }
    .into_bytes()
}

fn value(dialect: Dialect, refusal: &Refusal<'_>) -> Value {
    let message = message(refusal);
    match dialect {
        Dialect::OpenAi => {
            let mut error = json!({
                "message": message,
                "type": refusal.kind,
                "param": refusal.param,
                "code": refusal.kind,
            });
            if let (Value::Object(error), false) = (&mut error, refusal.attempts.is_empty()) {
                error.insert("attempts".to_owned(), refusal.attempts.into());
            }
            json!({"error": error, "request_id": refusal.request_id})
        }
        Dialect::Anthropic => json!({
            "type": "error",
            "error": {"type": anthropic(refusal.status), "message": message, "reason": refusal.kind},
            "request_id": refusal.request_id,
        }),
        Dialect::Gemini => {
            // `metadata` is a map of strings in Google's type.
            let mut metadata = Map::new();
            metadata.insert("requestId".to_owned(), refusal.request_id.into());
            if let Some(param) = refusal.param {
                metadata.insert("param".to_owned(), param.into());
            }
            json!({"error": {
                "code": refusal.status,
                "message": message,
                "status": google(refusal.status),
                "details": [{
                    "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                    "reason": refusal.kind.to_ascii_uppercase(),
                    "domain": "outrigger.dev",
                    "metadata": metadata,
                }],
            }})
        }
    }
}

fn message(refusal: &Refusal<'_>) -> String {
    let message = refusal.message;
    if refusal.attempts.is_empty() {
        message.to_owned()
    } else {
        format!("{}; tried: {}", message.trim_end_matches('.'), refusal.attempts.join(", "))
    }
}

/// Anthropic's error type for a status.
fn anthropic(status: u16) -> &'static str {
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

/// Google's canonical code for a status, as its own gateway maps them.
fn google(status: u16) -> &'static str {
    match status {
        401 => "UNAUTHENTICATED",
        403 => "PERMISSION_DENIED",
        404 => "NOT_FOUND",
        409 => "ABORTED",
        // No code is for money; what is spent is exhausted.
        402 | 429 => "RESOURCE_EXHAUSTED",
        499 => "CANCELLED",
        501 => "UNIMPLEMENTED",
        503 | 529 => "UNAVAILABLE",
        408 | 504 => "DEADLINE_EXCEEDED",
        500.. => "INTERNAL",
        _ => "INVALID_ARGUMENT",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::errors::classify::{Class, classify};
    use crate::framing::sse::Reader;

    const REFUSAL: Refusal<'static> = Refusal {
        status: 404,
        kind: "model_not_found",
        message: "no provider of this key serves `gpt-9`; nearest: `gpt-4o`",
        request_id: "req-1",
        param: Some("model"),
        attempts: &[],
    };

    fn parsed(bytes: &[u8]) -> Value {
        serde_json::from_slice(bytes).unwrap()
    }

    #[test]
    fn each_dialect_has_its_own_shape() {
        assert_eq!(
            parsed(&body(Dialect::OpenAi, &REFUSAL)),
            json!({
                "error": {"message": REFUSAL.message, "type": "model_not_found", "param": "model", "code": "model_not_found"},
                "request_id": "req-1",
            })
        );
        assert_eq!(
            parsed(&body(Dialect::Anthropic, &REFUSAL)),
            json!({
                "type": "error",
                "error": {"type": "not_found_error", "message": REFUSAL.message, "reason": "model_not_found"},
                "request_id": "req-1",
            })
        );
        assert_eq!(
            parsed(&body(Dialect::Gemini, &REFUSAL)),
            json!({"error": {
                "code": 404,
                "message": REFUSAL.message,
                "status": "NOT_FOUND",
                "details": [{
                    "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                    "reason": "MODEL_NOT_FOUND",
                    "domain": "outrigger.dev",
                    "metadata": {"requestId": "req-1", "param": "model"},
                }],
            }})
        );
    }

    #[test]
    fn attempts_are_told_to_all() {
        let attempts = ["a/m: rate_limited".to_owned(), "b/m: \"overloaded\"\n".to_owned()];
        let refusal = Refusal { status: 429, message: "All candidates failed.", attempts: &attempts, ..REFUSAL };
        for dialect in Dialect::ALL {
            let value = parsed(&body(dialect, &refusal));
            assert_eq!(
                value["error"]["message"],
                "All candidates failed; tried: a/m: rate_limited, b/m: \"overloaded\"\n"
            );
        }
        assert_eq!(parsed(&body(Dialect::OpenAi, &refusal))["error"]["attempts"], json!(attempts));
    }

    #[test]
    fn events_are_one_framed_block_that_holds_the_body() {
        let refusal = Refusal { message: "line one\nline two", ..REFUSAL };
        for dialect in Dialect::ALL {
            let mut events = Vec::new();
            let mut reader = Reader::default();
            reader.push(&event(dialect, &refusal), &mut events);
            assert_eq!((events.len(), reader.finish()), (1, None));
            assert_eq!(events[0].name, if dialect == Dialect::Anthropic { "error" } else { "" });
            assert_eq!(events[0].data.as_ref().map(|data| data.as_bytes().to_vec()), Some(body(dialect, &refusal)));
        }
    }

    #[test]
    fn statuses_have_a_type_that_the_sdks_know() {
        let table = [
            (400, "invalid_request_error", "INVALID_ARGUMENT", Class::Caller),
            (401, "authentication_error", "UNAUTHENTICATED", Class::Credential),
            (402, "billing_error", "RESOURCE_EXHAUSTED", Class::Quota),
            (403, "permission_error", "PERMISSION_DENIED", Class::Credential),
            (404, "not_found_error", "NOT_FOUND", Class::Caller),
            (408, "timeout_error", "DEADLINE_EXCEEDED", Class::Transient),
            (413, "request_too_large", "INVALID_ARGUMENT", Class::Caller),
            (422, "invalid_request_error", "INVALID_ARGUMENT", Class::Caller),
            (429, "rate_limit_error", "RESOURCE_EXHAUSTED", Class::RateLimited),
            (500, "api_error", "INTERNAL", Class::Transient),
            (502, "api_error", "INTERNAL", Class::Transient),
            (503, "overloaded_error", "UNAVAILABLE", Class::Overloaded),
            (504, "timeout_error", "DEADLINE_EXCEEDED", Class::Transient),
            (529, "overloaded_error", "UNAVAILABLE", Class::Overloaded),
        ];
        for (status, anthropic, google, class) in table {
            let refusal = Refusal { status, kind: "x", message: "y", ..REFUSAL };
            assert_eq!(parsed(&body(Dialect::Anthropic, &refusal))["error"]["type"], anthropic);
            assert_eq!(parsed(&body(Dialect::Gemini, &refusal))["error"]["status"], google);
            // A gateway behind this one reads the refusal for what it is.
            for dialect in Dialect::ALL {
                let read = classify(dialect, status, &|_| None, &body(dialect, &refusal));
                assert_eq!(read.class, class, "{dialect} {status}");
            }
        }
    }
}
