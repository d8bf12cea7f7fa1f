//! Limits the rate of writes: so many per second, and a burst after a quiet time.
//!
//! A new leader writes at half the rate for as long as an earlier one may still be writing. So both together stay below
//! ten writes a second, as one alone does.

use outrigger_core::Millis;

/// Writes per second, on average.
const PER_SECOND: i64 = 6;
/// Writes per second of a leader that has just begun.
const PER_SECOND_AT_FIRST: i64 = PER_SECOND / 2;
/// How long it writes at that rate, in milliseconds: the time for which a Lease is valid without being renewed.
const AT_FIRST: Millis = 15_000;
/// The burst after a quiet time.
const BURST: i64 = 4;

/// The writes that are allowed now.
#[derive(Clone, Debug)]
pub(super) struct WriteRate {
    /// Thousandths of a write.
    tokens: i64,
    filled_at: Millis,
    /// The rest of [`AT_FIRST`]: a duration, so that it is the same by another clock.
    at_first: Millis,
}

impl WriteRate {
    pub(super) fn new(now: Millis) -> Self {
        WriteRate { tokens: BURST * 1000, filled_at: now, at_first: AT_FIRST }
    }

    /// The same, by another clock.
    pub(super) fn go_on(self, now: Millis) -> Self {
        WriteRate { filled_at: now, ..self }
    }

    /// The time has advanced. A clock that was set back or ahead gives no more than a burst.
    pub(super) fn fill(&mut self, now: Millis) {
        let passed = now.saturating_sub(self.filled_at).clamp(0, 1000 * BURST);
        let slow = passed.min(self.at_first);
        self.at_first -= slow;
        let added = slow * PER_SECOND_AT_FIRST + (passed - slow) * PER_SECOND;
        self.tokens = self.tokens.saturating_add(added).min(BURST * 1000);
        self.filled_at = now;
    }

    /// Uses one write, if there is one.
    pub(super) fn take(&mut self) -> bool {
        let may = self.tokens >= 1000;
        if may {
            self.tokens -= 1000;
        }
        may
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn writes(rate: &mut WriteRate, now: Millis) -> usize {
        rate.fill(now);
        (0..1_000).take_while(|_| rate.take()).count()
    }

    #[test]
    fn a_burst_and_then_a_rate_per_second() {
        let mut rate = WriteRate { at_first: 0, ..WriteRate::new(0) };
        let counts = [0, 0, 125, 1_125, 1_000_000_000, 5, 255];
        assert_eq!(counts.map(|now| writes(&mut rate, now)), [4, 0, 0, 4, 4, 0, 1]);
    }

    #[test]
    fn a_new_leader_and_an_earlier_one_write_less_than_ten_times_a_second_together() {
        let mut earlier = WriteRate { at_first: 0, ..WriteRate::new(0) };
        let mut new = WriteRate::new(0);
        let in_ten_seconds =
            |from: Millis, rate: &mut WriteRate| (from..=from + 10_000).map(|now| writes(rate, now)).sum::<usize>();
        let (old, first) = (in_ten_seconds(0, &mut earlier), in_ten_seconds(0, &mut new));
        assert_eq!((old, first), (64, 34));
        assert!(old + first < 100);
        // Half the next ten seconds are slow.
        assert_eq!(in_ten_seconds(10_000, &mut new), 15 + 30);
    }
}
