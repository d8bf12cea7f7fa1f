//! Reading what a request asks for: its model, whether it streams, how long its client waits.

use std::time::Duration;

use http::HeaderMap;
use outrigger_llm::Dialect;
use outrigger_llm::operation::{Matched, ModelPlace};
use outrigger_llm::scan;

use crate::call::Call;
use crate::receive::form_model;
use crate::refuse::Refusal;

/// Names are compared with every name there is, echoed and recorded: no longer than this, in bytes.
const LONGEST_NAME: usize = 512;
/// Fallbacks that a body may bring along.
const MOST_FALLBACKS: usize = 32;
/// Reads what the gateway needs of a body.
pub fn understand(call: &mut Call, matched: Matched) -> Result<(), Refusal> {
    let invalid = |message: String| Refusal::new(400, "invalid_request", message);
    let from_path = matched.model;
    call.model = match call.operation.model {
        ModelPlace::Form => {
            let found = form_model(&call.headers, &call.body);
            Some(found.ok_or_else(|| invalid("the form needs one field `model`".to_owned()))?.0)
        }
        _ => {
            rescan(call)?;
            match call.operation.model {
                ModelPlace::Path => from_path,
                // An Azure deployment stands in the path; the body's name, if any, means nothing there.
                _ => from_path.or_else(|| call.scanned.model.clone()),
            }
        }
    };
    if call.operation.model != ModelPlace::Nowhere && call.model.as_deref().is_none_or(str::is_empty) {
        return Err(Refusal { param: Some("model".to_owned()), ..invalid("`model` is missing".to_owned()) });
    }
    let fallbacks = call.scanned.fallbacks.as_deref().unwrap_or_default();
    if fallbacks.len() > MOST_FALLBACKS {
        return Err(invalid(format!("`fallbacks` may name {MOST_FALLBACKS} candidates at the most")));
    }
    if call.model.iter().chain(fallbacks).any(|name| name.len() > LONGEST_NAME) {
        // Not even recorded: a ring of such names would be a way to fill the memory.
        call.model = None;
        return Err(invalid(format!("a model's name may have {LONGEST_NAME} bytes at the most")));
    }
    if call.model.iter().chain(fallbacks).any(|name| name.chars().any(char::is_control)) {
        return Err(invalid("a model's name has no control characters".to_owned()));
    }
    let in_path = call.operation.dialect == Dialect::Gemini;
    call.stream = call.operation.streams && (in_path || call.scanned.stream);
    call.as_array = in_path && call.stream && !call.query.wants_events();
    Ok(())
}

/// Finds the places of what is read and edited, in the body as it is now.
pub fn rescan(call: &mut Call) -> Result<(), Refusal> {
    if call.operation.model != ModelPlace::Form {
        let scanned = scan::scan(&call.body);
        call.scanned = scanned.map_err(|error| Refusal::new(400, "invalid_request", error.to_string()))?;
    }
    Ok(())
}

/// The caller's trace, so that records and its spans find each other.
pub fn trace_id(headers: &HeaderMap, own: &str) -> String {
    let from_header = headers.get("traceparent").and_then(|value| value.to_str().ok()).and_then(|value| {
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
    let told = |name: &str| {
        let seconds = headers.get(name)?.to_str().ok()?.parse::<f64>().ok()?;
        (seconds.is_finite() && seconds > 0.0).then(|| Duration::from_secs_f64(seconds.min(86_400.0)))
    };
    let gap = told("x-stainless-read-timeout");
    Patience { answer: told("x-stainless-timeout").into_iter().chain(gap).min(), gap }
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
