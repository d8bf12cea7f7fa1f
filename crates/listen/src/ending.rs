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
