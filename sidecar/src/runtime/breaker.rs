//! A circuit breaker: closed, open for a while after consecutive failures, then one trial request. A success closes it:
//! the owner then drops the breaker.
//!
//! ```text
//! Closed(failures) --FAILURES in a row--> Open(until) --time--> HalfOpen(since) --ok--> Closed(0)
//!                                            ^                      |
//!                                            +--failure of the trial-+   (twice as long)
//!                                            +--no outcome----------+   (at once)
//! ```
//! Requests that are in progress when it opens often fail together, a little later. They say nothing new. So a failure
//! counts only while it is closed, or if the request began as a trial or after it.

use std::time::{Duration, Instant};

/// Consecutive failures that open it.
const FAILURES: u32 = 5;
const FIRST_PAUSE: Duration = Duration::from_secs(2);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

#[derive(Clone, Copy, Debug)]
pub enum Breaker {
    Closed {
        failures: u32,
    },
    Open {
        until: Instant,
        pause: Duration,
    },
    /// One trial request is in progress. The others wait for its outcome, at most for another pause.
    HalfOpen {
        since: Instant,
        until: Instant,
        pause: Duration,
    },
}

impl Default for Breaker {
    fn default() -> Self {
        Breaker::Closed { failures: 0 }
    }
}

impl Breaker {
    /// Begins a request. After a pause it becomes the trial request, and others wait for its outcome, at most for
    /// another pause.
    pub fn begin(&mut self, now: Instant) {
        match *self {
            Breaker::Open { until, pause } | Breaker::HalfOpen { until, pause, .. } if now >= until => {
                *self = Breaker::HalfOpen { since: now, until: now + pause, pause };
            }
            _ => {}
        }
    }

    /// Whether requests should go to another candidate.
    pub fn is_open(&self, now: Instant) -> bool {
        match *self {
            Breaker::Closed { .. } => false,
            Breaker::Open { until, .. } | Breaker::HalfOpen { until, .. } => now < until,
        }
    }

    /// A request that began at `began` has ended without an outcome: its caller ran out of time or has gone. If it was
    /// the trial, the next request may be one.
    pub fn end_without_outcome(&mut self, began: Instant, now: Instant) {
        if let Breaker::HalfOpen { since, pause, .. } = *self
            && began >= since
        {
            *self = Breaker::Open { until: now, pause };
        }
    }

    /// A request that began at `began` has failed.
    pub fn record_failure(&mut self, began: Instant, now: Instant) {
        let pause = match *self {
            Breaker::Closed { failures } if failures + 1 < FAILURES => {
                *self = Breaker::Closed { failures: failures + 1 };
                return;
            }
            Breaker::Closed { .. } => FIRST_PAUSE,
            Breaker::HalfOpen { since, pause, .. } if began >= since => (pause * 2).min(LONGEST_PAUSE),
            Breaker::Open { .. } | Breaker::HalfOpen { .. } => return,
        };
        *self = Breaker::Open { until: now + pause, pause };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An event, at a time in milliseconds.
    enum Event {
        /// A request begins.
        Enters,
        /// A request fails that began at this time.
        Fails(u64),
        /// A request ends without an outcome that began at this time.
        Leaves(u64),
        /// This many requests fail that began at this time.
        AllFail(u32, u64),
    }
    use Event::{AllFail, Enters, Fails, Leaves};

    #[test]
    fn state_transitions() {
        /// The name; the events and their times; whether the breaker is open at which times.
        type Row = (&'static str, &'static [(u64, Event)], &'static [(u64, bool)]);
        let table: &[Row] = &[
            ("four failures", &[(0, AllFail(4, 0))], &[(0, false)]),
            ("five", &[(0, AllFail(5, 0))], &[(0, true), (1_999, true), (2_000, false)]),
            ("twenty at once", &[(0, AllFail(20, 0))], &[(1_999, true), (2_000, false)]),
            ("twelve streams that a restart cut", &[(100, AllFail(6, 0)), (900, AllFail(6, 0))], &[(2_100, false)]),
            ("late ones, when the pause is over", &[(0, AllFail(5, 0)), (2_500, AllFail(7, 0))], &[(2_500, false)]),
            ("one tries, the others wait", &[(0, AllFail(5, 0)), (2_000, Enters)], &[(2_000, true), (3_999, true)]),
            (
                "the try fails: twice as long",
                &[(0, AllFail(5, 0)), (2_000, Enters), (2_100, Fails(2_000))],
                &[(6_099, true), (6_100, false)],
            ),
            (
                "an outcome of a request before the trial does not count",
                &[(0, AllFail(5, 0)), (2_000, Enters), (2_100, AllFail(9, 1_000))],
                &[(3_999, true), (4_000, false)],
            ),
            (
                "several pass at the moment of the try, and all fail",
                &[(0, AllFail(5, 0)), (2_000, Enters), (2_100, AllFail(9, 2_050))],
                &[(6_099, true), (6_100, false)],
            ),
            (
                "an abandoned trial allows another one immediately",
                &[(0, AllFail(5, 0)), (2_000, Enters), (2_300, Leaves(2_000)), (2_400, Enters)],
                &[(2_400, true), (4_399, true)],
            ),
            (
                "and until then it is open to it",
                &[(0, AllFail(5, 0)), (2_000, Enters), (2_300, Leaves(2_000))],
                &[(2_300, false)],
            ),
            (
                "what the next one finds counts as before",
                &[(0, AllFail(5, 0)), (2_000, Enters), (2_300, Leaves(2_000)), (2_400, Enters), (2_500, Fails(2_400))],
                &[(6_499, true), (6_500, false)],
            ),
            (
                "who began before the try and leaves does not end it",
                &[(0, AllFail(5, 0)), (2_000, Enters), (2_300, Leaves(1_000))],
                &[(3_999, true)],
            ),
            ("who leaves while it is open changes nothing", &[(0, AllFail(5, 0)), (300, Leaves(0))], &[(1_999, true)]),
            (
                "a try that never ends makes room for another",
                &[(0, AllFail(5, 0)), (2_000, Enters), (4_000, Enters), (4_100, Fails(4_000))],
                &[(8_099, true), (8_100, false)],
            ),
        ];
        let start = Instant::now();
        let at = |ms: u64| start + Duration::from_millis(ms);
        for (name, events, expected) in table {
            let mut breaker = Breaker::default();
            for (ms, event) in *events {
                match event {
                    Enters => breaker.begin(at(*ms)),
                    Leaves(began) => breaker.end_without_outcome(at(*began), at(*ms)),
                    Fails(began) => breaker.record_failure(at(*began), at(*ms)),
                    AllFail(count, began) => (0..*count).for_each(|_| breaker.record_failure(at(*began), at(*ms))),
                }
            }
            for (ms, open) in *expected {
                assert_eq!(breaker.is_open(at(*ms)), *open, "{name}: at {ms} ms");
            }
        }
    }

    #[test]
    fn pauses_double_up_to_a_minute() {
        let mut now = Instant::now();
        let mut breaker = Breaker::default();
        (0..5).for_each(|_| breaker.record_failure(now, now));
        for seconds in [2, 4, 8, 16, 32, 60, 60] {
            assert!(breaker.is_open(now + Duration::from_secs(seconds) - Duration::from_millis(1)), "{seconds}");
            now += Duration::from_secs(seconds);
            assert!(!breaker.is_open(now), "{seconds}");
            breaker.begin(now);
            breaker.record_failure(now, now);
        }
    }
}
