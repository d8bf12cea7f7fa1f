//! When to follow a gateway that reports a higher sequence than the one that was written. Pure: times are arguments.
//!
//! An honest gateway is followed at once, and is not ahead after that. A gateway that reports a higher sequence with every
//! answer must not cause a write, and a push to all its neighbours, each time.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::objects::binding::Binding;

/// The shortest time between two writes of a policy that only follow reported sequences.
pub(crate) const PAUSE: Duration = Duration::from_secs(60);

/// When each binding's sequence was last raised, or will be.
#[derive(Debug, Default)]
pub struct SequenceBumps(BTreeMap<Binding, Instant>);

impl SequenceBumps {
    /// Returns when to write. `None` if a write is already scheduled, which will include the reported sequence.
    pub fn due(&mut self, binding: &Binding, now: Instant) -> Option<Instant> {
        let due = match self.0.get(binding) {
            Some(at) if *at > now => return None,
            Some(at) => (*at + PAUSE).max(now),
            None => now,
        };
        self.0.insert(binding.clone(), due);
        Some(due)
    }

    /// Forgets a binding that no longer exists.
    pub fn forget(&mut self, binding: &Binding) {
        self.0.remove(binding);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_report_is_followed_at_once_and_the_next_after_a_minute() {
        let (mut bumps, began) = (SequenceBumps::default(), Instant::now());
        let (search, other) = (Binding::of("shop", "search"), Binding::of("shop", "other"));
        assert_eq!(bumps.due(&search, began), Some(began));
        // A hostile gateway that reports ten times a second for ten minutes.
        let dues: Vec<Duration> = (1..6_000)
            .filter_map(|tenth| bumps.due(&search, began + Duration::from_millis(tenth * 100)))
            .map(|due| due - began)
            .collect();
        assert!(dues.len() <= 10, "{dues:?}");
        assert!(dues.windows(2).all(|two| two[1] - two[0] >= PAUSE), "{dues:?}");
        assert_eq!(dues.first(), Some(&PAUSE));
        assert_eq!(bumps.due(&other, began), Some(began), "other bindings are independent");
        bumps.forget(&search);
        assert_eq!(bumps.due(&search, began), Some(began));
    }
}
