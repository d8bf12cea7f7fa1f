//! How a connection ends.

use std::future::Future;
use std::pin::{Pin, pin};
use std::time::Duration;

use tokio::sync::watch;

use crate::connections::Peer;

/// How long a connection that is told to go may take when nothing is asked on it.
const LEAVE: Duration = Duration::from_secs(1);

/// Drives a connection until it ends, is told to go, or the sender of `stopped` is gone and its requests are answered.
/// `graceful` asks it to end when its requests are answered.
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

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use tokio::time::Instant;

    use super::*;
    use crate::connections::{ConnectionLimits, Connections, Entry, Eviction, NEVER, Times};

    fn peer(connections: &Connections) -> Arc<Peer> {
        match connections.enter(IpAddr::V4(Ipv4Addr::LOCALHOST)) {
            Entry::In(peer) => peer,
            other => panic!("{other:?}"),
        }
    }

    fn one_connection() -> Connections {
        let times = Times { head: NEVER, idle: NEVER, unread: NEVER };
        let eviction = Eviction::LongestWaiting;
        Connections::new(ConnectionLimits { connections: 1, of_an_address: None, crowded: 0, eviction, times })
    }

    /// Drives a connection that never ends by itself until it is over: whether it was asked to end first, and how long it took.
    async fn ends(peer: &Peer, stopped: &mut watch::Receiver<()>) -> (bool, Duration) {
        let asked = AtomicBool::new(false);
        let began = Instant::now();
        let never = std::future::pending::<Result<(), ()>>();
        let ended = until_end(never, |_| asked.store(true, Ordering::Relaxed), peer, stopped).await;
        assert_eq!(ended, Ok(()));
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
}
