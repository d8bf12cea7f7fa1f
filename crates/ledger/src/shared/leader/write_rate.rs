//! Limits the rate of writes: so many per second, and a burst after a quiet time.

use outrigger_core::Millis;

/// Writes per second, on average.
const PER_SECOND: i64 = 6;
/// The burst after a quiet time.
const BURST: i64 = 4;

/// The writes that are allowed now.
#[derive(Clone, Debug)]
pub(super) struct WriteRate {
    /// Thousandths of a write.
    tokens: i64,
    filled_at: Millis,
}

impl WriteRate {
    pub(super) fn new(now: Millis) -> Self {
        WriteRate { tokens: BURST * 1000, filled_at: now }
    }

    /// The same, by another clock.
    pub(super) fn go_on(self, now: Millis) -> Self {
        WriteRate { filled_at: now, ..self }
    }

    /// The time has advanced. A clock that was set back or ahead gives no more than a burst.
    pub(super) fn fill(&mut self, now: Millis) {
        let passed = now.saturating_sub(self.filled_at).clamp(0, 1000 * BURST);
        self.tokens = self.tokens.saturating_add(passed * PER_SECOND).min(BURST * 1000);
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

    #[test]
    fn a_burst_and_then_a_rate_per_second() {
        let mut rate = WriteRate::new(0);
        let mut count = |now: Millis| {
            rate.fill(now);
            (0..1_000).take_while(|_| rate.take()).count()
        };
        let counts = [0, 0, 125, 1_125, 1_000_000_000, 5, 255];
        assert_eq!(counts.map(&mut count), [4, 0, 0, 4, 4, 0, 1]);
    }
}
