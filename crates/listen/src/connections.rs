//! The connections of a port: how many there may be, what each waits for, and which one has to go.
//!
//! A connection is *busy* while a request of its is answered. Else it waits: for the rest of a head that has begun, or for
//! its next request. One that waits too long is closed; where there is no room, the one that has waited longest is closed
//! for the new one, and heads that have begun and don't end go first.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::task::AtomicWaker;
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::Notify;
use tokio::time::Instant;

/// No limit, or one that others keep.
pub const NEVER: Duration = Duration::MAX;

/// How long the connections of a port may wait. Each is told to go within a second of it.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// From the first byte of a head (or of a frame of HTTP/2) to its last.
    pub head: Duration,
    /// Without a request.
    pub idle: Duration,
    /// With an answer that the other side doesn't read.
    pub unread: Duration,
}

/// How many connections a port may have, and for how long.
#[derive(Clone, Copy, Debug)]
pub struct ConnectionLimits {
    /// At a time.
    pub connections: usize,
    /// Of one address, at a time.
    pub of_an_address: Option<usize>,
    /// Beyond the bound: they come in so that they can be told that there is no room. More of them are closed unheard.
    pub crowded: usize,
    pub eviction: Eviction,
    pub times: Times,
}

/// Which connection is closed for a new one. Heads that have begun and don't end always go first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Eviction {
    /// The one that has waited longest. One that is busy is never closed.
    LongestWaiting,
    /// The same, but those that never had a request go before those that had one.
    UnservedFirst,
    /// The one that has waited longest, or else the oldest: where answers take no time.
    EvenBusy,
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
pub struct Connections {
    born: Instant,
    limits: ConnectionLimits,
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
    address: IpAddr,
    /// There is no room for it: its requests are refused.
    pub crowded: bool,
    busy: AtomicUsize,
    /// When it came, or when its last request ended.
    waits_since: AtomicU64,
    head_since: AtomicU64,
    unread_since: AtomicU64,
    served: AtomicBool,
    leave: Notify,
    gone: Notify,
    /// Bytes of the answer under way that were given to be written, and that were.
    given: AtomicUsize,
    written: AtomicUsize,
    writes: AtomicWaker,
}

impl Connections {
    #[must_use]
    pub fn new(limits: ConnectionLimits) -> Self {
        Connections { born: Instant::now(), limits, all: Mutex::default() }
    }

    /// A connection has come from this address. Whatever has to go for it is told to.
    pub fn enter(&self, address: IpAddr) -> Entry {
        let mut all = self.lock();
        let from_there = |peer: &Peer| peer.address == address;
        let is_full = |most| all.by_number.values().filter(|peer| !peer.crowded && from_there(peer)).count() >= most;
        let crowded = if self.limits.of_an_address.is_some_and(is_full) {
            self.make_room(&mut all, from_there).is_none()
        } else {
            let room = all.by_number.len() - all.crowded < self.limits.connections;
            !room && self.make_room(&mut all, |_| true).is_none()
        };
        if crowded && all.crowded >= self.limits.crowded {
            return Entry::Out;
        }
        all.next += 1;
        let number = all.next;
        let peer = Arc::new(Peer {
            number,
            born: self.born,
            address,
            crowded,
            busy: AtomicUsize::new(0),
            waits_since: AtomicU64::new(millis(self.born)),
            head_since: AtomicU64::new(0),
            unread_since: AtomicU64::new(0),
            served: AtomicBool::new(false),
            leave: Notify::new(),
            gone: Notify::new(),
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
        peer.gone.notify_one();
    }

    /// Closes the one that can best be done without, for a new one here or elsewhere. It is told to go, and takes its time
    /// for that: it has [gone](Peer::has_gone) later.
    pub fn spare(&self) -> Option<Arc<Peer>> {
        self.make_room(&mut self.lock(), |_| true)
    }

    /// Closes one of these for a new one.
    fn make_room(&self, all: &mut Numbered, of: impl Fn(&Peer) -> bool) -> Option<Arc<Peer>> {
        let eviction = self.limits.eviction;
        let known = || all.by_number.values().filter(|peer| !peer.crowded && of(peer));
        // Of equals the older one.
        let longest = known().filter(|peer| !peer.is_busy()).min_by_key(|peer| peer.patience(eviction));
        let oldest = || known().next().filter(|_| eviction == Eviction::EvenBusy);
        let peer = longest.or_else(oldest).cloned()?;
        remove(all, peer.number);
        peer.leave.notify_one();
        Some(peer)
    }

    /// Tells those to go that have waited for too long.
    pub fn sweep(&self) {
        let now = millis(self.born);
        let over =
            |since: u64, limit: Duration| since > 0 && u128::from(now.saturating_sub(since)) >= limit.as_millis();
        for peer in self.lock().by_number.values() {
            let slow = over(peer.head_since.load(Ordering::Relaxed), self.limits.times.head)
                || over(peer.unread_since.load(Ordering::Relaxed), self.limits.times.unread)
                || (!peer.is_busy() && over(peer.waits_since.load(Ordering::Relaxed), self.limits.times.idle));
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
    fn patience(&self, eviction: Eviction) -> (bool, bool, u64) {
        match self.head_since.load(Ordering::Relaxed) {
            0 => {
                let spared = eviction == Eviction::UnservedFirst && self.served.load(Ordering::Relaxed);
                (true, spared, self.waits_since.load(Ordering::Relaxed))
            }
            since => (false, false, since),
        }
    }

    /// Waits until it is told to go.
    pub async fn told_to_go(&self) {
        self.leave.notified().await;
    }

    /// Waits until it has ended, and its descriptor is free. For one who waits.
    pub async fn has_gone(&self) {
        self.gone.notified().await;
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
    use std::net::Ipv4Addr;
    use std::pin::pin;
    use std::task::{Context, Waker};

    use super::*;

    const TIMES: Times =
        Times { head: Duration::from_secs(10), idle: Duration::from_secs(360), unread: Duration::from_secs(120) };

    /// The address of one who connects; which one makes no difference but where that is said.
    const SOMEBODY: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    fn port(connections: usize, eviction: Eviction) -> Connections {
        Connections::new(ConnectionLimits { connections, of_an_address: None, crowded: 16, eviction, times: TIMES })
    }

    fn enters(peers: &Connections) -> Arc<Peer> {
        match peers.enter(SOMEBODY) {
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
        let peers = port(4, Eviction::LongestWaiting);
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
        let peers = port(2, Eviction::LongestWaiting);
        let busy = [enters(&peers), enters(&peers)];
        let requests = busy.each_ref().map(Peer::begins);
        let crowded: Vec<_> = (0..16).map(|_| peers.enter(SOMEBODY)).collect();
        assert!(crowded.iter().all(|entry| matches!(entry, Entry::Crowded(_))));
        assert!(matches!(peers.enter(SOMEBODY), Entry::Out));
        if let Entry::Crowded(peer) = &crowded[0] {
            peers.left(peer);
        }
        assert!(matches!(peers.enter(SOMEBODY), Entry::Crowded(_)));
        drop(requests);
        enters(&peers);
        assert!(must_go(&busy[0]) && !must_go(&busy[1]));
    }

    #[tokio::test(start_paused = true)]
    async fn an_operators_port_always_lets_the_newest_in() {
        let peers = port(2, Eviction::EvenBusy);
        let (old, new) = (enters(&peers), enters(&peers));
        let _requests = (old.begins(), new.begins());
        enters(&peers);
        assert!(must_go(&old) && !must_go(&new));
    }

    #[tokio::test(start_paused = true)]
    async fn who_asks_for_nothing_goes_first_and_who_is_answered_never() {
        let peers = Connections::new(ConnectionLimits { crowded: 0, ..port(3, Eviction::UnservedFirst).limits });
        let kept = enters(&peers);
        drop(kept.begins());
        pass(1).await;
        let busy = enters(&peers);
        let request = busy.begins();
        let silent = enters(&peers);
        pass(1).await;
        let last = enters(&peers);
        assert!(must_go(&silent));
        drop(last.begins());
        pass(1).await;
        let other = enters(&peers);
        assert!(must_go(&kept), "the older one of two that were served");
        let _requests = (last.begins(), other.begins());
        assert!(matches!(peers.enter(SOMEBODY), Entry::Out), "all are busy");
        assert!(!must_go(&busy));
        drop(request);
        enters(&peers);
        assert!(must_go(&busy));
    }

    #[test]
    fn an_address_has_its_share_and_makes_room_of_its_own() {
        let limits = port(3, Eviction::EvenBusy).limits;
        let peers = Connections::new(ConnectionLimits { of_an_address: Some(2), ..limits });
        let from = |last: u8| match peers.enter(IpAddr::from([10, 0, 0, last])) {
            Entry::In(peer) => peer,
            other => panic!("{other:?}"),
        };
        let (other, first, second) = (from(1), from(2), from(2));
        let third = from(2);
        assert!(must_go(&first) && !must_go(&other));
        from(3);
        assert!(must_go(&other), "the oldest, where all together are too many");
        assert!(!must_go(&second) && !must_go(&third));
    }

    #[test]
    fn an_answer_waits_until_what_was_given_is_written() {
        let peers = port(8, Eviction::LongestWaiting);
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
        let peers = port(8, Eviction::LongestWaiting);
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
        let peers = port(8, Eviction::LongestWaiting);
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
