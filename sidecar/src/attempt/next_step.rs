//! Decides the next step after a failed attempt. Pure: the loop in `mod.rs` performs the step.
//!
//! ```text
//! failure                      next                      retry, if nothing else is left
//! the caller's own mistake     returned                  no
//! credential, quota            next credential           no
//! rate limit                   next credential *         after `Retry-After`, or as configured
//! overloaded                   next candidate            after `Retry-After`, or as configured
//! no such model, empty         next candidate            no
//! context too long             a larger context window   no
//! unreachable, 5xx, cut, late  next candidate            yes; once if it may have served
//! kept connection closed       next candidate            once, before any other candidate
//! ```
//! `*` If credentials share an account, its limit applies to all of them: the next candidate.

use std::time::Duration;

use super::retry_pause;
use crate::completion::{Failed, FailureClass};

/// The loop's next step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NextStep {
    /// Return this failure to the caller, whatever failed before it.
    ReturnFailure,
    /// Try the same route again, after a pause.
    Retry(Duration),
    /// Try the next credential of the same provider; if there is none, the next candidate.
    NextCredential,
    NextCandidate,
}

/// What was tried on this route, and what is left.
#[derive(Clone, Copy, Debug)]
pub struct Situation {
    /// How often this route was retried.
    pub retries: u32,
    /// The provider's `retry.maxAttempts` is not reached.
    pub attempts_left: bool,
    /// The provider's object sets `retry.maxAttempts`.
    pub sets_max_attempts: bool,
    /// The provider's credentials share an account.
    pub shares_account: bool,
    pub other_credentials: bool,
    /// There is another candidate, tried or not.
    pub other_candidates: bool,
    /// The time until the request's deadline.
    pub time_left: Duration,
}

/// Decides the next step. `budget` takes a retry from the retry budget. It is called last, and only for a retry.
pub fn next_step(failed: &Failed, situation: &Situation, budget: impl FnOnce() -> bool) -> NextStep {
    let class = failed.effective_class();
    let onward = match class {
        FailureClass::Final => return NextStep::ReturnFailure,
        FailureClass::Credential => NextStep::NextCredential,
        FailureClass::RateLimited if !situation.shares_account => NextStep::NextCredential,
        FailureClass::RateLimited
        | FailureClass::Candidate
        | FailureClass::ContextTooLong
        | FailureClass::Transient
        | FailureClass::ConnectionClosed => NextStep::NextCandidate,
    };
    let elsewhere = situation.other_candidates || (onward == NextStep::NextCredential && situation.other_credentials);
    // A closed idle connection says nothing about the provider: retry first. After other failures, prefer another
    // route.
    let stays = class == FailureClass::ConnectionClosed || !elsewhere;
    match retry_pause::after(failed, situation.retries, situation.sets_max_attempts) {
        Some(pause) if stays && situation.attempts_left && pause < situation.time_left && budget() => {
            NextStep::Retry(pause)
        }
        _ => onward,
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use outrigger_llm::errors::classify::{Class, Scope, UpstreamFailure};

    use super::*;
    use crate::telemetry::attempt_error::AttemptError;

    /// A failure of each class, with a name.
    fn failures() -> Vec<(&'static str, Failed)> {
        let answered = |class, status, retry_after: Option<u64>| {
            let retry_after = retry_after.map(Duration::from_secs);
            let failure =
                UpstreamFailure { class, retry_after, scope: Scope::Model, message: String::new(), code: None };
            Failed::answered(&failure, status, "p", None)
        };
        let closed =
            Failed { class: FailureClass::ConnectionClosed, ..Failed::unreachable(AttemptError::Cut, String::new()) };
        vec![
            ("caller", answered(Class::Caller, 400, None)),
            ("filtered", answered(Class::Filtered, 400, None)),
            ("credential", answered(Class::Credential, 401, None)),
            ("quota", answered(Class::Quota, 429, None)),
            ("limited", answered(Class::RateLimited, 429, None)),
            ("limited, 2 s", answered(Class::RateLimited, 429, Some(2))),
            ("limited, 60 s", answered(Class::RateLimited, 429, Some(60))),
            ("overloaded", answered(Class::Overloaded, 503, None)),
            ("overloaded, 1 s", answered(Class::Overloaded, 503, Some(1))),
            ("no model", answered(Class::ModelMissing, 404, None)),
            ("too long", answered(Class::ContextTooLong, 400, None)),
            ("500", answered(Class::Transient, 500, None)),
            ("quoting", answered(Class::Transient, 500, None).quoting()),
            ("connect", Failed::unreachable(AttemptError::Connect, String::new())),
            ("cut", Failed::unreachable(AttemptError::Cut, String::new())),
            ("late", Failed::timeout(AttemptError::TimeoutAttempt, String::new())),
            ("empty", Failed::empty("p", None)),
            ("closed", closed),
        ]
    }

    const ALONE: Situation = Situation {
        retries: 0,
        attempts_left: true,
        sets_max_attempts: false,
        shares_account: false,
        other_credentials: false,
        other_candidates: false,
        time_left: Duration::from_secs(60),
    };

    #[derive(Debug, PartialEq, Eq)]
    enum Short {
        Back,
        Retry,
        Credential,
        Candidate,
    }
    use Short::{Back, Candidate, Credential, Retry};

    fn short(failed: &Failed, situation: &Situation, budget: bool) -> Short {
        match next_step(failed, situation, || budget) {
            NextStep::ReturnFailure => Back,
            NextStep::Retry(_) => Retry,
            NextStep::NextCredential => Credential,
            NextStep::NextCandidate => Candidate,
        }
    }

    #[test]
    fn next_step_by_class_and_by_what_is_left() {
        let others = Situation { other_candidates: true, ..ALONE };
        let credentials = Situation { other_credentials: true, ..ALONE };
        let wanted = Situation { sets_max_attempts: true, ..ALONE };
        let again = Situation { retries: 1, ..ALONE };
        let account = Situation { shares_account: true, ..credentials };
        // Nothing else left, other candidates, other credentials, as configured, after one retry, a shared account.
        let expected = [
            ("caller", [Back, Back, Back, Back, Back, Back]),
            ("filtered", [Back, Back, Back, Back, Back, Back]),
            ("credential", [Credential, Credential, Credential, Credential, Credential, Credential]),
            ("quota", [Credential, Credential, Credential, Credential, Credential, Credential]),
            ("limited", [Credential, Credential, Credential, Retry, Credential, Candidate]),
            ("limited, 2 s", [Retry, Credential, Credential, Retry, Retry, Retry]),
            ("limited, 60 s", [Credential, Credential, Credential, Credential, Credential, Candidate]),
            ("overloaded", [Candidate, Candidate, Candidate, Retry, Candidate, Candidate]),
            ("overloaded, 1 s", [Retry, Candidate, Retry, Retry, Retry, Retry]),
            ("no model", [Candidate, Candidate, Candidate, Candidate, Candidate, Candidate]),
            ("too long", [Candidate, Candidate, Candidate, Candidate, Candidate, Candidate]),
            ("500", [Retry, Candidate, Retry, Retry, Retry, Retry]),
            ("quoting", [Credential, Credential, Credential, Credential, Credential, Credential]),
            ("connect", [Retry, Candidate, Retry, Retry, Retry, Retry]),
            ("cut", [Retry, Candidate, Retry, Retry, Candidate, Retry]),
            ("late", [Retry, Candidate, Retry, Retry, Candidate, Retry]),
            ("empty", [Candidate, Candidate, Candidate, Candidate, Candidate, Candidate]),
            ("closed", [Retry, Retry, Retry, Retry, Candidate, Retry]),
        ];
        for ((name, failed), (expected_name, expected)) in failures().iter().zip(expected) {
            assert_eq!(*name, expected_name);
            let got = [ALONE, others, credentials, wanted, again, account].map(|one| short(failed, &one, true));
            assert_eq!(got, expected, "{name}");
        }
    }

    #[test]
    fn a_retry_needs_attempts_time_and_budget() {
        for (name, failed) in failures() {
            let wanted = Situation { sets_max_attempts: true, ..ALONE };
            if short(&failed, &wanted, true) != Retry {
                continue;
            }
            let (no_attempts, no_time) =
                (Situation { attempts_left: false, ..wanted }, Situation { time_left: Duration::ZERO, ..wanted });
            for (what, situation, budget) in
                [("attempts", no_attempts, true), ("time", no_time, true), ("budget", wanted, false)]
            {
                assert_ne!(short(&failed, &situation, budget), Retry, "{name}, without {what}");
            }
        }
    }

    #[test]
    fn only_a_retry_takes_from_the_budget() {
        for (name, failed) in failures() {
            for other_candidates in [false, true] {
                let called = Cell::new(false);
                let situation = Situation { other_candidates, ..ALONE };
                let step = next_step(&failed, &situation, || {
                    called.set(true);
                    true
                });
                assert_eq!(called.get(), matches!(step, NextStep::Retry(_)), "{name}");
            }
        }
    }
}
