//! The leader's clock.
//!
//! The wall clock determines the period, for all gateways. A clock that jumps is considered wrong at first: periods
//! would end early, and grants of the next one would be spent too soon. So a jump is followed only after the clock has
//! stayed there for a while; until then the time advances by the monotonic clock.

use std::time::{Duration, Instant};

use outrigger_core::Millis;

/// How much the wall clock may differ between two readings: it is merely adjusted.
const ADJUSTED: Millis = 60_000;
/// A jump that lasts this long led to the right time.
const BELIEVED: Duration = Duration::from_secs(600);

/// The time of one leadership.
#[derive(Debug)]
pub(super) struct LeaderClock {
    /// The time used at an instant.
    known: (Millis, Instant),
    /// Since when the wall clock has differed.
    jumped: Option<Instant>,
}

impl LeaderClock {
    pub(super) fn new(wall: Millis, now: Instant) -> Self {
        LeaderClock { known: (wall, now), jumped: None }
    }

    /// The time to use for this wall clock time.
    pub(super) fn see(&mut self, wall: Millis, now: Instant) -> Millis {
        let (known, at) = self.known;
        let passed = now.saturating_duration_since(at).as_millis();
        let expected = known.saturating_add(Millis::try_from(passed).unwrap_or(Millis::MAX));
        let is_near = (wall.saturating_sub(expected)).abs() <= ADJUSTED;
        let time = if is_near {
            self.jumped = None;
            wall
        } else {
            let since = *self.jumped.get_or_insert_with(|| {
                tracing::warn!(
                    seconds = wall.saturating_sub(expected) / 1_000,
                    "the clock has jumped: the ledger's periods do not follow it before it has stayed there for ten minutes"
                );
                now
            });
            if now.saturating_duration_since(since) < BELIEVED {
                expected
            } else {
                self.jumped = None;
                wall
            }
        };
        self.known = (time, now);
        time
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: Millis = 1_715_774_400_000;
    const HOUR: Millis = 3_600_000;

    #[test]
    fn a_jump_that_is_corrected_changes_no_period() {
        let begun = Instant::now();
        let mut clock = LeaderClock::new(NOON, begun);
        for (what, second, wall, goes_by) in [
            ("as ever", 10, 10_000, 10_000),
            ("adjusted", 20, 30_000, 30_000),
            ("and back", 30, 25_000, 25_000),
            ("far ahead", 40, 40 * HOUR, 35_000),
            ("for a while", 639, 40 * HOUR + 599_000, 634_000),
            ("set right", 640, 640_000, 640_000),
            ("far behind", 650, -HOUR, 650_000),
            ("for longer", 1_249, 599_000 - HOUR, 1_249_000),
            ("it is right", 1_250, 600_000 - HOUR, 600_000 - HOUR),
            ("as ever", 1_260, 610_000 - HOUR, 610_000 - HOUR),
        ] {
            let now = begun + Duration::from_secs(second);
            assert_eq!(clock.see(NOON + wall, now) - NOON, goes_by, "{what}");
        }
    }
}
