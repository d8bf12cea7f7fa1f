//! Decides which requests open a connection, and which wait for one that is being opened.
//!
//! An HTTP/2 connection serves many requests, an HTTP/1.1 connection one at a time. The version is known only after
//! TLS. Until then, requests wait a moment for the connection that is being opened. As soon as it is known that it has
//! no capacity for them, each opens its own, all at once.

use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::Notify;
use tokio::sync::futures::OwnedNotified;

/// The assumed capacity of a connection whose version is not known yet.
const ASSUMED_CAPACITY: usize = 100;

#[derive(Debug)]
pub struct Opening {
    state: Mutex<State>,
    settled: Arc<Notify>,
}

#[derive(Debug)]
struct State {
    opening: usize,
    waiting: usize,
    /// How many requests a new connection serves at once, by the last one.
    capacity: usize,
}

/// What a request should do.
#[derive(Debug)]
pub enum OpenOrWait {
    Open(Permit),
    Wait(OpeningWait),
}

impl Opening {
    /// `capacity`: the capacity, if known in advance.
    pub fn new(capacity: Option<usize>) -> Arc<Self> {
        let state = State { opening: 0, waiting: 0, capacity: capacity.unwrap_or(ASSUMED_CAPACITY) };
        Arc::new(Opening { state: Mutex::new(state), settled: Arc::default() })
    }

    /// `patient`: the request may wait, if a connection that is being opened will have capacity for it.
    pub fn open_or_wait(self: &Arc<Self>, patient: bool) -> OpenOrWait {
        let mut state = self.lock();
        // The request that opens a connection uses one of its places.
        let places = state.opening.saturating_mul(state.capacity.saturating_sub(1));
        if patient && state.waiting < places {
            state.waiting += 1;
            // Registered under the lock, so that no notification is missed.
            let settled = Arc::clone(&self.settled).notified_owned();
            return OpenOrWait::Wait(OpeningWait { settled, count: WaitCount(Arc::clone(self)) });
        }
        state.opening += 1;
        OpenOrWait::Open(Permit(Arc::clone(self)))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }
}

/// The permission to open a connection. Drop it when the connection is open or has failed.
#[derive(Debug)]
pub struct Permit(Arc<Opening>);

impl Permit {
    /// Records how many requests the connection serves at once.
    pub fn set_capacity(&self, requests: usize) {
        self.0.lock().capacity = requests.max(1);
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.lock().opening -= 1;
        self.0.settled.notify_waiters();
    }
}

/// Waits for a connection that is being opened.
#[derive(Debug)]
pub struct OpeningWait {
    settled: OwnedNotified,
    count: WaitCount,
}

/// Counts a waiting request until it is dropped.
#[derive(Debug)]
struct WaitCount(Arc<Opening>);

impl Drop for WaitCount {
    fn drop(&mut self) {
        self.0.lock().waiting -= 1;
    }
}

impl OpeningWait {
    /// Waits until one of the connections is open or has failed.
    pub async fn settled(self) {
        let OpeningWait { settled, count } = self;
        settled.await;
        drop(count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The permits and the waits of this many simultaneous requests.
    fn open(opening: &Arc<Opening>, asking: usize, patient: bool) -> (Vec<Permit>, Vec<OpeningWait>) {
        let (mut permits, mut waiting) = (Vec::new(), Vec::new());
        for _ in 0..asking {
            match opening.open_or_wait(patient) {
                OpenOrWait::Open(permit) => permits.push(permit),
                OpenOrWait::Wait(other) => waiting.push(other),
            }
        }
        (permits, waiting)
    }

    #[test]
    fn opens_as_many_connections_as_needed() {
        for (name, capacity, asking, patient, opened) in [
            ("HTTP/1.1", Some(1), 12, true, 12),
            ("nothing is known yet", None, 12, true, 1),
            ("and no request waits any longer", None, 12, false, 12),
            ("two streams each", Some(2), 12, true, 6),
            ("many streams", Some(100), 150, true, 2),
        ] {
            let (permits, waiting) = open(&Opening::new(capacity), asking, patient);
            assert_eq!((permits.len(), waiting.len()), (opened, asking - opened), "{name}");
        }
    }

    #[tokio::test]
    async fn waiting_requests_open_their_own_when_there_is_no_capacity() {
        let opening = Opening::new(None);
        let (mut permits, waiting) = open(&opening, 12, true);
        let first = permits.remove(0);
        first.set_capacity(1);
        drop(first);
        for other in waiting {
            other.settled().await;
        }
        assert_eq!(open(&opening, 11, true).0.len(), 11);
        assert_eq!(opening.lock().waiting, 0);
    }
}
