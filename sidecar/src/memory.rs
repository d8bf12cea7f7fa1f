//! What all held bodies may take together, and what one may.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The longest body: 32 MiB.
pub const LONGEST_BODY: usize = 32 << 20;
/// The longest whole answer that is held: 64 MiB.
pub const LONGEST_ANSWER: usize = 64 << 20;
/// A permit stands for so many bytes.
const UNIT: usize = 1 << 10;

/// A budget of bytes, shared by all requests.
#[derive(Clone, Debug)]
pub struct Bodies {
    units: Arc<Semaphore>,
    longest: usize,
}

/// Bytes that are held; given back when dropped.
#[derive(Debug, Default)]
pub struct Held(Option<OwnedSemaphorePermit>);

impl Bodies {
    /// At most `bytes` together.
    #[must_use]
    pub fn new(bytes: usize) -> Self {
        Bodies { units: Arc::new(Semaphore::new(bytes / UNIT)), longest: bytes.min(LONGEST_BODY) }
    }

    /// A quarter of the memory that this process may use.
    #[must_use]
    pub fn of_this_machine() -> Self {
        Bodies::new(limit().unwrap_or(1 << 30) / 4)
    }

    /// The longest body that can be held at all, in bytes.
    #[must_use]
    pub fn longest(&self) -> usize {
        self.longest
    }

    /// Takes room for a body, or says that there is none now.
    #[must_use]
    pub fn hold(&self, bytes: usize) -> Option<Held> {
        let units = u32::try_from(bytes.div_ceil(UNIT)).ok()?;
        Arc::clone(&self.units).try_acquire_many_owned(units).ok().map(|permit| Held(Some(permit)))
    }
}

impl Held {
    /// Holds so many bytes in all, if there is room for what is more than before.
    #[must_use]
    pub fn grow_to(&mut self, bytes: usize, bodies: &Bodies) -> Option<()> {
        let has = self.0.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        let more = bodies.hold(bytes.div_ceil(UNIT).saturating_sub(has) * UNIT)?;
        match (&mut self.0, more.0) {
            (Some(mine), Some(more)) => mine.merge(more),
            (mine, more) => *mine = more,
        }
        Some(())
    }
}

/// The memory limit of the control group, in bytes; `None` where there is none.
fn limit() -> Option<usize> {
    ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"]
        .iter()
        .find_map(|path| std::fs::read_to_string(path).ok()?.trim().parse::<usize>().ok())
        // Version 1 says "no limit" by a number near 2^63.
        .filter(|limit| *limit < 1 << 50)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_given_back_and_counted_once() {
        let bodies = Bodies::new(8 * UNIT);
        let all = bodies.hold(8 * UNIT).unwrap();
        assert!(bodies.hold(1).is_none());
        drop(all);
        let mut held = Held::default();
        // Ten bytes at a time: a unit is taken when the last one is full, not each time.
        for length in (10..=7 * UNIT).step_by(10) {
            held.grow_to(length, &bodies).unwrap();
        }
        assert!(bodies.hold(UNIT).is_some());
        assert!(held.grow_to(9 * UNIT, &bodies).is_none());
    }

    #[test]
    fn a_small_machine_takes_smaller_bodies() {
        assert_eq!(Bodies::new(16 << 20).longest(), 16 << 20);
        assert_eq!(Bodies::new(1 << 30).longest(), LONGEST_BODY);
    }
}
