//! The gateway's own errors, as written for a caller.
//!
//! SDKs select an error class by status and read the rest from the body, each in its own shape. Each format writes them
//! in its `errors.rs`.

/// An error of the gateway for a caller.
#[derive(Clone, Copy, Debug)]
pub struct GatewayError<'a> {
    /// The HTTP status; in a stream that began with 200, the status that it would have had.
    pub status: u16,
    /// The name of the error, as in `outrigger_core::RefusalKind`: `model_not_found`, `budget_exceeded`. A mock
    /// provider has its own names.
    pub kind: &'a str,
    /// What failed, and what to do, in a sentence.
    pub message: &'a str,
    pub request_id: &'a str,
    /// The invalid parameter, if there is one.
    pub param: Option<&'a str>,
    /// A line for each attempt: `openai/gpt-4o: rate_limited`. Appended to the message.
    pub attempts: &'a [String],
}

impl GatewayError<'_> {
    /// The message, followed by the attempts.
    #[must_use]
    pub fn full_message(&self) -> String {
        let message = self.message;
        if self.attempts.is_empty() {
            message.to_owned()
        } else {
            format!("{}; tried: {}", message.trim_end_matches('.'), self.attempts.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::errors::classify::{Class, classify};
    use serde_json::{Value, json};

    use crate::Dialect;
    use crate::framing::EventReader;
    use crate::provider::Api;
    use crate::registry::{error_body, error_event};

    const REFUSAL: GatewayError<'static> = GatewayError {
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
            parsed(&error_body(Dialect::OpenAi, &REFUSAL)),
            json!({
                "error": {"message": REFUSAL.message, "type": "model_not_found", "param": "model", "code": "model_not_found"},
                "request_id": "req-1",
            })
        );
        assert_eq!(
            parsed(&error_body(Dialect::Anthropic, &REFUSAL)),
            json!({
                "type": "error",
                "error": {"type": "not_found_error", "message": REFUSAL.message, "reason": "model_not_found"},
                "request_id": "req-1",
            })
        );
        assert_eq!(
            parsed(&error_body(Dialect::Bedrock, &REFUSAL)),
            json!({
                "message": REFUSAL.message, "__type": "ResourceNotFoundException", "reason": "model_not_found",
                "requestId": "req-1",
            })
        );
        assert_eq!(
            parsed(&error_body(Dialect::Gemini, &REFUSAL)),
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
        assert_eq!(parsed(&error_body(Dialect::Ollama, &REFUSAL)), json!({"error": REFUSAL.message}));
        assert_eq!(
            parsed(&error_body(Dialect::Cohere, &REFUSAL)),
            json!({"id": "req-1", "message": REFUSAL.message, "error_type": "MODEL_NOT_FOUND"})
        );
    }

    #[test]
    fn attempts_are_listed_in_every_dialect() {
        let attempts = ["a/m: rate_limited".to_owned(), "b/m: \"overloaded\"\n".to_owned()];
        let refusal = GatewayError { status: 429, message: "All candidates failed.", attempts: &attempts, ..REFUSAL };
        for dialect in Dialect::ALL {
            let value = parsed(&error_body(dialect, &refusal));
            let message = value.pointer("/error/message").or(value.get("message")).unwrap_or(&value["error"]);
            assert_eq!(message, "All candidates failed; tried: a/m: rate_limited, b/m: \"overloaded\"\n");
        }
        assert_eq!(parsed(&error_body(Dialect::OpenAi, &refusal))["error"]["attempts"], json!(attempts));
    }

    #[test]
    fn events_are_one_framed_block_with_the_body() {
        let refusal = GatewayError { message: "line one\nline two", ..REFUSAL };
        for dialect in Dialect::ALL {
            let mut events = Vec::new();
            let mut reader = EventReader::new(Api::of(dialect).framing);
            reader.push(&error_event(dialect, &refusal).into(), &mut events);
            assert_eq!((events.len(), reader.finish()), (1, None));
            let name = match dialect {
                Dialect::Anthropic => "error",
                Dialect::Bedrock => "validationException",
                Dialect::OpenAi | Dialect::Gemini | Dialect::Cohere | Dialect::Ollama => "",
            };
            // Cohere's clients know no event for errors, but the last one of an answer may have one.
            if dialect == Dialect::Cohere {
                let delta = json!({"error": refusal.message, "finish_reason": "ERROR"});
                assert_eq!(parsed(events[0].data_bytes().unwrap()), json!({"type": "message-end", "delta": delta}));
                continue;
            }
            assert_eq!(events[0].name(), name);
            assert_eq!(events[0].is_exception(), dialect == Dialect::Bedrock);
            assert_eq!(events[0].data_bytes().map(<[u8]>::to_vec), Some(error_body(dialect, &refusal)));
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
            let refusal = GatewayError { status, kind: "x", message: "y", ..REFUSAL };
            assert_eq!(parsed(&error_body(Dialect::Anthropic, &refusal))["error"]["type"], anthropic);
            assert_eq!(parsed(&error_body(Dialect::Gemini, &refusal))["error"]["status"], google);
            // A gateway behind this one must recognize the refusal.
            for dialect in Dialect::ALL {
                let read = classify(dialect, status, &|_| None, &error_body(dialect, &refusal));
                assert_eq!(read.class, class, "{dialect} {status}");
            }
        }
    }
}
