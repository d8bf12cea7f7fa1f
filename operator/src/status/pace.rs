//! How many statuses are written in a second.
//!
//! A cluster with thousands of keys that all spend must not keep the API server busy with figures. All writes count. Those
//! for numbers alone wait if there were too many: each object gets a turn, in the order in which they asked.
//!
//! ```text
//! free ─► now, if few were written lately
//!      └► at the object's turn: one every EACH, after the turns that others have
//! ```

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::objects::id::ObjectId;

/// One write in so long, over a longer time.
const EACH: Duration = Duration::from_millis(200);
/// So many may follow each other at once.
const BURST: u32 = 50;
/// A turn that was not used for so long is over.
const UNUSED: Duration = Duration::from_secs(60);

/// When the next status may be written for its numbers.
#[derive(Debug)]
pub(super) struct WritePace {
    /// When all writes and turns so far are over, at an even pace.
    even: Instant,
    /// Of objects that wait, when it is their turn. Each is counted in `even` already.
    turns: BTreeMap<ObjectId, Instant>,
}

impl WritePace {
    pub(super) fn new(now: Instant) -> Self {
        WritePace { even: now, turns: BTreeMap::new() }
    }

    /// Absent: it may be written now. Else when it is its turn, which it keeps.
    pub(super) fn free(&mut self, id: &ObjectId, now: Instant) -> Option<Instant> {
        if let Some(turn) = self.turns.get(id).filter(|turn| now < **turn + UNUSED) {
            return Some(*turn).filter(|turn| now < *turn);
        }
        self.turns.remove(id);
        let ahead = self.even.saturating_duration_since(now);
        let over = ahead.checked_sub(EACH * BURST).filter(|over| !over.is_zero())?;
        let turn = now + over;
        self.even += EACH;
        self.turns.insert(id.clone(), turn);
        Some(turn)
    }

    /// A status was written, at its turn or for another reason.
    pub(super) fn wrote(&mut self, id: &ObjectId, now: Instant) {
        if self.turns.remove(id).is_none() {
            self.even = self.even.max(now) + EACH;
        }
    }

    /// An object is gone. Nobody gets its turn.
    pub(super) fn forget(&mut self, id: &ObjectId) {
        self.turns.remove(id);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::objects::id::ObjectKind;
    use crate::status::NUMBERS;

    fn id(n: usize) -> ObjectId {
        ObjectId { kind: ObjectKind::VirtualKey, namespace: "shop".to_owned(), name: format!("k{n}") }
    }

    #[test]
    fn many_objects_that_change_all_the_time_are_written_at_a_bounded_pace_and_each_gets_its_turn() {
        let began = Instant::now();
        let mut pace = WritePace::new(began);
        let ids: Vec<ObjectId> = (0..2_000).map(id).collect();
        let mut looks: BTreeSet<(Instant, usize)> = (0..ids.len()).map(|n| (began, n)).collect();
        let (mut written, mut looked) = (vec![0_u32; ids.len()], 0_u32);
        while let Some((now, n)) = looks.pop_first().filter(|(now, _)| *now < began + Duration::from_secs(1_200)) {
            looked += 1;
            match pace.free(&ids[n], now) {
                Some(at) => {
                    assert!(at > now);
                    looks.insert((at, n));
                }
                None => {
                    pace.wrote(&ids[n], now);
                    written[n] += 1;
                    looks.insert((now + NUMBERS, n));
                }
            }
        }
        let all: u32 = written.iter().sum();
        assert!((5_900..=6_060).contains(&all), "{all}");
        assert!(looked <= 2 * all + 2_000, "{looked}");
        let (least, most) = (written.iter().min().unwrap(), written.iter().max().unwrap());
        assert!(*least >= 2 && *most <= least + 2, "{least} to {most}");
    }

    #[test]
    fn whoever_asked_first_is_first_and_an_unused_turn_ends() {
        let now = Instant::now();
        let mut pace = WritePace::new(now);
        for n in 0..51 {
            assert_eq!(pace.free(&id(n), now), None, "{n}");
            pace.wrote(&id(n), now);
        }
        let turns: Vec<Option<Instant>> = (100..103).map(|n| pace.free(&id(n), now)).collect();
        assert_eq!(turns, [1, 2, 3].map(|n| Some(now + EACH * n)));
        assert_eq!(pace.free(&id(101), now + EACH), turns[1], "its turn stays");
        assert_eq!(pace.free(&id(101), now + EACH * 2), None);
        // Written for another reason: its turn is used.
        pace.wrote(&id(102), now);
        assert_eq!(pace.free(&id(102), now), Some(now + EACH * 4));
        pace.forget(&id(100));
        assert_eq!(pace.free(&id(100), now), Some(now + EACH * 5));
        let late = now + EACH * 4 + UNUSED;
        assert_eq!(pace.free(&id(102), late), None, "few were written lately");
        assert!(!pace.turns.contains_key(&id(102)));
    }
}
