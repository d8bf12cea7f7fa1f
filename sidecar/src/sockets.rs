//! What every connection is told: how long a peer may be gone before that is noticed.
//!
//! A machine that is switched off closes nothing. Without these a connection to it stays open for as long as somebody waits.

use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;

/// A silent connection is asked after so long whether the other side is there, then each few seconds, and so often.
const SILENT: Duration = Duration::from_secs(15);
const ASKED: Duration = Duration::from_secs(5);
const TIMES: u32 = 3;
/// How long a provider or an operator may leave unacknowledged what was sent to it.
const UNACKNOWLEDGED: Duration = Duration::from_secs(30);

/// To a provider, or to the operator.
pub fn outward(stream: &TcpStream) {
    settle(stream, UNACKNOWLEDGED);
}

/// From a client. It may leave an answer unread for `unread`, and is closed by then: see [`crate::accept`].
pub fn inward(stream: &TcpStream, unread: Duration) {
    settle(stream, unread.max(UNACKNOWLEDGED));
}

fn settle(stream: &TcpStream, unacknowledged: Duration) {
    let alive = TcpKeepalive::new().with_time(SILENT).with_interval(ASKED).with_retries(TIMES);
    let socket = SockRef::from(stream);
    let told = stream.set_nodelay(true).and_then(|()| socket.set_tcp_keepalive(&alive));
    #[cfg(target_os = "linux")]
    let told = told.and_then(|()| socket.set_tcp_user_timeout(Some(unacknowledged)));
    #[cfg(not(target_os = "linux"))]
    let _ = unacknowledged;
    if let Err(error) = told {
        tracing::debug!(%error, "a connection cannot be told how long its peer may be gone");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn both_kinds_notice_a_peer_that_is_gone() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let out = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (inn, _) = listener.accept().await.unwrap();
        outward(&out);
        inward(&inn, Duration::from_secs(120));
        for (stream, seconds) in [(&out, 30), (&inn, 120)] {
            let socket = SockRef::from(stream);
            assert!(socket.keepalive().unwrap() && stream.nodelay().unwrap());
            #[cfg(target_os = "linux")]
            assert_eq!(
                (socket.tcp_keepalive_time().unwrap(), socket.tcp_user_timeout().unwrap()),
                (SILENT, Some(Duration::from_secs(seconds)))
            );
        }
    }
}
