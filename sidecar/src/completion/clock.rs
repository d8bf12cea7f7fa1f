//! The time limits of a request and of each of its attempts, and which limit ran out.
//!
//! ```text
//! request  |----------------------- total, or the caller's timeout ------------------------|
//! attempt  |-------- its share: two thirds of what is left --------|-- the next one's ------|
//! stream   |-- first token --| idle | idle | idle | ...            (once it flows, no other clock)
//! ```
//! An attempt that has sent nothing to the caller leaves the next candidate a third of the time. The last one has all
//! of it.

use std::time::{Duration, Instant};

use outrigger_core::Capabilities;
use outrigger_policy::Provider;

use super::Failed;
use crate::completion::Completion;
use crate::duration;
use crate::telemetry::attempt_error::AttemptError;

/// The default of `timeouts.total`.
const TOTAL: Duration = Duration::from_secs(600);
const FIRST_TOKEN: Duration = Duration::from_secs(30);
const IDLE: Duration = Duration::from_secs(30);
/// Thinking models, and servers that load a model on demand, may be silent for this long.
const LONG: Duration = Duration::from_secs(300);

/// The time limits of a request.
#[derive(Clone, Copy, Debug)]
pub struct RequestClock {
    /// How long the provider may take until an answer begins, from the start of the request.
    total: Duration,
    total_at: Instant,
    /// When the caller gives up if it has received nothing.
    caller_at: Option<Instant>,
    /// The longest silence that the caller accepts.
    gap: Option<Duration>,
    started: Instant,
}

/// The time limits of one attempt.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    pub began: Instant,
    /// The limit for the first content of a stream.
    pub first: TimeLimit,
    /// The limit for the whole of an answer that is no stream.
    pub whole: TimeLimit,
    /// The end of the request's time, for an answer that has not begun.
    pub deadline: Instant,
    /// The same without the caller's timeout: a caller that has received something does not give up.
    pub total_at: Instant,
    pub total: Duration,
    /// When the first token is due, without any other limit.
    pub first_at: Instant,
    /// The longest pause between two chunks of an answer.
    pub idle: Duration,
    /// `idle` is the caller's limit, not the provider's.
    pub idle_is_callers: bool,
    /// When buffered content is sent to the caller, because it would not wait any longer.
    pub release: Option<ReleaseTime>,
}

/// See [`Timing::release`].
#[derive(Clone, Copy, Debug)]
pub struct ReleaseTime {
    pub at: Instant,
    /// Only if the upstream has sent something within this time. A silent upstream may still fail.
    pub since: Duration,
}

/// A point in time, and the limit that runs out then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeLimit {
    pub at: Instant,
    pub cause: TimeoutCause,
}

/// Which limit ran out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeoutCause {
    FirstToken(Duration),
    /// The attempt's limit: the provider's `timeouts.attempt`, or its share of the time. `of_callers`: a share of the
    /// caller's time.
    Attempt {
        allowed: Duration,
        of_callers: bool,
    },
    Total,
    Caller,
}

impl RequestClock {
    /// `total`: the primary's `timeouts.total`. For the caller's timeouts see [`crate::request::client_timeouts::ClientTimeouts`].
    pub fn of(completion: &Completion, total: Option<u64>) -> Self {
        let total = total.map_or(TOTAL, Duration::from_millis);
        let context = &completion.context;
        RequestClock {
            total,
            total_at: context.started + total,
            caller_at: context.client_timeouts.answer.map(|client_timeouts| context.started + client_timeouts),
            gap: context.client_timeouts.gap,
            started: context.started,
        }
    }

    /// No attempt begins after this.
    pub fn deadline(&self) -> Instant {
        self.caller_at.map_or(self.total_at, |caller| caller.min(self.total_at))
    }

    /// The time limits of an attempt that begins now. `others`: another candidate can still take over.
    pub fn attempt(&self, began: Instant, provider: &Provider, capable: Option<Capabilities>, others: bool) -> Timing {
        let of_callers = self.caller_at.is_some_and(|caller| caller < self.total_at);
        let deadline = self.deadline();
        let timeouts = &provider.timeouts;
        let mut whole =
            TimeLimit { at: deadline, cause: if of_callers { TimeoutCause::Caller } else { TimeoutCause::Total } };
        let left = deadline.saturating_duration_since(began);
        let allowed = match timeouts.attempt {
            Some(ms) => Some((Duration::from_millis(ms), false)),
            None => others.then_some((left * 2 / 3, of_callers)),
        };
        if let Some((allowed, of_callers)) = allowed.filter(|(allowed, _)| *allowed < left) {
            whole = TimeLimit { at: began + allowed, cause: TimeoutCause::Attempt { allowed, of_callers } };
        }
        let thinks = capable.is_some_and(|capable| capable.contains(Capabilities::REASONING));
        let local = matches!(provider.kind.as_str(), "Ollama" | "vLLM" | "SGLang");
        let token = match timeouts.first_token {
            Some(ms) => Duration::from_millis(ms),
            None if thinks || local => LONG,
            // If nothing is known about the model, wait longer, but only if no other candidate is left.
            None if capable.is_none() && !others => LONG,
            None => FIRST_TOKEN,
        };
        let first_at = began + token;
        let first = match first_at < whole.at {
            true => TimeLimit { at: first_at, cause: TimeoutCause::FirstToken(token) },
            false => whole,
        };
        let idle = match timeouts.idle {
            Some(ms) => Duration::from_millis(ms),
            // A model without known capabilities may be a thinking model.
            None if thinks || local || capable.is_none() => LONG,
            None => IDLE,
        };
        let gap = self.gap.filter(|gap| *gap < idle);
        Timing {
            began,
            first,
            whole,
            deadline,
            total_at: self.total_at,
            total: self.total,
            first_at,
            idle: gap.unwrap_or(idle),
            idle_is_callers: gap.is_some(),
            release: self.caller_at.map(|caller| {
                let client_timeouts = caller.saturating_duration_since(self.started);
                ReleaseTime { at: self.started + client_timeouts * 9 / 10, since: client_timeouts / 2 }
            }),
        }
    }
}

impl Timing {
    /// The limit for the first content of a stream, or for a whole answer.
    pub fn limit(&self, stream: bool) -> &TimeLimit {
        if stream { &self.first } else { &self.whole }
    }
}

impl TimeLimit {
    /// The failure of an attempt that reached this limit.
    pub fn timed_out(&self, provider: &str) -> Failed {
        let (error, affects_health, what) = match self.cause {
            TimeoutCause::FirstToken(allowed) => {
                (AttemptError::TimeoutFirstToken, true, format!("{} to the first token", duration::text(allowed)))
            }
            TimeoutCause::Attempt { allowed, of_callers } => {
                let what = format!("{}, the time limit of one attempt", duration::text(allowed));
                (AttemptError::TimeoutAttempt, !of_callers, what)
            }
            TimeoutCause::Total => (AttemptError::TimeoutTotal, true, "the total time limit".to_owned()),
            TimeoutCause::Caller => (AttemptError::TimeoutTotal, false, "the caller's time limit".to_owned()),
        };
        Failed { affects_health, ..Failed::timeout(error, format!("{provider} took longer than {what}")) }
    }
}

#[cfg(test)]
mod tests {
    use outrigger_policy::TimeoutsDoc;

    use super::*;

    const REASONS: Capabilities = Capabilities::REASONING;

    fn clock(total: u64, caller: Option<u64>, gap: Option<u64>) -> RequestClock {
        let (started, total) = (Instant::now(), Duration::from_secs(total));
        let seconds = Duration::from_secs;
        RequestClock {
            total,
            total_at: started + total,
            caller_at: caller.map(|caller| started + seconds(caller)),
            gap: gap.map(seconds),
            started,
        }
    }

    fn provider(kind: &str, timeouts: TimeoutsDoc) -> Provider {
        let provider = outrigger_policy::ProviderDoc {
            namespace: "a".to_owned(),
            name: "p".to_owned(),
            kind: kind.to_owned(),
            timeouts,
            ..outrigger_policy::ProviderDoc::default()
        };
        let document = outrigger_policy::Document {
            format: outrigger_policy::FORMAT,
            providers: vec![provider],
            ..outrigger_policy::Document::default()
        };
        outrigger_policy::Policy::build(document).unwrap().providers.remove(0.into())
    }

    #[test]
    fn each_attempt_has_a_share_of_the_time_and_the_last_one_has_the_rest() {
        let own = TimeoutsDoc { attempt: Some(50_000), ..TimeoutsDoc::default() };
        let none = TimeoutsDoc::default();
        for (name, caller, timeouts, others, seconds, word, affects_health) in [
            ("alone", None, &none, false, 90, "timeout_total", true),
            ("another is left", None, &none, true, 60, "timeout_attempt", true),
            ("the caller waits for less", Some(30), &none, false, 30, "timeout_total", false),
            ("both", Some(30), &none, true, 20, "timeout_attempt", false),
            ("the caller waits for more", Some(600), &none, true, 60, "timeout_attempt", true),
            ("as the object says", None, &own, true, 50, "timeout_attempt", true),
            ("as the object says, alone", None, &own, false, 50, "timeout_attempt", true),
            ("the object says more than there is", Some(30), &own, true, 30, "timeout_total", false),
        ] {
            let clock = clock(90, caller, None);
            let timing = clock.attempt(clock.started, &provider("OpenAI", *timeouts), Some(REASONS), others);
            let whole = timing.whole;
            assert_eq!(whole.at - clock.started, Duration::from_secs(seconds), "{name}");
            let failed = whole.timed_out("p");
            assert_eq!(
                (failed.error.as_str(), failed.affects_health, failed.refusal.0),
                (word, affects_health, 504),
                "{name}"
            );
        }
        let clock = clock(90, None, None);
        let second = clock.attempt(clock.started + Duration::from_secs(60), &provider("OpenAI", none), None, false);
        assert_eq!(second.whole.at, clock.total_at, "what the first left is the second's");
    }

    #[test]
    fn thinking_unknown_and_local_models_may_be_silent_for_longer() {
        let knows = Some(Capabilities::default());
        let own = TimeoutsDoc { first_token: Some(7_000), idle: Some(8_000), ..TimeoutsDoc::default() };
        let none = TimeoutsDoc::default();
        for (name, kind, capable, timeouts, gap, first, idle, callers) in [
            ("known not to think", "OpenAI", knows, &none, None, 30, 30, false),
            ("thinks", "OpenAI", Some(REASONS), &none, None, 300, 300, false),
            ("nothing is known of it", "OpenAICompatible", None, &none, None, 300, 300, false),
            ("local", "Ollama", knows, &none, None, 300, 300, false),
            ("local, too", "vLLM", None, &none, None, 300, 300, false),
            ("local, as well", "SGLang", knows, &none, None, 300, 300, false),
            ("as the object says", "Ollama", Some(REASONS), &own, None, 7, 8, false),
            ("the caller bears less", "Ollama", None, &none, Some(3), 300, 3, true),
            ("the caller bears more", "OpenAI", knows, &none, Some(600), 30, 30, false),
        ] {
            let clock = clock(600, None, gap);
            let timing = clock.attempt(clock.started, &provider(kind, *timeouts), capable, false);
            let seconds = |at: Instant| (at - clock.started).as_secs();
            assert_eq!((seconds(timing.first.at), timing.idle.as_secs()), (first, idle), "{name}");
            assert_eq!(timing.idle_is_callers, callers, "{name}");
        }
        let clock = clock(600, None, None);
        for (name, capable, seconds) in
            [("it may think", None, 30), ("it thinks", Some(REASONS), 300), ("it does not", knows, 30)]
        {
            let timing = clock.attempt(clock.started, &provider("OpenAI", none), capable, true);
            assert_eq!((timing.first.at - clock.started).as_secs(), seconds, "another is left, and {name}");
        }
    }
}
