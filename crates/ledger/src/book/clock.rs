//! The time of a book.
//!
//! ```text
//! wall clock   ──┬─ within a few seconds of the monotonic one ─► followed, and never left again: it only goes on
//!                └─ far ahead of it ─► followed as long as the clock stays there, and left when it is set back
//! ```
//!
//! A clock that steps back must not return to an earlier period: requests that wait for the end of a period could spend
//! its money again. But a clock may also be wrong for a while: it jumps ahead and is corrected later. If the book
//! always used the latest time it has seen, it would stay in that future until the process ends. The monotonic clock
//! distinguishes the two cases.

use outrigger_core::Millis;

/// How much further than the monotonic clock the wall clock may advance between two readings: then it is merely
/// adjusted. A hundredth of the time between the two is added.
const ADJUSTED: Millis = 5_000;
/// The book leaves a time ahead when the clock is set back by more than this. Callers may have read the clock a while
/// ago.
const SET_BACK: Millis = 60_000;

/// After a jump ahead that lasts this long, the clock counts as right: the machine slept, or started with a wrong
/// clock.
const BELIEVED: Millis = 86_400_000;

/// The time of a book.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct BookClock {
    /// The latest wall clock time that was reached steadily, advanced by the monotonic clock.
    steadily: Millis,
    /// The time after a jump ahead, as long as the wall clock stays there.
    ahead: Option<TimeAhead>,
    /// The first reading of the monotonic clock. Without it no jump can be detected.
    monotonic: Option<Millis>,
    /// How far the monotonic clock advanced since the wall clock was last read.
    passed: Millis,
}

#[derive(Clone, Copy, Debug)]
struct TimeAhead {
    /// Advanced by the monotonic clock.
    time: Millis,
    /// For how long the clock was ahead.
    lasted: Millis,
}

impl TimeAhead {
    /// Whether the wall clock has left that time, and was not merely adjusted.
    fn is_left(self, wall: Millis) -> bool {
        wall < self.time.saturating_sub(SET_BACK)
    }
}

impl BookClock {
    /// Advances the monotonic clock.
    pub(super) fn go_on(&mut self, monotonic: Millis) {
        let before = self.monotonic.replace(self.monotonic.map_or(monotonic, |before| before.max(monotonic)));
        let passed = before.map_or(0, |before| monotonic.saturating_sub(before).max(0));
        // No time was seen yet.
        if self.steadily > 0 {
            self.steadily = self.steadily.saturating_add(passed);
        }
        if let Some(ahead) = &mut self.ahead {
            ahead.time = ahead.time.saturating_add(passed);
            ahead.lasted = ahead.lasted.saturating_add(passed);
        }
        self.passed = self.passed.saturating_add(passed);
    }

    /// The time of the last use of an account: the book never returns to an earlier period.
    pub(super) fn was_at(&mut self, last: Millis) {
        self.steadily = self.steadily.max(last);
    }

    /// The time to use for this wall clock time.
    pub(super) fn see(&mut self, wall: Millis) -> Millis {
        let adjusted = ADJUSTED.saturating_add(self.passed / 100);
        self.passed = 0;
        self.ahead = self.ahead.filter(|ahead| !ahead.is_left(wall));
        let jumped = self.monotonic.is_some() && self.steadily > 0 && wall > self.steadily.saturating_add(adjusted);
        match &mut self.ahead {
            Some(ahead) => ahead.time = ahead.time.max(wall),
            None if jumped => self.ahead = Some(TimeAhead { time: wall, lasted: 0 }),
            None => self.steadily = self.steadily.max(wall),
        }
        self.time()
    }

    /// The same, without a change of state.
    pub(super) fn seen(mut self, wall: Millis) -> Millis {
        self.see(wall)
    }

    /// The current time.
    pub(super) fn time(&self) -> Millis {
        self.ahead.map_or(self.steadily, |ahead| ahead.time.max(self.steadily))
    }

    /// Whether this is the time of all accounts. At any other time nothing is forgotten.
    pub(super) fn is_believed(&self) -> bool {
        self.ahead.is_none_or(|ahead| ahead.lasted >= BELIEVED)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: Millis = 1_715_774_400_000;
    const HOUR: Millis = 3_600_000;

    /// Reads the wall clock after some seconds of the monotonic clock.
    fn walk(steps: &[(Millis, Millis, Millis)]) {
        let mut clock = BookClock::default();
        let mut monotonic = 77;
        clock.go_on(monotonic);
        for (place, (seconds, wall, goes_by)) in steps.iter().enumerate() {
            monotonic += seconds * 1_000;
            clock.go_on(monotonic);
            assert_eq!(clock.seen(NOON + wall), NOON + goes_by, "step {place}");
            assert_eq!(clock.see(NOON + wall), NOON + goes_by, "step {place}");
        }
    }

    #[test]
    fn an_adjusted_clock_is_followed_and_never_goes_back() {
        walk(&[
            (0, 0, 0),
            (10, 10_000, 10_000),
            (10, 24_000, 24_000),
            (0, 20_000, 24_000),
            (1, 21_000, 25_000),
            (HOUR / 1_000, HOUR + 50_000, HOUR + 50_000),
            (0, 0, HOUR + 50_000),
        ]);
    }

    #[test]
    fn a_jump_ahead_is_followed_until_the_clock_is_set_back() {
        let far = 400 * 24 * HOUR;
        walk(&[
            (0, 0, 0),
            (10, far, far),
            // A caller that read the clock earlier, or a clock that is slightly behind.
            (10, far + 9_000, far + 10_000),
            (HOUR / 1_000, far + HOUR, far + HOUR + 10_000),
            (1, HOUR + 21_000, HOUR + 21_000),
            (1, HOUR + 20_000, HOUR + 22_000),
            // Again, and twice.
            (1, far, far),
            (1, 2 * far, 2 * far),
            (1, far, far),
            (1, HOUR + 26_000, HOUR + 26_000),
        ]);
    }

    #[test]
    fn without_a_monotonic_clock_the_latest_time_counts() {
        let mut clock = BookClock::default();
        assert_eq!(
            [NOON, NOON + 400 * HOUR, NOON].map(|wall| clock.see(wall)),
            [NOON, NOON + 400 * HOUR, NOON + 400 * HOUR]
        );
    }

    #[test]
    fn a_process_that_continues_with_accounts_starts_no_earlier() {
        let mut clock = BookClock::default();
        clock.go_on(0);
        clock.was_at(NOON);
        assert_eq!(clock.see(NOON - HOUR), NOON);
    }
}
