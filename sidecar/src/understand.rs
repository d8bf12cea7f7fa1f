//! Reading what a request asks for: its model, whether it streams, how long its client waits.

use std::time::Duration;

use http::{HeaderMap, HeaderName};
use outrigger_llm::operation::{Matched, ModelPlace};

use crate::asked::{self, Asked, NotAsked};
use crate::call::Call;
use crate::headers::name;
use crate::refuse::Refusal;

/// Reads what the gateway needs of a body.
pub fn understand(call: &mut Call, matched: Matched) -> Result<(), Refusal> {
    match asked::read(matched, &call.headers, &call.query, &call.body) {
        Ok(Asked { model, stream, as_array, scanned, .. }) => {
            (call.model, call.stream, call.as_array, call.scanned) = (model, stream, as_array, scanned);
            Ok(())
        }
        Err(NotAsked { refusal, model }) => {
            call.model = model;
            Err(refusal)
        }
    }
}

/// Finds the places of what is read and edited, in the body as it is now.
pub fn rescan(call: &mut Call) -> Result<(), Refusal> {
    if call.operation.model != ModelPlace::Form {
        call.scanned = asked::scan(call.operation, &call.body)?;
    }
    Ok(())
}

/// The caller's trace, so that records and its spans find each other.
pub fn trace_id(headers: &HeaderMap, own: &str) -> String {
    let from_header = headers.get(&name::TRACEPARENT).and_then(|value| value.to_str().ok()).and_then(|value| {
        let id = value.split('-').nth(1)?;
        (id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit())).then(|| id.to_owned())
    });
    from_header.unwrap_or_else(|| own.to_owned())
}

/// How long a client waits, as its SDK announces it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Patience {
    /// For an answer: the whole of it, or the beginning of a stream.
    pub answer: Option<Duration>,
    /// Between two pieces of a stream.
    pub gap: Option<Duration>,
}

/// What the client says of it, in seconds. `x-stainless-read-timeout` is the time of one read: it bounds the wait for the
/// answer and each gap in it. `x-stainless-timeout` ends with the answer's head.
pub fn patience(headers: &HeaderMap) -> Patience {
    let told = |name: HeaderName| {
        let seconds = headers.get(&name)?.to_str().ok()?.parse::<f64>().ok()?;
        (seconds.is_finite() && seconds > 0.0).then(|| Duration::from_secs_f64(seconds.min(86_400.0)))
    };
    let gap = told(name::READ_TIMEOUT);
    Patience { answer: told(name::TIMEOUT).into_iter().chain(gap).min(), gap }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patience_is_the_least_of_what_is_announced() {
        let mut headers = HeaderMap::new();
        let told = |headers: &HeaderMap| {
            let Patience { answer, gap } = patience(headers);
            (answer.map(|answer| answer.as_millis()), gap.map(|gap| gap.as_millis()))
        };
        assert_eq!(told(&headers), (None, None));
        headers.insert("x-stainless-timeout", "600".parse().unwrap());
        assert_eq!(told(&headers), (Some(600_000), None));
        headers.insert("x-stainless-read-timeout", "2.5".parse().unwrap());
        assert_eq!(told(&headers), (Some(2_500), Some(2_500)));
        for odd in ["nan", "0", "-1", "inf", "soon"] {
            headers.insert("x-stainless-read-timeout", odd.parse().unwrap());
            assert_eq!(told(&headers), (Some(600_000), None), "{odd}");
        }
    }
}
