//! Who opens a connection, and who waits for one that is being opened.
//!
//! A connection of HTTP/2 serves many requests, one of HTTP/1.1 a single one, and which it will be is known when TLS is
//! there. Until then requests wait for a moment for the one that is being opened; as soon as it is known that there is no
//! place for them on it, each opens its own, all at once.

use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::Notify;
use tokio::sync::futures::OwnedNotified;

/// What is hoped of a connection whose protocol is not known yet.
const HOPED: usize = 100;

#[derive(Debug)]
pub struct Opening {
    state: Mutex<State>,
    settled: Arc<Notify>,
}

#[derive(Debug)]
struct State {
    under_way: usize,
    waiting: usize,
    /// How many requests a new connection serves at once, as the last one showed.
    serves: usize,
}

/// What a request is to do.
#[derive(Debug)]
pub enum Turn {
    Open(Permit),
    Wait(OpeningWait),
}

impl Opening {
    /// `serves`: what is known of it beforehand.
    pub fn new(serves: Option<usize>) -> Arc<Self> {
        let state = State { under_way: 0, waiting: 0, serves: serves.unwrap_or(HOPED) };
        Arc::new(Opening { state: Mutex::new(state), settled: Arc::default() })
    }

    /// `patient`: it may wait, if what is being opened will have a place for it.
    pub fn turn(self: &Arc<Self>, patient: bool) -> Turn {
        let mut state = self.lock();
        // Whoever opens one takes a place on it.
        let places = state.under_way.saturating_mul(state.serves.saturating_sub(1));
        if patient && state.waiting < places {
            state.waiting += 1;
            // Made under the lock: what settles from here on wakes it.
            let settled = Arc::clone(&self.settled).notified_owned();
            return Turn::Wait(OpeningWait { settled, place: Place(Arc::clone(self)) });
        }
        state.under_way += 1;
        Turn::Open(Permit(Arc::clone(self)))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }
}

/// To open a connection. Dropped when it is there, or can't be had.
#[derive(Debug)]
pub struct Permit(Arc<Opening>);

impl Permit {
    /// It is known how many requests it serves.
    pub fn serves(&self, requests: usize) {
        self.0.lock().serves = requests.max(1);
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.lock().under_way -= 1;
        self.0.settled.notify_waiters();
    }
}

/// Waits for one that is being opened.
#[derive(Debug)]
pub struct OpeningWait {
    settled: OwnedNotified,
    place: Place,
}

/// Counts one who waits, until it is dropped.
#[derive(Debug)]
struct Place(Arc<Opening>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.lock().waiting -= 1;
    }
}

impl OpeningWait {
    /// One of those that are being opened is there, or can't be had.
    pub async fn settled(self) {
        let OpeningWait { settled, place } = self;
        settled.await;
        drop(place);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many of so many that ask at once open one.
    fn open(opening: &Arc<Opening>, asking: usize, patient: bool) -> (Vec<Permit>, Vec<OpeningWait>) {
        let (mut permits, mut waiting) = (Vec::new(), Vec::new());
        for _ in 0..asking {
            match opening.turn(patient) {
                Turn::Open(permit) => permits.push(permit),
                Turn::Wait(other) => waiting.push(other),
            }
        }
        (permits, waiting)
    }

    #[test]
    fn as_many_are_opened_as_are_needed() {
        for (name, serves, asking, patient, opened) in [
            ("HTTP/1.1", Some(1), 12, true, 12),
            ("nothing is known yet", None, 12, true, 1),
            ("and nobody waits any longer", None, 12, false, 12),
            ("two streams each", Some(2), 12, true, 6),
            ("many streams", Some(100), 150, true, 2),
        ] {
            let (permits, waiting) = open(&Opening::new(serves), asking, patient);
            assert_eq!((permits.len(), waiting.len()), (opened, asking - opened), "{name}");
        }
    }

    #[tokio::test]
    async fn who_waited_opens_its_own_as_soon_as_there_is_no_place_for_it() {
        let opening = Opening::new(None);
        let (mut permits, waiting) = open(&opening, 12, true);
        let first = permits.remove(0);
        first.serves(1);
        drop(first);
        for other in waiting {
            other.settled().await;
        }
        assert_eq!(open(&opening, 11, true).0.len(), 11);
        assert_eq!(opening.lock().waiting, 0);
    }
}
