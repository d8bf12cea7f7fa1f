//! Limits HTTP/2 heads that were read and whose requests have not begun.
//!
//! Such a head is in no memory account, and its length on the wire says little: HPACK repeats a field of 4 kB with one
//! byte. So heads are counted. A connection reads [`MAX_UNSTARTED`] heads, and reads on when all of their requests have
//! begun: then each is in the memory account, or refused. [`MAX_CONNECTIONS`] connections may do so at the same time.
//!
//! A connection holds one of these permits while it is polled and while its requests wait to begin, which takes no
//! time. It does not hold it while it waits for its client. Otherwise a few clients that read no answers could hold all
//! permits.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};

use futures_util::task::AtomicWaker;
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How many heads a connection reads before their requests begin.
pub const MAX_UNSTARTED: usize = 4;
/// How many connections may have read such heads. With the longest heads they hold about 4 MiB.
const MAX_CONNECTIONS: usize = 8;

/// The permits for the connections of a port.
#[must_use]
pub fn permits() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(MAX_CONNECTIONS))
}

/// The state of one connection.
#[derive(Debug)]
pub struct Heads {
    permits: Arc<Semaphore>,
    permit: Mutex<Option<OwnedSemaphorePermit>>,
    /// How often the connection was polled. hyper takes requests after it has read, in the same poll.
    polls: AtomicUsize,
    /// Heads were read in poll `read_in`, and some of their requests may not have begun.
    unstarted: AtomicBool,
    read_in: AtomicUsize,
    /// How many requests hyper has taken that have not begun.
    waiting: AtomicUsize,
    reader: AtomicWaker,
}

impl Heads {
    pub fn new(permits: Arc<Semaphore>) -> Self {
        Heads {
            permits,
            permit: Mutex::default(),
            polls: AtomicUsize::new(0),
            unstarted: AtomicBool::new(false),
            read_in: AtomicUsize::new(0),
            waiting: AtomicUsize::new(0),
            reader: AtomicWaker::new(),
        }
    }

    /// Called before the connection is polled. Heads that were read need a permit to continue.
    pub fn begin_poll(&self, cx: &Context<'_>) -> Poll<()> {
        self.polls.fetch_add(1, Ordering::Relaxed);
        if self.unstarted.load(Ordering::Relaxed) { self.poll_permit(cx) } else { Poll::Ready(()) }
    }

    /// Called after the connection was polled.
    pub fn end_poll(&self) {
        if self.waiting.load(Ordering::Acquire) == 0 {
            *self.permit.lock() = None;
        }
    }

    /// Ready when the connection may read: all requests whose heads it has read have begun, and it has a permit.
    pub fn poll_may_read(&self, cx: &Context<'_>) -> Poll<()> {
        if self.unstarted.load(Ordering::Relaxed) {
            if self.polls.load(Ordering::Relaxed) == self.read_in.load(Ordering::Relaxed) {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            let begun = || self.waiting.load(Ordering::Acquire) == 0;
            if !begun() {
                self.reader.register(cx.waker());
                // The last request may have begun meanwhile.
                if !begun() {
                    return Poll::Pending;
                }
            }
            self.unstarted.store(false, Ordering::Relaxed);
        }
        self.poll_permit(cx)
    }

    /// Records that heads were read.
    pub fn heads_read(&self) {
        self.read_in.store(self.polls.load(Ordering::Relaxed), Ordering::Relaxed);
        self.unstarted.store(true, Ordering::Relaxed);
    }

    fn poll_permit(&self, cx: &Context<'_>) -> Poll<()> {
        let mut permit = self.permit.lock();
        if permit.is_none() {
            *permit = Arc::clone(&self.permits).try_acquire_owned().ok();
        }
        if permit.is_some() {
            return Poll::Ready(());
        }
        // Each holder needs its permit for one poll only.
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

/// A request that has not begun. Dropping this marks its beginning.
#[derive(Debug)]
pub struct PendingHead(Arc<Heads>);

impl PendingHead {
    pub fn new(heads: &Arc<Heads>) -> Self {
        heads.waiting.fetch_add(1, Ordering::AcqRel);
        PendingHead(Arc::clone(heads))
    }
}

impl Drop for PendingHead {
    fn drop(&mut self) {
        if self.0.waiting.fetch_sub(1, Ordering::AcqRel) == 1 {
            *self.0.permit.lock() = None;
            self.0.reader.wake();
        }
    }
}

#[cfg(test)]
mod tests {
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
    fn reading_waits_for_the_end_of_the_poll_and_for_each_request() {
        let heads = Arc::new(Heads::new(permits()));
        let woken = Arc::new(Woken::default());
        let waker = Waker::from(Arc::clone(&woken));
        let cx = Context::from_waker(&waker);
        let was_woken = || woken.0.swap(false, Ordering::SeqCst);
        assert!(heads.begin_poll(&cx).is_ready() && heads.poll_may_read(&cx).is_ready());
        heads.heads_read();
        assert!(heads.poll_may_read(&cx).is_pending() && was_woken());
        let (first, second) = (PendingHead::new(&heads), PendingHead::new(&heads));
        heads.end_poll();
        assert!(heads.begin_poll(&cx).is_ready());
        assert!(heads.poll_may_read(&cx).is_pending() && !was_woken());
        drop(first);
        assert!(heads.poll_may_read(&cx).is_pending() && !was_woken());
        drop(second);
        assert!(was_woken());
        assert!(heads.poll_may_read(&cx).is_ready());
    }

    /// A connection that has read heads and waits for something other than its own requests has no permit, and needs
    /// one to continue.
    #[test]
    fn permits_are_held_during_polls_and_until_requests_begin() {
        let permits = permits();
        let cx = Context::from_waker(Waker::noop());
        let all: Vec<_> = (0..2 * MAX_CONNECTIONS).map(|_| Arc::new(Heads::new(Arc::clone(&permits)))).collect();
        let reads = |heads: &Arc<Heads>| heads.begin_poll(&cx).is_ready() && heads.poll_may_read(&cx).is_ready();
        for heads in &all {
            assert!(reads(heads));
            heads.heads_read();
            // No request was taken, because the client reads nothing.
            heads.end_poll();
        }
        assert_eq!(permits.available_permits(), MAX_CONNECTIONS);
        let mut waiting = Vec::new();
        for heads in &all[..MAX_CONNECTIONS] {
            assert!(heads.begin_poll(&cx).is_ready());
            waiting.push(PendingHead::new(heads));
            heads.end_poll();
        }
        assert!(all[MAX_CONNECTIONS..].iter().all(|heads| heads.begin_poll(&cx).is_pending()));
        assert!(!reads(&Arc::new(Heads::new(Arc::clone(&permits)))));
        waiting.pop();
        assert!(all[MAX_CONNECTIONS].begin_poll(&cx).is_ready());
        drop((waiting, all));
        assert_eq!(permits.available_permits(), MAX_CONNECTIONS);
    }
}
