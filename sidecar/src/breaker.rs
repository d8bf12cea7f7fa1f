//! One breaker: closed, open for a while after failures in a row, then one request to try.
//! A success is the end of it: whoever keeps breakers drops this one.
//!
//! ```text
//! Closed(failures) --FAILURES in a row--> Open(until) --time--> Trying --ok--> Closed(0)
//!                                            ^                    |
//!                                            +------failure-------+   (twice as long)
//! ```

use std::time::{Duration, Instant};

/// Failures in a row that open it.
const FAILURES: u32 = 5;
const FIRST_PAUSE: Duration = Duration::from_secs(2);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

#[derive(Clone, Copy, Debug, Default)]
pub struct Breaker {
    failures: u32,
    pause: Option<Duration>,
    open_until: Option<Instant>,
}

impl Breaker {
    /// A request passes. After a pause it is the one that tries: the pause begins anew for the
    /// others until its outcome is known.
    pub fn enter(&mut self, now: Instant) {
        if self.open_until.is_some_and(|until| now >= until) {
            self.open_until = Some(now + self.pause.unwrap_or(FIRST_PAUSE));
        }
    }

    /// Whether it is open.
    pub fn is_open(&self, now: Instant) -> bool {
        self.open_until.is_some_and(|until| now < until)
    }

    pub fn failed(&mut self, now: Instant) {
        self.failures += 1;
        if self.failures < FAILURES {
            return;
        }
        let pause = self.pause.map_or(FIRST_PAUSE, |pause| (pause * 2).min(LONGEST_PAUSE));
        self.pause = Some(pause);
        self.open_until = Some(now + pause);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_failures_in_a_row_open_it_and_each_failed_try_for_longer() {
        let now = Instant::now();
        let mut breaker = Breaker::default();
        (0..4).for_each(|_| breaker.failed(now));
        assert!(!breaker.is_open(now));
        breaker.failed(now);
        assert!(breaker.is_open(now));
        let later = now + FIRST_PAUSE;
        assert!(!breaker.is_open(later), "one may try");
        breaker.enter(later);
        assert!(breaker.is_open(later), "the others wait for its outcome");
        breaker.failed(later);
        assert!(breaker.is_open(later + FIRST_PAUSE), "the second pause is twice as long");
        assert!(!breaker.is_open(later + FIRST_PAUSE * 2));
    }
}
