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
pub struct Bodies(Arc<Semaphore>);

/// Bytes that are held; given back when dropped.
#[derive(Debug, Default)]
pub struct Held(Option<OwnedSemaphorePermit>);

impl Bodies {
    /// At most `bytes` together; at least one longest body.
    #[must_use]
    pub fn new(bytes: usize) -> Self {
        Bodies(Arc::new(Semaphore::new(bytes.max(LONGEST_BODY) / UNIT)))
    }

    /// A quarter of the memory that this process may use.
    #[must_use]
    pub fn of_this_machine() -> Self {
        Bodies::new(limit().unwrap_or(1 << 30) / 4)
    }

    /// Takes room for a body, or says that there is none now.
    #[must_use]
    pub fn hold(&self, bytes: usize) -> Option<Held> {
        let units = u32::try_from(bytes.div_ceil(UNIT)).ok()?;
        Arc::clone(&self.0).try_acquire_many_owned(units).ok().map(|permit| Held(Some(permit)))
    }
}

impl Held {
    /// Adds to what is held.
    pub fn grow(&mut self, more: Held) {
        match (&mut self.0, more.0) {
            (Some(mine), Some(more)) => mine.merge(more),
            (mine @ None, more) => *mine = more,
            (Some(_), None) => {}
        }
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
    fn room_is_given_back() {
        let bodies = Bodies::new(LONGEST_BODY);
        let first = bodies.hold(LONGEST_BODY).unwrap();
        assert!(bodies.hold(1).is_none());
        drop(first);
        let mut held = bodies.hold(1_000).unwrap();
        held.grow(bodies.hold(LONGEST_BODY - UNIT).unwrap());
        assert!(bodies.hold(1).is_none());
    }
}
