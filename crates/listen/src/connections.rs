//! The connections of a port: how many are allowed, their timeouts, and which one to close for a new one.
//!
//! A connection is *busy* while one of its requests is being answered. Otherwise it waits: for the rest of a head, or
//! for its next request. A connection that waits too long is closed. If there is no room for a new connection, the one
//! that has waited longest is closed; connections with an unfinished head are closed first.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};
use tokio::time::Instant;

use crate::limits::{ConnectionLimits, Eviction};
use crate::peer::Peer;

/// What happens to a new connection.
#[derive(Debug)]
pub enum AdmitResult {
    /// It is served.
    Accepted(Arc<Peer>),
    /// All others are busy: its requests must be refused with the reason.
    OverLimit(Arc<Peer>),
    /// It is closed at once.
    Rejected,
}

/// The open connections of a port, on all its addresses.
#[derive(Debug)]
pub struct Connections {
    created: Instant,
    limits: ConnectionLimits,
    all: Mutex<PeerTable>,
}

#[derive(Debug, Default)]
struct PeerTable {
    next: u64,
    /// In the order in which they connected.
    by_number: BTreeMap<u64, Arc<Peer>>,
    over_limit: usize,
}

impl Connections {
    #[must_use]
    pub fn new(limits: ConnectionLimits) -> Self {
        Connections { created: Instant::now(), limits, all: Mutex::default() }
    }

    /// Decides on a new connection from this address. May ask another connection to close.
    pub fn admit(&self, address: IpAddr) -> AdmitResult {
        let mut all = self.lock();
        let from_there = |peer: &Peer| peer.address == address;
        let is_full = |most| all.by_number.values().filter(|peer| !peer.over_limit && from_there(peer)).count() >= most;
        let over_limit = if self.limits.per_address.is_some_and(is_full) {
            self.make_room(&mut all, from_there).is_none()
        } else {
            let room = all.by_number.len() - all.over_limit < self.limits.connections;
            !room && self.make_room(&mut all, |_| true).is_none()
        };
        if over_limit && all.over_limit >= self.limits.over_limit {
            return AdmitResult::Rejected;
        }
        all.next += 1;
        let number = all.next;
        let peer = Arc::new(Peer::new(number, self.created, address, over_limit));
        all.by_number.insert(number, Arc::clone(&peer));
        all.over_limit += usize::from(over_limit);
        if over_limit { AdmitResult::OverLimit(peer) } else { AdmitResult::Accepted(peer) }
    }

    /// Removes a connection that has ended.
    pub fn remove(&self, peer: &Peer) {
        remove(&mut self.lock(), peer.number);
        peer.report_closed();
    }

    /// Asks the connection that is needed least to close, and returns it, for a new connection here or elsewhere.
    /// [`Peer::closed`] waits until it is closed.
    pub fn evict(&self) -> Option<Arc<Peer>> {
        self.make_room(&mut self.lock(), |_| true)
    }

    /// Asks one of these connections to close.
    fn make_room(&self, all: &mut PeerTable, of: impl Fn(&Peer) -> bool) -> Option<Arc<Peer>> {
        let eviction = self.limits.eviction;
        let candidates = || all.by_number.values().filter(|peer| !peer.over_limit && of(peer));
        // If equal, the older one.
        let longest = candidates().filter(|peer| !peer.is_busy()).min_by_key(|peer| peer.eviction_order(eviction));
        let oldest = || candidates().next().filter(|_| eviction == Eviction::IncludingBusy);
        let peer = longest.or_else(oldest).cloned()?;
        remove(all, peer.number);
        peer.request_close();
        Some(peer)
    }

    /// Asks connections to close whose timeouts have passed.
    pub fn sweep(&self) {
        for peer in self.lock().by_number.values() {
            if peer.is_overdue(&self.limits.timeouts) {
                peer.request_close();
            }
        }
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lock().by_number.is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, PeerTable> {
        self.all.lock()
    }
}

fn remove(all: &mut PeerTable, number: u64) {
    if let Some(peer) = all.by_number.remove(&number) {
        all.over_limit -= usize::from(peer.over_limit);
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::net::Ipv4Addr;
    use std::pin::pin;
    use std::task::{Context, Waker};
    use std::time::Duration;

    use super::*;
    use crate::limits::ConnectionTimeouts;

    const TIMEOUTS: ConnectionTimeouts = ConnectionTimeouts {
        head: Duration::from_secs(10),
        idle: Duration::from_secs(360),
        unread: Duration::from_secs(120),
    };

    /// The address of a client, in tests where it does not matter.
    const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    fn port(connections: usize, eviction: Eviction) -> Connections {
        Connections::new(ConnectionLimits {
            connections,
            per_address: None,
            over_limit: 16,
            eviction,
            timeouts: TIMEOUTS,
        })
    }

    fn accepted_peer(peers: &Connections) -> Arc<Peer> {
        match peers.admit(CLIENT) {
            AdmitResult::Accepted(peer) => peer,
            other => panic!("{other:?}"),
        }
    }

    fn is_close_requested(peer: &Peer) -> bool {
        pin!(peer.close_requested()).poll(&mut Context::from_waker(Waker::noop())).is_ready()
    }

    async fn advance(seconds: u64) {
        tokio::time::advance(Duration::from_secs(seconds)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn evicts_unfinished_heads_first_and_then_the_longest_waiting() {
        let peers = port(4, Eviction::LongestWaiting);
        let busy = accepted_peer(&peers);
        let _request = busy.begin_request();
        advance(1).await;
        let idle = accepted_peer(&peers);
        advance(1).await;
        let (slow, slower) = (accepted_peer(&peers), accepted_peer(&peers));
        slower.bytes_received();
        advance(1).await;
        slow.bytes_received();
        for evicted in [&slower, &slow, &idle] {
            accepted_peer(&peers);
            assert!(is_close_requested(evicted), "{evicted:?}");
            advance(1).await;
        }
        assert!(!is_close_requested(&busy));
    }

    #[tokio::test(start_paused = true)]
    async fn when_all_are_busy_a_few_are_over_the_limit_and_the_rest_are_rejected() {
        let peers = port(2, Eviction::LongestWaiting);
        let busy = [accepted_peer(&peers), accepted_peer(&peers)];
        let requests = busy.each_ref().map(Peer::begin_request);
        let over_limit: Vec<_> = (0..16).map(|_| peers.admit(CLIENT)).collect();
        assert!(over_limit.iter().all(|entry| matches!(entry, AdmitResult::OverLimit(_))));
        assert!(matches!(peers.admit(CLIENT), AdmitResult::Rejected));
        if let AdmitResult::OverLimit(peer) = &over_limit[0] {
            peers.remove(peer);
        }
        assert!(matches!(peers.admit(CLIENT), AdmitResult::OverLimit(_)));
        drop(requests);
        accepted_peer(&peers);
        assert!(is_close_requested(&busy[0]) && !is_close_requested(&busy[1]));
    }

    #[tokio::test(start_paused = true)]
    async fn including_busy_always_accepts_the_newest() {
        let peers = port(2, Eviction::IncludingBusy);
        let (old, new) = (accepted_peer(&peers), accepted_peer(&peers));
        let _requests = (old.begin_request(), new.begin_request());
        accepted_peer(&peers);
        assert!(is_close_requested(&old) && !is_close_requested(&new));
    }

    #[tokio::test(start_paused = true)]
    async fn unserved_first_evicts_unserved_connections_and_never_busy_ones() {
        let peers = Connections::new(ConnectionLimits { over_limit: 0, ..port(3, Eviction::UnservedFirst).limits });
        let served = accepted_peer(&peers);
        drop(served.begin_request());
        advance(1).await;
        let busy = accepted_peer(&peers);
        let request = busy.begin_request();
        let unserved = accepted_peer(&peers);
        advance(1).await;
        let last = accepted_peer(&peers);
        assert!(is_close_requested(&unserved));
        drop(last.begin_request());
        advance(1).await;
        let other = accepted_peer(&peers);
        assert!(is_close_requested(&served), "the older one of two that were served");
        let _requests = (last.begin_request(), other.begin_request());
        assert!(matches!(peers.admit(CLIENT), AdmitResult::Rejected), "all are busy");
        assert!(!is_close_requested(&busy));
        drop(request);
        accepted_peer(&peers);
        assert!(is_close_requested(&busy));
    }

    #[test]
    fn an_address_at_its_limit_evicts_its_own_connections() {
        let limits = port(3, Eviction::IncludingBusy).limits;
        let peers = Connections::new(ConnectionLimits { per_address: Some(2), ..limits });
        let from = |last: u8| match peers.admit(IpAddr::from([10, 0, 0, last])) {
            AdmitResult::Accepted(peer) => peer,
            other => panic!("{other:?}"),
        };
        let (other, first, second) = (from(1), from(2), from(2));
        let third = from(2);
        assert!(is_close_requested(&first) && !is_close_requested(&other));
        from(3);
        assert!(is_close_requested(&other), "the oldest, where all together are too many");
        assert!(!is_close_requested(&second) && !is_close_requested(&third));
    }

    #[test]
    fn poll_written_waits_until_queued_bytes_are_written() {
        let peers = port(8, Eviction::LongestWaiting);
        let peer = accepted_peer(&peers);
        let _request = peer.begin_request();
        let cx = Context::from_waker(Waker::noop());
        let is_ready = || peer.poll_written(10, &cx).is_ready();
        assert!(is_ready());
        peer.add_queued(9);
        assert!(is_ready());
        peer.add_queued(9);
        assert!(!is_ready());
        peer.add_written(8);
        assert!(!is_ready());
        peer.add_written(1);
        assert!(is_ready());
        // Heads count as written, too.
        peer.add_written(100);
        peer.add_queued(9);
        assert!(is_ready());
        // Bytes of the previous answer don't count.
        peer.add_queued(1_000);
        let _next = peer.begin_request();
        assert!(is_ready());
    }

    #[tokio::test(start_paused = true)]
    async fn each_timeout_closes_its_connection() {
        let peers = port(8, Eviction::LongestWaiting);
        let (fresh, slow, unread, busy) =
            (accepted_peer(&peers), accepted_peer(&peers), accepted_peer(&peers), accepted_peer(&peers));
        slow.bytes_received();
        let _requests = (busy.begin_request(), unread.begin_request());
        unread.set_unread(true);
        // Bytes of a body are not part of a head.
        busy.bytes_received();
        for (seconds, expected) in [(9, 0), (1, 1), (109, 1), (1, 2), (239, 2), (1, 3), (1_000, 3)] {
            advance(seconds).await;
            peers.sweep();
            let closing = [&slow, &unread, &fresh, &busy].map(|peer| {
                let closing = is_close_requested(peer);
                if closing {
                    peer.request_close();
                }
                closing
            });
            assert_eq!(closing.iter().filter(|closing| **closing).count(), expected, "{closing:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_idle_timeout_starts_again_after_each_request() {
        let peers = port(8, Eviction::LongestWaiting);
        let served = accepted_peer(&peers);
        for _ in 0..5 {
            advance(300).await;
            peers.sweep();
            assert!(!is_close_requested(&served));
            served.bytes_received();
            drop(served.begin_request());
            assert!(served.is_between_requests());
        }
    }
}
