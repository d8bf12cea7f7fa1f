//! Going back to a place that failed: allowed for a fifth of the requests and once a second.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Retries earned by one request.
const PER_REQUEST: f64 = 0.2;
/// Retries earned by one second.
const PER_SECOND: f64 = 1.0;
/// What can be saved up: a burst after a calm must not become a storm.
const SAVED: f64 = 10.0;

/// Counts what may be retried. Failover to an untried candidate does not ask here.
#[derive(Debug)]
pub struct RetryBudget(Mutex<(f64, Instant)>);

impl Default for RetryBudget {
    fn default() -> Self {
        RetryBudget(Mutex::new((SAVED, Instant::now())))
    }
}

impl RetryBudget {
    pub fn request(&self, now: Instant) {
        self.change(now, PER_REQUEST);
    }

    /// Takes one retry if there is one.
    pub fn take(&self, now: Instant) -> bool {
        self.change(now, 0.0) >= 1.0 && {
            self.change(now, -1.0);
            true
        }
    }

    fn change(&self, now: Instant, by: f64) -> f64 {
        let mut budget = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let earned = now.saturating_duration_since(budget.1).as_secs_f64() * PER_SECOND;
        *budget = ((budget.0 + earned + by).min(SAVED), now);
        budget.0
    }
}

/// How long to wait before the n-th retry: even in a range that doubles.
pub fn pause(retry: u32) -> Duration {
    Duration::from_millis(fastrand::u64(10..=50u64 << retry.min(5)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fifth_of_the_requests_and_one_a_second() {
        let start = Instant::now();
        let budget = RetryBudget(Mutex::new((0.0, start)));
        (0..50).for_each(|_| budget.request(start));
        assert_eq!((0..50).filter(|_| budget.take(start)).count(), 10);
        let later = start + Duration::from_millis(2_500);
        assert_eq!((0..50).filter(|_| budget.take(later)).count(), 2);
    }
}
