//! The budget for retries: one for every five requests, and one a second.

use std::time::Instant;

use parking_lot::Mutex;

/// One retry, in units of the budget.
const ONE: i64 = 1_000;
/// What one request adds.
const PER_REQUEST: i64 = ONE / 5;
/// The maximum: a quiet period must not allow a storm of retries.
const SAVED: i64 = 10 * ONE;

/// Counts available retries, in thousandths. Failover to an untried candidate needs none.
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

    /// Takes one retry, if one is available.
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

/// Adds the share of a request, and one retry for each second since the last call.
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
