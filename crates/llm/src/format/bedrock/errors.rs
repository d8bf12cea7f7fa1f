//! The gateway's errors: `{"message", "__type", "reason", "requestId"}`. SDKs take the class of an error from
//! `x-amzn-errortype`, and from `__type` if there is no such header. `reason` is the kind.

use serde_json::{Value, json};

use crate::errors::GatewayError;
use crate::framing::aws_event_stream;

/// Writes the exception that ends a stream.
pub(crate) fn write_event(error: &GatewayError<'_>, out: &mut Vec<u8>) {
    aws_event_stream::write_exception(stream_exception(error.status), &body(error), out);
}

/// The body of an error answer.
pub(crate) fn body(error: &GatewayError<'_>) -> Value {
    json!({
        "message": error.full_message(),
        "__type": exception(error.status),
        "reason": error.kind,
        "requestId": error.request_id,
    })
}

/// The exception of an error answer with this status.
#[must_use]
pub fn exception(status: u16) -> &'static str {
    match status {
        401 => "UnrecognizedClientException",
        // There is no exception for payment.
        402 | 403 => "AccessDeniedException",
        404 => "ResourceNotFoundException",
        408 | 504 => "ModelTimeoutException",
        424 => "ModelErrorException",
        429 => "ThrottlingException",
        503 | 529 => "ServiceUnavailableException",
        500.. => "InternalServerException",
        _ => "ValidationException",
    }
}

/// The same inside of a stream, where SDKs know only five.
pub(super) fn stream_exception(status: u16) -> &'static str {
    match status {
        429 => "throttlingException",
        408 | 424 | 504 => "modelStreamErrorException",
        503 | 529 => "serviceUnavailableException",
        500.. => "internalServerException",
        _ => "validationException",
    }
}

/// The status with which AWS answers an exception outside of a stream.
pub(crate) fn status(exception: &str) -> Option<u16> {
    // Inside of a stream, the first letter is small.
    let is = |known: &str| exception.eq_ignore_ascii_case(known);
    const STATUSES: [(&str, u16); 13] = [
        ("ValidationException", 400),
        ("ServiceQuotaExceededException", 400),
        ("UnrecognizedClientException", 403),
        ("ExpiredTokenException", 403),
        ("AccessDeniedException", 403),
        ("ResourceNotFoundException", 404),
        ("ModelTimeoutException", 408),
        ("ModelErrorException", 424),
        ("ModelStreamErrorException", 424),
        ("ThrottlingException", 429),
        ("ModelNotReadyException", 429),
        ("InternalServerException", 500),
        ("ServiceUnavailableException", 503),
    ];
    STATUSES.iter().find(|(known, _)| is(known)).map(|(_, status)| *status)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exceptions_of_statuses_have_that_status() {
        for (code, back) in
            [(400, 400), (403, 403), (404, 404), (408, 408), (424, 424), (429, 429), (500, 500), (503, 503)]
        {
            assert_eq!(status(exception(code)), Some(back), "{code}");
        }
        for (code, back) in [(400, 400), (401, 400), (429, 429), (424, 424), (502, 500), (503, 503), (529, 503)] {
            assert_eq!(status(stream_exception(code)), Some(back), "{code}");
        }
        assert_eq!(status("SomethingElse"), None);
    }
}
