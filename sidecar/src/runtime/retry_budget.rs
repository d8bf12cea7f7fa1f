//! The budget for retries: one for five requests, and one a second.

use std::time::Instant;

use parking_lot::Mutex;

/// One retry, in the units of the budget.
const ONE: i64 = 1_000;
/// Earned by one request.
const PER_REQUEST: i64 = ONE / 5;
/// What can be saved up: a burst after a calm must not become a storm.
const SAVED: i64 = 10 * ONE;

/// Counts what may be retried, in thousandths. Failover to an untried candidate does not ask here.
#[derive(Debug)]
pub struct RetryBudget(Mutex<(i64, Instant)>);

impl Default for RetryBudget {
    fn default() -> Self {
        RetryBudget(Mutex::new((SAVED, Instant::now())))
    }
}

impl RetryBudget {
    pub fn request(&self, now: Instant) {
        earn(&mut self.0.lock(), PER_REQUEST, now);
    }

    /// Takes one retry if there is one.
    pub fn take(&self, now: Instant) -> bool {
        let mut budget = self.0.lock();
        earn(&mut budget, 0, now);
        let some = budget.0 >= ONE;
        if some {
            budget.0 -= ONE;
        }
        some
    }
}

/// Adds what a request and the time since the last one are worth: one retry a second.
fn earn(budget: &mut (i64, Instant), request: i64, now: Instant) {
    let ms = i64::try_from(now.saturating_duration_since(budget.1).as_millis()).unwrap_or(SAVED);
    *budget = ((budget.0 + ms.saturating_mul(ONE) / 1_000 + request).min(SAVED), now);
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_fifth_of_the_requests_and_one_a_second() {
        let start = Instant::now();
        let budget = RetryBudget(Mutex::new((0, start)));
        (0..50).for_each(|_| budget.request(start));
        assert_eq!((0..50).filter(|_| budget.take(start)).count(), 10);
        let later = start + Duration::from_millis(2_500);
        assert_eq!((0..50).filter(|_| budget.take(later)).count(), 2);
    }
}
