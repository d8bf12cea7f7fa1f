//! How many writes may go out: so many in a second, and some at once after a quiet time.

use outrigger_core::Millis;

/// Writes in a second, over a longer time.
const PER_SECOND: i64 = 6;
/// Writes that may go at once after a quiet time.
const BURST: i64 = 4;

/// What may be written now.
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

    /// Time has passed. A clock that was set back or ahead brings no more than a burst.
    pub(super) fn fill(&mut self, now: Millis) {
        let passed = now.saturating_sub(self.filled_at).clamp(0, 1000 * BURST);
        self.tokens = self.tokens.saturating_add(passed * PER_SECOND).min(BURST * 1000);
        self.filled_at = now;
    }

    /// Takes one write, if there is one.
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
    fn some_go_at_once_and_then_so_many_in_a_second() {
        let mut rate = WriteRate::new(0);
        let mut count = |now: Millis| {
            rate.fill(now);
            (0..1_000).take_while(|_| rate.take()).count()
        };
        let counts = [0, 0, 125, 1_125, 1_000_000_000, 5, 255];
        assert_eq!(counts.map(&mut count), [4, 0, 0, 4, 4, 0, 1]);
    }
}
