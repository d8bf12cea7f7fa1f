//! What comes after a failed attempt. Pure: the loop in `mod.rs` performs it.
//!
//! ```text
//! failure                      next                      the same again, if nobody else is left
//! the caller's own mistake     given back                no
//! credential, quota            next credential           no
//! rate limit                   next credential *         when the provider says, or as it is configured
//! overloaded                   next candidate            when the provider says, or as it is configured
//! no such model, empty         next candidate            no
//! context too long             a larger context window   no
//! unreachable, 5xx, cut, late  next candidate            yes; once if it may have served
//! kept connection closed       next candidate            once, before anybody else
//! ```
//! `*` where credentials share an account, its limit is everybody's: the next candidate.

use std::time::Duration;

use super::retry;
use crate::completion::{Failed, FailureClass};

/// What the loop does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NextStep {
    /// Nobody else is asked: the caller gets this failure, whatever failed before it.
    GiveBack,
    /// The same route again, after a pause.
    Retry(Duration),
    /// The next credential of the same provider; without one, the next candidate.
    NextCredential,
    NextCandidate,
}

/// What was tried at this route, and what is left.
#[derive(Clone, Copy, Debug)]
pub struct Situation {
    /// How often this route was asked again.
    pub retries: u32,
    /// The provider may be asked again: its `retry.maxAttempts` is not reached.
    pub attempts_left: bool,
    /// The provider's object says itself how often it is asked.
    pub wants_attempts: bool,
    /// The provider's credentials share an account.
    pub shares_account: bool,
    pub other_credentials: bool,
    /// There is another candidate, asked or not.
    pub other_candidates: bool,
    /// Until the request's deadline.
    pub time_left: Duration,
}

/// What comes after a failure. `budget` takes a retry from the retry budget: it is asked last, and only for a retry.
pub fn next_step(failed: &Failed, situation: &Situation, budget: impl FnOnce() -> bool) -> NextStep {
    let class = failed.effective_class();
    let onward = match class {
        FailureClass::Final => return NextStep::GiveBack,
        FailureClass::Credential => NextStep::NextCredential,
        FailureClass::RateLimited if !situation.shares_account => NextStep::NextCredential,
        FailureClass::RateLimited
        | FailureClass::Candidate
        | FailureClass::ContextTooLong
        | FailureClass::Transient
        | FailureClass::ConnectionClosed => NextStep::NextCandidate,
    };
    let elsewhere = situation.other_candidates || (onward == NextStep::NextCredential && situation.other_credentials);
    // A closed connection says nothing of the place: it comes first. All else goes elsewhere where it can.
    let stays = class == FailureClass::ConnectionClosed || !elsewhere;
    match retry::after(failed, situation.retries, situation.wants_attempts) {
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

    /// A failure of each class, with how it is called.
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
        wants_attempts: false,
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
            NextStep::GiveBack => Back,
            NextStep::Retry(_) => Retry,
            NextStep::NextCredential => Credential,
            NextStep::NextCandidate => Candidate,
        }
    }

    #[test]
    fn what_comes_next_by_class_and_by_what_is_left() {
        let others = Situation { other_candidates: true, ..ALONE };
        let credentials = Situation { other_credentials: true, ..ALONE };
        let wanted = Situation { wants_attempts: true, ..ALONE };
        let again = Situation { retries: 1, ..ALONE };
        let account = Situation { shares_account: true, ..credentials };
        // Nobody else, other candidates, other credentials, as configured, after one retry, a shared account.
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
            let wanted = Situation { wants_attempts: true, ..ALONE };
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
                let asked = Cell::new(false);
                let situation = Situation { other_candidates, ..ALONE };
                let step = next_step(&failed, &situation, || {
                    asked.set(true);
                    true
                });
                assert_eq!(asked.get(), matches!(step, NextStep::Retry(_)), "{name}");
            }
        }
    }
}
