//! How a connection ends.

use std::future::Future;
use std::pin::{Pin, pin};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use crate::connections::Peer;

/// How long a connection that is told to go may take when nothing is asked on it.
const LEAVE: Duration = Duration::from_secs(1);
/// When the port is closed, a connection without a request goes, so long after it came or its last request ended: a request
/// may be on its way to us, and the rest of an answer on its way from here.
const LAST_CALL: Duration = Duration::from_secs(5);

/// Drives a connection until it ends, is told to go, or the sender of `stopped` is gone and its requests are answered.
/// `graceful` asks it to end when its requests are answered. When the sender is gone, one that nevertheless goes on without a
/// request ends after a moment, whatever it has begun: half a head holds up nobody.
///
/// # Errors
/// Those of the connection.
pub async fn until_end<C, E>(
    connection: C,
    graceful: impl Fn(Pin<&mut C>),
    peer: &Peer,
    stopped: &mut watch::Receiver<()>,
) -> Result<(), E>
where
    C: Future<Output = Result<(), E>>,
{
    let mut connection = pin!(connection);
    tokio::select! {
        ended = connection.as_mut() => return ended,
        _ = stopped.changed() => {
            graceful(connection.as_mut());
            return last_requests(connection, peer).await;
        }
        () = peer.told_to_go() => {}
    }
    if !peer.is_between() {
        return Ok(());
    }
    graceful(connection.as_mut());
    loop {
        match tokio::time::timeout(LEAVE, connection.as_mut()).await {
            Ok(ended) => return ended,
            Err(_) if peer.is_waiting() => return Ok(()),
            // A request came at the very moment: it is answered yet.
            Err(_) => {}
        }
    }
}

/// Drives a connection that was asked to end until it does, is told to go, or has had no request for long enough.
async fn last_requests<C, E>(mut connection: Pin<&mut C>, peer: &Peer) -> Result<(), E>
where
    C: Future<Output = Result<(), E>>,
{
    let mut look = tokio::time::interval_at(Instant::now() + LEAVE, LEAVE);
    loop {
        tokio::select! {
            ended = connection.as_mut() => return ended,
            () = peer.told_to_go() => if !peer.is_between() { return Ok(()) },
            _ = look.tick() => if peer.has_waited(LAST_CALL) { return Ok(()) },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;
    use crate::connections::{ConnectionLimits, Connections, Entry, Eviction, NEVER, Times};

    fn peer(connections: &Connections) -> Arc<Peer> {
        match connections.enter(IpAddr::V4(Ipv4Addr::LOCALHOST)) {
            Entry::In(peer) => peer,
            other => panic!("{other:?}"),
        }
    }

    const NO_TIMES: Times = Times { head: NEVER, idle: NEVER, unread: NEVER };

    fn connections(connections: usize, times: Times) -> Connections {
        let eviction = Eviction::LongestWaiting;
        Connections::new(ConnectionLimits { connections, of_an_address: None, crowded: 0, eviction, times })
    }

    fn one_connection() -> Connections {
        connections(1, NO_TIMES)
    }

    /// Drives a connection that never ends by itself until it is over: whether it was asked to end first, and how long it took.
    async fn ends(peer: &Peer, stopped: &mut watch::Receiver<()>) -> (bool, Duration) {
        let asked = AtomicBool::new(false);
        let began = Instant::now();
        let never = std::future::pending::<Result<(), ()>>();
        let ending = until_end(never, |_| asked.store(true, Ordering::Relaxed), peer, stopped);
        assert_eq!(tokio::time::timeout(Duration::from_secs(3_600), ending).await, Ok(Ok(())));
        (asked.into_inner(), began.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_told_to_go_goes_at_once_but_between_two_requests_is_asked_first() {
        let (_stop, mut stopped) = watch::channel(());
        let connections = one_connection();
        let silent = peer(&connections);
        let kept = peer(&connections);
        assert_eq!(ends(&silent, &mut stopped).await, (false, Duration::ZERO));
        drop(kept.begins());
        peer(&connections);
        assert_eq!(ends(&kept, &mut stopped).await, (true, LEAVE));
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_came_at_that_moment_is_answered() {
        let (_stop, mut stopped) = watch::channel(());
        let connections = one_connection();
        let kept = peer(&connections);
        drop(kept.begins());
        peer(&connections);
        let request = kept.begins();
        let answered = async move {
            tokio::time::sleep(LEAVE * 5 / 2).await;
            drop(request);
        };
        let ((asked, took), ()) = tokio::join!(ends(&kept, &mut stopped), answered);
        assert_eq!((asked, took), (true, LEAVE * 3));
    }

    #[tokio::test]
    async fn when_the_port_is_closed_a_connection_is_asked_to_end_and_may_take_its_time() {
        let (stop, mut stopped) = watch::channel(());
        let connections = one_connection();
        let peer = peer(&connections);
        let (end, ended) = tokio::sync::oneshot::channel::<()>();
        let end = std::cell::Cell::new(Some(end));
        drop(stop);
        let graceful = |_: Pin<&mut _>| {
            let _ = end.take().map(|end| end.send(()));
        };
        assert_eq!(until_end(ended, graceful, &peer, &mut stopped).await, Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn when_the_port_is_closed_who_has_no_request_goes_soon_whatever_it_has_begun() {
        let (stop, mut stopped) = watch::channel(());
        drop(stop);
        let connections = connections(3, NO_TIMES);
        let half = peer(&connections);
        tokio::time::advance(Duration::from_secs(60)).await;
        half.hears();
        assert_eq!(ends(&half, &mut stopped).await, (true, LEAVE));
        let new = peer(&connections);
        assert_eq!(ends(&new, &mut stopped).await, (true, LAST_CALL));
        let answered = peer(&connections);
        let request = answered.begins();
        let answers = async move {
            tokio::time::sleep(Duration::from_secs(20)).await;
            drop(request);
        };
        let (ended, ()) = tokio::join!(ends(&answered, &mut stopped), answers);
        assert_eq!(ended, (true, Duration::from_secs(20) + LAST_CALL));
    }

    #[tokio::test(start_paused = true)]
    async fn when_the_port_is_closed_who_reads_no_answer_can_be_told_to_go() {
        let (stop, mut stopped) = watch::channel(());
        drop(stop);
        let connections = connections(1, Times { unread: Duration::from_secs(8), ..NO_TIMES });
        let peer = peer(&connections);
        let _request = peer.begins();
        peer.is_unread(true);
        let swept = async {
            tokio::time::sleep(Duration::from_secs(8)).await;
            connections.sweep();
        };
        let (ended, ()) = tokio::join!(ends(&peer, &mut stopped), swept);
        assert_eq!(ended, (true, Duration::from_secs(8)));
    }
}
