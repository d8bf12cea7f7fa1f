//! The state of one connection, which its task updates and the table of connections reads.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::task::AtomicWaker;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::limits::{ConnectionTimeouts, Eviction};

/// The state of a connection. Times are milliseconds since the table was created; 0 means not set.
#[derive(Debug)]
pub struct Peer {
    pub(crate) number: u64,
    created: Instant,
    pub(crate) address: IpAddr,
    /// It is above the limit: its requests must be refused.
    pub over_limit: bool,
    busy: AtomicUsize,
    /// When it connected, or when its last request ended.
    waiting_since: AtomicU64,
    head_since: AtomicU64,
    unread_since: AtomicU64,
    served: AtomicBool,
    close_request: Notify,
    closed_notify: Notify,
    /// Bytes of the current answer: queued for writing, and written.
    queued: AtomicUsize,
    written: AtomicUsize,
    write_waker: AtomicWaker,
}

impl Peer {
    /// A new connection that waits for its first head.
    pub(crate) fn new(number: u64, created: Instant, address: IpAddr, over_limit: bool) -> Self {
        Peer {
            number,
            created,
            address,
            over_limit,
            busy: AtomicUsize::new(0),
            waiting_since: AtomicU64::new(millis(created)),
            head_since: AtomicU64::new(0),
            unread_since: AtomicU64::new(0),
            served: AtomicBool::new(false),
            close_request: Notify::new(),
            closed_notify: Notify::new(),
            queued: AtomicUsize::new(0),
            written: AtomicUsize::new(0),
            write_waker: AtomicWaker::new(),
        }
    }

    pub(crate) fn is_busy(&self) -> bool {
        self.busy.load(Ordering::Acquire) > 0
    }

    /// Unfinished heads come first, then those that have waited longest.
    pub(crate) fn eviction_order(&self, eviction: Eviction) -> (bool, bool, u64) {
        match self.head_since.load(Ordering::Relaxed) {
            0 => {
                let evicted = eviction == Eviction::UnservedFirst && self.served.load(Ordering::Relaxed);
                (true, evicted, self.waiting_since.load(Ordering::Relaxed))
            }
            since => (false, false, since),
        }
    }

    /// Whether one of its timeouts has passed.
    pub(crate) fn is_overdue(&self, timeouts: &ConnectionTimeouts) -> bool {
        let now = millis(self.created);
        let over = |since: &AtomicU64, limit: Duration| {
            let since = since.load(Ordering::Relaxed);
            since > 0 && u128::from(now.saturating_sub(since)) >= limit.as_millis()
        };
        over(&self.head_since, timeouts.head)
            || over(&self.unread_since, timeouts.unread)
            || (!self.is_busy() && over(&self.waiting_since, timeouts.idle))
    }

    /// Asks the connection to close.
    pub(crate) fn request_close(&self) {
        self.close_request.notify_one();
    }

    /// Reports that the connection is closed.
    pub(crate) fn report_closed(&self) {
        self.closed_notify.notify_one();
    }

    /// Waits until the connection is asked to close.
    pub async fn close_requested(&self) {
        self.close_request.notified().await;
    }

    /// Waits until the connection is closed and its descriptor is free. Only one task may wait.
    pub async fn closed(&self) {
        self.closed_notify.notified().await;
    }

    /// Whether it is between two requests, so that it can be closed gracefully.
    #[must_use]
    pub fn is_between_requests(&self) -> bool {
        self.served.load(Ordering::Relaxed)
            && self.head_since.load(Ordering::Relaxed) == 0
            && self.unread_since.load(Ordering::Relaxed) == 0
    }

    #[must_use]
    pub fn is_waiting(&self) -> bool {
        !self.is_busy()
    }

    /// Records that bytes arrived, which may be part of a head. Bytes of a body arrive while the connection is busy.
    pub fn bytes_received(&self) {
        if self.head_since.load(Ordering::Relaxed) == 0 && !self.is_busy() {
            self.head_since.store(millis(self.created), Ordering::Relaxed);
        }
    }

    /// Records whether a head has arrived in part, as a parser of frames knows it.
    pub fn set_head_unfinished(&self, part: bool) {
        match (part, self.head_since.load(Ordering::Relaxed)) {
            (false, 0) => {}
            (false, _) => self.head_since.store(0, Ordering::Relaxed),
            (true, 0) => self.head_since.store(millis(self.created), Ordering::Relaxed),
            (true, _) => {}
        }
    }

    /// Records whether the client doesn't read what is written.
    pub fn set_unread(&self, unread: bool) {
        match (unread, self.unread_since.load(Ordering::Relaxed)) {
            (false, 0) => {}
            (false, _) => self.unread_since.store(0, Ordering::Relaxed),
            (true, 0) => self.unread_since.store(millis(self.created), Ordering::Relaxed),
            (true, _) => {}
        }
    }

    /// Records bytes of an answer that are queued for writing.
    pub fn add_queued(&self, bytes: usize) {
        self.queued.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Records bytes that were written, of any kind.
    pub fn add_written(&self, bytes: usize) {
        self.written.fetch_add(bytes, Ordering::Relaxed);
        self.write_waker.wake();
    }

    /// Ready when fewer than `most` queued bytes are not written yet.
    pub fn poll_written(&self, most: usize, cx: &Context<'_>) -> Poll<()> {
        let wait = || self.queued.load(Ordering::Relaxed).saturating_sub(self.written.load(Ordering::Relaxed));
        if wait() < most {
            return Poll::Ready(());
        }
        self.write_waker.register(cx.waker());
        // Some may have been written meanwhile.
        if wait() < most { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Records a new request. It is active until the returned value is dropped.
    pub fn begin_request(self: &Arc<Self>) -> ActiveRequest {
        self.busy.fetch_add(1, Ordering::AcqRel);
        self.served.store(true, Ordering::Relaxed);
        self.head_since.store(0, Ordering::Relaxed);
        self.queued.store(0, Ordering::Relaxed);
        self.written.store(0, Ordering::Relaxed);
        ActiveRequest(Arc::clone(self))
    }
}

/// A request that is being answered.
#[derive(Debug)]
pub struct ActiveRequest(Arc<Peer>);

impl ActiveRequest {
    #[must_use]
    pub fn peer(&self) -> &Peer {
        &self.0
    }
}

impl Drop for ActiveRequest {
    fn drop(&mut self) {
        self.0.waiting_since.store(millis(self.0.created), Ordering::Relaxed);
        self.0.busy.fetch_sub(1, Ordering::AcqRel);
    }
}

fn millis(created: Instant) -> u64 {
    u64::try_from(created.elapsed().as_millis()).unwrap_or(u64::MAX).saturating_add(1)
}
