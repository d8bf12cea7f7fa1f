//! Heads of HTTP/2 that were read and whose requests have not begun.
//!
//! Such a head is in no account, and its length says little: HPACK repeats a field of 4 kB with one byte. So heads are
//! counted. A connection reads [`AT_ONCE`] of them, and reads on when the requests of all have begun: by then each is
//! in the account of the memory, or refused. [`CONNECTIONS`] connections may do so at the same time.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use futures_util::task::AtomicWaker;

/// Heads that a connection reads before their requests begin.
pub const AT_ONCE: usize = 4;
/// Connections that may have read such heads. With heads of the longest kind they hold some 4 MiB.
const CONNECTIONS: usize = 8;

/// What the connections of a port share.
#[derive(Clone, Debug)]
pub struct Door(Arc<AtomicUsize>);

/// A connection's place at the door; it is free again when this is dropped.
#[derive(Debug)]
pub struct Place(Arc<AtomicUsize>);

impl Default for Door {
    fn default() -> Self {
        Door(Arc::new(AtomicUsize::new(CONNECTIONS)))
    }
}

impl Door {
    pub fn enter(&self) -> Option<Place> {
        let taken = self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, |free| free.checked_sub(1));
        taken.is_ok().then(|| Place(Arc::clone(&self.0)))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::AcqRel);
    }
}

/// One connection's.
#[derive(Debug, Default)]
pub struct Heads {
    /// How often the connection was polled. It takes its requests after it has read, in the same poll.
    turn: AtomicUsize,
    /// Requests that it has taken and that have not begun.
    waiting: AtomicUsize,
    reader: AtomicWaker,
}

impl Heads {
    pub fn next_turn(&self) {
        self.turn.fetch_add(1, Ordering::Relaxed);
    }

    #[must_use]
    pub fn turn(&self) -> usize {
        self.turn.load(Ordering::Relaxed)
    }

    /// Ready when all requests have begun whose heads were read in this turn.
    pub fn poll_begun(&self, turn: usize, cx: &Context<'_>) -> Poll<()> {
        if self.turn() == turn {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let begun = || self.waiting.load(Ordering::Acquire) == 0;
        if begun() {
            return Poll::Ready(());
        }
        self.reader.register(cx.waker());
        // The last may have begun meanwhile.
        if begun() { Poll::Ready(()) } else { Poll::Pending }
    }
}

/// A request that has not begun yet: it begins when this is dropped.
#[derive(Debug)]
pub struct Waiting(Arc<Heads>);

impl Waiting {
    pub fn new(heads: &Arc<Heads>) -> Self {
        heads.waiting.fetch_add(1, Ordering::AcqRel);
        Waiting(Arc::clone(heads))
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if self.0.waiting.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.reader.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;
    use std::task::{Wake, Waker};

    use super::*;

    #[derive(Default)]
    struct Woken(AtomicBool);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.store(true, Ordering::SeqCst);
        }
    }

    #[test]
    fn a_reader_waits_for_its_turn_to_end_and_for_each_request() {
        let heads = Arc::new(Heads::default());
        let woken = Arc::new(Woken::default());
        let waker = Waker::from(Arc::clone(&woken));
        let cx = Context::from_waker(&waker);
        let was_woken = || woken.0.swap(false, Ordering::SeqCst);
        heads.next_turn();
        let turn = heads.turn();
        assert!(heads.poll_begun(turn, &cx).is_pending() && was_woken());
        let (first, second) = (Waiting::new(&heads), Waiting::new(&heads));
        heads.next_turn();
        assert!(heads.poll_begun(turn, &cx).is_pending() && !was_woken());
        drop(first);
        assert!(heads.poll_begun(turn, &cx).is_pending() && !was_woken());
        drop(second);
        assert!(was_woken());
        assert!(heads.poll_begun(turn, &cx).is_ready());
    }

    #[test]
    fn a_few_connections_are_let_in_and_another_when_one_has_left() {
        let door = Door::default();
        let mut places: Vec<_> = (0..CONNECTIONS).filter_map(|_| door.enter()).collect();
        assert_eq!(places.len(), CONNECTIONS);
        assert!(door.clone().enter().is_none());
        places.pop();
        assert!(door.enter().is_some());
    }
}
