//! A stream that breaks off: a failed attempt if the caller has received nothing of it, otherwise an error event.

use outrigger_core::RefusalKind;
use outrigger_llm::chat::StreamError;
use outrigger_llm::errors::classify::classify_event;

use super::AnswerSource;
use crate::completion::{Failed, Timing};
use crate::telemetry::attempt_error::AttemptError;

/// What ended a stream before its end.
#[derive(Debug)]
pub enum Broken {
    /// An error event of the upstream.
    ErrorEvent(StreamError),
    Malformed(String),
    Lost(String),
    Timeout(AttemptError),
}

impl Broken {
    /// Whether it counts against the provider's health. If the caller's own idle timeout ran out, it does not.
    pub fn affects_health(&self, timing: &Timing) -> bool {
        !matches!(self, Broken::Timeout(AttemptError::TimeoutIdle) if timing.idle_is_callers)
    }
}

impl Broken {
    /// The failed attempt, if nothing of the stream has reached the caller.
    pub fn failed(&self, source: &AnswerSource) -> Failed {
        match self {
            Broken::ErrorEvent(error) => {
                let failure = classify_event(source.upstream.dialect, error);
                let mut failed = Failed::answered(&failure, error.status.unwrap_or(502), &source.provider, None);
                if failed.error == AttemptError::ServerError || failed.error == AttemptError::Caller {
                    failed.error = AttemptError::StreamError;
                }
                failed
            }
            Broken::Malformed(problem) => {
                Failed::unreachable(AttemptError::Malformed, format!("{}: {problem}", source.provider))
            }
            Broken::Lost(reason) => Failed::unreachable(AttemptError::Cut, format!("{}: {reason}", source.provider)),
            Broken::Timeout(error) => Failed::timeout(*error, format!("{} stopped sending", source.provider)),
        }
    }

    /// The error of the attempt; the status, type and message of the caller's error event.
    pub fn caller_error(&self, source: &AnswerSource) -> (AttemptError, u16, RefusalKind, String) {
        let provider = &source.provider;
        match self {
            Broken::ErrorEvent(error) => {
                let status = error.status.unwrap_or(502);
                (
                    AttemptError::StreamError,
                    status,
                    RefusalKind::UpstreamError,
                    format!("{provider}: {}", error.message),
                )
            }
            Broken::Malformed(problem) => (
                AttemptError::Malformed,
                502,
                RefusalKind::UpstreamUnreachable,
                format!("the stream from {provider} is broken: {problem}"),
            ),
            Broken::Lost(reason) => (
                AttemptError::Cut,
                502,
                RefusalKind::UpstreamUnreachable,
                format!("the stream from {provider} is broken: {reason}"),
            ),
            Broken::Timeout(error) => (
                *error,
                504,
                RefusalKind::UpstreamTimeout,
                format!("{provider} stopped sending before the end of its answer"),
            ),
        }
    }
}
