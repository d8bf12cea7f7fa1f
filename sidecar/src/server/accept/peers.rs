//! The connections of a port: how many there may be, what each waits for, and which one has to go.
//!
//! A connection is *busy* while a request of its is answered. Else it waits: for the rest of a head that has begun, or for
//! its next request. One that waits too long is closed; where there is no room, the one that has waited longest is closed
//! for the new one, and heads that have begun and don't end go first.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::task::AtomicWaker;
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::Notify;
use tokio::time::Instant;

/// Connections beyond the bound that are told that there is no room. More of them are closed unheard.
const TOLD: usize = 16;

/// What connections of a port may take.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// From the first byte of a head (or of a frame of HTTP/2) to its last.
    pub head: Duration,
    /// Without a request.
    pub idle: Duration,
    /// With an answer that the other side doesn't read.
    pub unread: Duration,
}

/// What a new connection gets.
#[derive(Debug)]
pub enum Entry {
    /// It is served.
    In(Arc<Peer>),
    /// All others are busy: its request is refused, with the reason.
    Crowded(Arc<Peer>),
    /// Not even that.
    Out,
}

/// The open connections of a port, of all addresses that it listens at.
#[derive(Debug)]
pub struct Peers {
    born: Instant,
    most: usize,
    times: Times,
    /// Whether a busy one may be closed for a new one: where answers take no time.
    presses: bool,
    all: Mutex<Numbered>,
}

#[derive(Debug, Default)]
struct Numbered {
    next: u64,
    /// In the order in which they came.
    by_number: BTreeMap<u64, Arc<Peer>>,
    crowded: usize,
}

/// What is known of a connection. Times are milliseconds on the table's clock; 0: not now.
#[derive(Debug)]
pub struct Peer {
    number: u64,
    born: Instant,
    pub crowded: bool,
    busy: AtomicUsize,
    /// When it came, or when its last request ended.
    waits_since: AtomicU64,
    head_since: AtomicU64,
    unread_since: AtomicU64,
    served: AtomicBool,
    leave: Notify,
    /// Bytes of the answer under way that were given to be written, and that were.
    given: AtomicUsize,
    written: AtomicUsize,
    writes: AtomicWaker,
}

impl Peers {
    #[must_use]
    pub fn new(most: usize, times: Times, presses: bool) -> Self {
        Peers { born: Instant::now(), most, times, presses, all: Mutex::default() }
    }

    /// A connection has come. Whatever has to go for it is told to.
    pub fn enter(&self) -> Entry {
        let mut all = self.lock();
        let room = all.by_number.len() - all.crowded < self.most;
        let crowded = !room && !self.make_room(&mut all);
        if crowded && all.crowded >= TOLD {
            return Entry::Out;
        }
        all.next += 1;
        let number = all.next;
        let peer = Arc::new(Peer {
            number,
            born: self.born,
            crowded,
            busy: AtomicUsize::new(0),
            waits_since: AtomicU64::new(millis(self.born)),
            head_since: AtomicU64::new(0),
            unread_since: AtomicU64::new(0),
            served: AtomicBool::new(false),
            leave: Notify::new(),
            given: AtomicUsize::new(0),
            written: AtomicUsize::new(0),
            writes: AtomicWaker::new(),
        });
        all.by_number.insert(number, Arc::clone(&peer));
        all.crowded += usize::from(crowded);
        if crowded { Entry::Crowded(peer) } else { Entry::In(peer) }
    }

    /// A connection has ended.
    pub fn left(&self, peer: &Peer) {
        remove(&mut self.lock(), peer.number);
    }

    /// Closes the one that can best be done without, for a new one here or elsewhere. Says whether there was one.
    pub fn spare(&self) -> bool {
        self.make_room(&mut self.lock())
    }

    fn make_room(&self, all: &mut Numbered) -> bool {
        let waiting = all.by_number.values().filter(|peer| !peer.crowded && !peer.is_busy());
        // Of equals the older one.
        let longest = waiting.min_by_key(|peer| peer.patience());
        let oldest = || all.by_number.values().find(|peer| !peer.crowded).filter(|_| self.presses);
        let Some(peer) = longest.or_else(oldest).cloned() else { return false };
        remove(all, peer.number);
        peer.leave.notify_one();
        true
    }

    /// Tells those to go that have waited for too long.
    pub fn sweep(&self) {
        let now = millis(self.born);
        let over =
            |since: u64, limit: Duration| since > 0 && u128::from(now.saturating_sub(since)) >= limit.as_millis();
        for peer in self.lock().by_number.values() {
            let slow = over(peer.head_since.load(Ordering::Relaxed), self.times.head)
                || over(peer.unread_since.load(Ordering::Relaxed), self.times.unread)
                || (!peer.is_busy() && over(peer.waits_since.load(Ordering::Relaxed), self.times.idle));
            if slow {
                peer.leave.notify_one();
            }
        }
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lock().by_number.is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, Numbered> {
        self.all.lock()
    }
}

fn remove(all: &mut Numbered, number: u64) {
    if let Some(peer) = all.by_number.remove(&number) {
        all.crowded -= usize::from(peer.crowded);
    }
}

impl Peer {
    fn is_busy(&self) -> bool {
        self.busy.load(Ordering::Acquire) > 0
    }

    /// Heads that have begun come first, then those who have waited longest.
    fn patience(&self) -> (bool, u64) {
        match self.head_since.load(Ordering::Relaxed) {
            0 => (true, self.waits_since.load(Ordering::Relaxed)),
            since => (false, since),
        }
    }

    /// Waits until it is told to go.
    pub async fn told_to_go(&self) {
        self.leave.notified().await;
    }

    /// Whether it can end in peace: it is between two requests.
    #[must_use]
    pub fn is_between(&self) -> bool {
        self.served.load(Ordering::Relaxed)
            && self.head_since.load(Ordering::Relaxed) == 0
            && self.unread_since.load(Ordering::Relaxed) == 0
    }

    #[must_use]
    pub fn is_waiting(&self) -> bool {
        !self.is_busy()
    }

    /// Bytes came that may be of a head: those of a body come while it is busy.
    pub fn hears(&self) {
        if self.head_since.load(Ordering::Relaxed) == 0 && !self.is_busy() {
            self.head_since.store(millis(self.born), Ordering::Relaxed);
        }
    }

    /// Whether something of a head has come and not all of it, as a reader of frames knows it.
    pub fn hears_part(&self, part: bool) {
        match (part, self.head_since.load(Ordering::Relaxed)) {
            (false, 0) => {}
            (false, _) => self.head_since.store(0, Ordering::Relaxed),
            (true, 0) => self.head_since.store(millis(self.born), Ordering::Relaxed),
            (true, _) => {}
        }
    }

    /// Whether what is written is not read.
    pub fn is_unread(&self, unread: bool) {
        match (unread, self.unread_since.load(Ordering::Relaxed)) {
            (false, 0) => {}
            (false, _) => self.unread_since.store(0, Ordering::Relaxed),
            (true, 0) => self.unread_since.store(millis(self.born), Ordering::Relaxed),
            (true, _) => {}
        }
    }

    /// Bytes of an answer are given to be written.
    pub fn gives(&self, bytes: usize) {
        self.given.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Bytes were written, whatever they are of.
    pub fn wrote(&self, bytes: usize) {
        self.written.fetch_add(bytes, Ordering::Relaxed);
        self.writes.wake();
    }

    /// Ready when fewer than so many bytes wait to be written.
    pub fn poll_has_read(&self, most: usize, cx: &Context<'_>) -> Poll<()> {
        let wait = || self.given.load(Ordering::Relaxed).saturating_sub(self.written.load(Ordering::Relaxed));
        if wait() < most {
            return Poll::Ready(());
        }
        self.writes.register(cx.waker());
        // Some may have been written meanwhile.
        if wait() < most { Poll::Ready(()) } else { Poll::Pending }
    }

    /// A request has come; it is under way until what is returned is dropped.
    pub fn begins(self: &Arc<Self>) -> Underway {
        self.busy.fetch_add(1, Ordering::AcqRel);
        self.served.store(true, Ordering::Relaxed);
        self.head_since.store(0, Ordering::Relaxed);
        self.given.store(0, Ordering::Relaxed);
        self.written.store(0, Ordering::Relaxed);
        Underway(Arc::clone(self))
    }
}

/// A request under way.
#[derive(Debug)]
pub struct Underway(Arc<Peer>);

impl Underway {
    #[must_use]
    pub fn peer(&self) -> &Peer {
        &self.0
    }
}

impl Drop for Underway {
    fn drop(&mut self) {
        self.0.waits_since.store(millis(self.0.born), Ordering::Relaxed);
        self.0.busy.fetch_sub(1, Ordering::AcqRel);
    }
}

fn millis(born: Instant) -> u64 {
    u64::try_from(born.elapsed().as_millis()).unwrap_or(u64::MAX).saturating_add(1)
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Waker};

    use super::*;

    const TIMES: Times =
        Times { head: Duration::from_secs(10), idle: Duration::from_secs(360), unread: Duration::from_secs(120) };

    fn enters(peers: &Peers) -> Arc<Peer> {
        match peers.enter() {
            Entry::In(peer) => peer,
            other => panic!("{other:?}"),
        }
    }

    fn must_go(peer: &Peer) -> bool {
        pin!(peer.told_to_go()).poll(&mut Context::from_waker(Waker::noop())).is_ready()
    }

    async fn pass(seconds: u64) {
        tokio::time::advance(Duration::from_secs(seconds)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_longest_goes_for_a_new_one_and_unfinished_heads_first() {
        let peers = Peers::new(4, TIMES, false);
        let busy = enters(&peers);
        let _request = busy.begins();
        pass(1).await;
        let idle = enters(&peers);
        pass(1).await;
        let (slow, slower) = (enters(&peers), enters(&peers));
        slower.hears();
        pass(1).await;
        slow.hears();
        for gone in [&slower, &slow, &idle] {
            enters(&peers);
            assert!(must_go(gone), "{gone:?}");
            pass(1).await;
        }
        assert!(!must_go(&busy));
    }

    #[tokio::test(start_paused = true)]
    async fn where_all_are_busy_a_few_are_told_so_and_the_rest_are_shut_out() {
        let peers = Peers::new(2, TIMES, false);
        let busy = [enters(&peers), enters(&peers)];
        let requests = busy.each_ref().map(Peer::begins);
        let crowded: Vec<_> = (0..TOLD).map(|_| peers.enter()).collect();
        assert!(crowded.iter().all(|entry| matches!(entry, Entry::Crowded(_))));
        assert!(matches!(peers.enter(), Entry::Out));
        if let Entry::Crowded(peer) = &crowded[0] {
            peers.left(peer);
        }
        assert!(matches!(peers.enter(), Entry::Crowded(_)));
        drop(requests);
        enters(&peers);
        assert!(must_go(&busy[0]) && !must_go(&busy[1]));
    }

    #[tokio::test(start_paused = true)]
    async fn an_operators_port_always_lets_the_newest_in() {
        let peers = Peers::new(2, TIMES, true);
        let (old, new) = (enters(&peers), enters(&peers));
        let _requests = (old.begins(), new.begins());
        enters(&peers);
        assert!(must_go(&old) && !must_go(&new));
    }

    #[test]
    fn an_answer_waits_until_what_was_given_is_written() {
        let peers = Peers::new(8, TIMES, false);
        let peer = enters(&peers);
        let _request = peer.begins();
        let cx = Context::from_waker(Waker::noop());
        let may_go_on = || peer.poll_has_read(10, &cx).is_ready();
        assert!(may_go_on());
        peer.gives(9);
        assert!(may_go_on());
        peer.gives(9);
        assert!(!may_go_on());
        peer.wrote(8);
        assert!(!may_go_on());
        peer.wrote(1);
        assert!(may_go_on());
        // Heads are written, too.
        peer.wrote(100);
        peer.gives(9);
        assert!(may_go_on());
        // What the answer before left counts for nothing.
        peer.gives(1_000);
        let _next = peer.begins();
        assert!(may_go_on());
    }

    #[tokio::test(start_paused = true)]
    async fn each_wait_has_its_limit() {
        let peers = Peers::new(8, TIMES, false);
        let (fresh, slow, unread, busy) = (enters(&peers), enters(&peers), enters(&peers), enters(&peers));
        slow.hears();
        let _requests = (busy.begins(), unread.begins());
        unread.is_unread(true);
        // A body's bytes are of no head.
        busy.hears();
        for (seconds, gone) in [(9, 0), (1, 1), (109, 1), (1, 2), (239, 2), (1, 3), (1_000, 3)] {
            pass(seconds).await;
            peers.sweep();
            let told = [&slow, &unread, &fresh, &busy].map(|peer| {
                let told = must_go(peer);
                if told {
                    peer.leave.notify_one();
                }
                told
            });
            assert_eq!(told.iter().filter(|told| **told).count(), gone, "{told:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_kept_connection_may_wait_anew_after_each_request() {
        let peers = Peers::new(8, TIMES, false);
        let kept = enters(&peers);
        for _ in 0..5 {
            pass(300).await;
            peers.sweep();
            assert!(!must_go(&kept));
            kept.hears();
            drop(kept.begins());
            assert!(kept.is_between());
        }
    }
}
