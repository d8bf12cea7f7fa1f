//! How many statuses are written in a second.
//!
//! A cluster with thousands of keys that all spend must not keep the API server busy with figures. All writes count; those
//! for numbers alone wait if there were too many.

use std::time::Duration;

use outrigger_core::hash::fnv1a;
use tokio::time::Instant;

use crate::objects::id::ObjectId;

/// One write in so long, over a longer time.
const EACH: Duration = Duration::from_millis(200);
/// Those that wait look again within so long of each other.
const SPREAD: Duration = Duration::from_secs(60);
/// So many may follow each other at once.
const BURST: u32 = 50;

/// When the next status may be written for its numbers.
#[derive(Debug)]
pub(super) struct WritePace {
    /// When what was written so far would have been written at an even pace.
    even: Instant,
}

impl WritePace {
    pub(super) fn new(now: Instant) -> Self {
        WritePace { even: now }
    }

    /// Absent: it may be written now. Else when to look again: not all at the same time.
    pub(super) fn free(&self, id: &ObjectId, now: Instant) -> Option<Instant> {
        let ahead = self.even.saturating_duration_since(now);
        let over = ahead.checked_sub(EACH * BURST).filter(|over| !over.is_zero())?;
        // By the time as well: none of them is always the last.
        let place = fnv1a(format!("{id} {}", ahead.as_nanos()).as_bytes()) % 1_000;
        let spread = SPREAD.mul_f64(f64::from(u32::try_from(place).unwrap_or_default()) / 1_000.0);
        Some(now + over + spread)
    }

    pub(super) fn wrote(&mut self, now: Instant) {
        self.even = self.even.max(now) + EACH;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::objects::id::ObjectKind;
    use crate::status::NUMBERS;

    #[test]
    fn many_objects_that_change_all_the_time_are_written_at_a_bounded_pace() {
        let mut pace = WritePace::new(Instant::now());
        let began = Instant::now();
        let ids: Vec<ObjectId> = (0..2_000)
            .map(|n| ObjectId { kind: ObjectKind::VirtualKey, namespace: "shop".to_owned(), name: format!("k{n}") })
            .collect();
        let mut looks: std::collections::BTreeSet<(Instant, usize)> = (0..ids.len()).map(|n| (began, n)).collect();
        let (mut written, mut looked) = (vec![0_u32; ids.len()], 0_u32);
        while let Some((now, n)) = looks.pop_first().filter(|(now, _)| *now < began + Duration::from_secs(600)) {
            looked += 1;
            match pace.free(&ids[n], now) {
                Some(at) => drop(looks.insert((at, n))),
                None => {
                    pace.wrote(now);
                    written[n] += 1;
                    looks.insert((now + NUMBERS, n));
                }
            }
        }
        let all: u32 = written.iter().sum();
        assert!((2_900..=3_060).contains(&all), "{all}");
        assert!(looked < 200_000, "{looked}");
        assert!(written.iter().filter(|times| **times == 0).count() < 200, "some never have their turn");
    }
}
