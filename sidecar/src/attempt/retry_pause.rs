//! How long to wait before a retry, or why none may be made. `next_step.rs` decides with this what comes next.
//!
//! Retries are limited by the provider's `retry.maxAttempts`, by the retry budget and by the request's time, and happen
//! only if no other candidate is left. A request that may have been served already, and billed, is retried once.

use std::time::Duration;

use super::{Failed, FailureClass};
use crate::telemetry::attempt_error::AttemptError;

/// The longest wait that a provider may ask for. If it asks for more, the caller gets the failure.
const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// The first wait after a rate limit or an overload without `Retry-After`. It doubles each time.
const FIRST_WAIT: Duration = Duration::from_millis(250);

/// How long to wait before the next retry, after `retries` of them; `None` if there is no retry. `wanted`: the object
/// sets `retry.maxAttempts`. Otherwise a rate limit or an overload is retried only after a `Retry-After`: SDKs do the
/// rest.
pub fn after(failed: &Failed, retries: u32, wanted: bool) -> Option<Duration> {
    // A retry does not repair a refused credential.
    match failed.effective_class() {
        FailureClass::ConnectionClosed => (retries == 0).then(|| pause(1)),
        FailureClass::Transient if failed.may_have_served() => (retries == 0).then(|| pause(1)),
        FailureClass::Transient => Some(pause(retries + 1)),
        FailureClass::RateLimited => wait(failed, retries, wanted),
        FailureClass::Candidate if failed.error == AttemptError::Overloaded => wait(failed, retries, wanted),
        FailureClass::Final | FailureClass::Credential | FailureClass::Candidate | FailureClass::ContextTooLong => None,
    }
}

/// The provider's `Retry-After`, or else twice as long each time. Up to a quarter more, so that clients do not retry
/// all at once.
fn wait(failed: &Failed, retries: u32, wanted: bool) -> Option<Duration> {
    let own = wanted.then(|| FIRST_WAIT * (1 << retries.min(4)));
    let wait = failed.retry_after.or(own).filter(|wait| *wait <= LONGEST_WAIT)?;
    Some(wait + wait.mul_f64(0.25 * fastrand::f64()).min(FIRST_WAIT))
}

/// How long to wait before the n-th retry: uniform in a range that doubles.
fn pause(retry: u32) -> Duration {
    Duration::from_millis(fastrand::u64(10..=50u64 << retry.min(5)))
}

#[cfg(test)]
mod tests {
    use outrigger_llm::errors::classify::{Class, Scope, UpstreamFailure};

    use super::*;

    fn answered(class: Class, status: u16, retry_after: Option<u64>) -> Failed {
        let retry_after = retry_after.map(Duration::from_millis);
        let failure = UpstreamFailure { class, retry_after, scope: Scope::Model, message: String::new(), code: None };
        Failed::answered(&failure, status, "p", None)
    }

    #[test]
    fn retries_by_kind_of_failure() {
        let cut = Failed::unreachable(AttemptError::Cut, String::new());
        let connect = Failed::unreachable(AttemptError::Connect, String::new());
        let late = Failed::timeout(AttemptError::TimeoutFirstToken, String::new());
        for (name, failed, times) in [
            ("no connection", connect, 9),
            ("an answer that says so itself", answered(Class::Transient, 500, None), 9),
            ("closed in mid-answer: it may be billed", cut, 1),
            ("silent: it may be billed", late, 1),
            ("limited, without a word for how long", answered(Class::RateLimited, 429, None), 9),
            ("limited for a moment", answered(Class::RateLimited, 429, Some(2_000)), 9),
            ("limited for a minute", answered(Class::RateLimited, 429, Some(60_000)), 0),
            ("overloaded, without a word for how long", answered(Class::Overloaded, 503, None), 9),
            ("overloaded for a moment", answered(Class::Overloaded, 503, Some(1_000)), 9),
            ("a wrong key", answered(Class::Credential, 401, None), 0),
            ("a failure that quotes our key", answered(Class::Transient, 500, None).quoting(), 0),
            ("a mistake of the caller's", answered(Class::Caller, 400, None), 0),
            ("no such model", answered(Class::ModelMissing, 404, None), 0),
        ] {
            let again = |wanted| (0..9).take_while(|retries| after(&failed, *retries, wanted).is_some()).count();
            assert_eq!(again(true), times, "{name}");
            let requested = failed.retry_after.is_some() || !matches!(failed.status, Some(429 | 503));
            assert_eq!(again(false), if requested { times } else { 0 }, "{name}, without a request for it");
        }
        let requested = after(&answered(Class::RateLimited, 429, Some(2_000)), 0, false).unwrap();
        assert!(requested >= Duration::from_secs(2) && requested <= Duration::from_millis(2_250), "{requested:?}");
    }
}
