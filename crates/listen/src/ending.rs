//! How a connection ends.

use std::future::Future;
use std::pin::{Pin, pin};
use std::time::Duration;

use tokio::sync::watch;

use crate::peer::Peer;

/// How long a connection may take to close gracefully if it has no request.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// Drives a connection until it ends, is asked to close, or the sender of `stopped` is dropped and its requests are
/// answered. `graceful` makes the connection end after its requests.
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
            return connection.await;
        }
        () = peer.close_requested() => {}
    }
    if !peer.is_between_requests() {
        return Ok(());
    }
    graceful(connection.as_mut());
    loop {
        match tokio::time::timeout(CLOSE_TIMEOUT, connection.as_mut()).await {
            Ok(ended) => return ended,
            Err(_) if peer.is_waiting() => return Ok(()),
            // A request arrived at this moment: it is still answered.
            Err(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use tokio::time::Instant;

    use super::*;
    use crate::connections::{AdmitResult, Connections};
    use crate::limits::{ConnectionLimits, ConnectionTimeouts, Eviction, NEVER};

    fn peer(connections: &Connections) -> Arc<Peer> {
        match connections.admit(IpAddr::V4(Ipv4Addr::LOCALHOST)) {
            AdmitResult::Accepted(peer) => peer,
            other => panic!("{other:?}"),
        }
    }

    fn one_connection() -> Connections {
        let timeouts = ConnectionTimeouts { head: NEVER, idle: NEVER, unread: NEVER };
        let eviction = Eviction::LongestWaiting;
        Connections::new(ConnectionLimits { connections: 1, per_address: None, over_limit: 0, eviction, timeouts })
    }

    /// Drives a connection that never ends by itself until it is closed: whether `graceful` was called, and how long it
    /// took.
    async fn ends(peer: &Peer, stopped: &mut watch::Receiver<()>) -> (bool, Duration) {
        let graceful_called = AtomicBool::new(false);
        let began = Instant::now();
        let never = std::future::pending::<Result<(), ()>>();
        let ended = until_end(never, |_| graceful_called.store(true, Ordering::Relaxed), peer, stopped).await;
        assert_eq!(ended, Ok(()));
        (graceful_called.into_inner(), began.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn closes_at_once_or_gracefully_between_two_requests() {
        let (_stop, mut stopped) = watch::channel(());
        let connections = one_connection();
        let unserved = peer(&connections);
        let served = peer(&connections);
        assert_eq!(ends(&unserved, &mut stopped).await, (false, Duration::ZERO));
        drop(served.begin_request());
        peer(&connections);
        assert_eq!(ends(&served, &mut stopped).await, (true, CLOSE_TIMEOUT));
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_races_with_the_close_is_answered() {
        let (_stop, mut stopped) = watch::channel(());
        let connections = one_connection();
        let served = peer(&connections);
        drop(served.begin_request());
        peer(&connections);
        let request = served.begin_request();
        let answered = async move {
            tokio::time::sleep(CLOSE_TIMEOUT * 5 / 2).await;
            drop(request);
        };
        let ((graceful_called, took), ()) = tokio::join!(ends(&served, &mut stopped), answered);
        assert_eq!((graceful_called, took), (true, CLOSE_TIMEOUT * 3));
    }

    #[tokio::test]
    async fn a_closed_port_ends_connections_gracefully_without_a_timeout() {
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
}
