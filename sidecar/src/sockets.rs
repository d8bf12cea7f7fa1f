//! Sets up every connection: when a missing peer is detected, and how much is read at a time.
//!
//! A machine that is switched off closes nothing. Without keep-alive, a connection to it would stay open until somebody
//! gives up. What is read at a time is buffered by the connection. The buffer grows with a read and is in no memory
//! account. So with more connections, each reads less.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf, Take};
use tokio::net::TcpStream;

/// TCP keep-alive: the idle time before the first probe, the interval and the number of probes.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(15);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(5);
const KEEPALIVE_PROBES: u32 = 3;
/// How long a provider or an operator may leave sent data unacknowledged.
const UNACKNOWLEDGED: Duration = Duration::from_secs(30);

/// How many bytes all connections together read at a time, and the most and the least for each. With the most, an
/// ordinary body arrives in one chunk, which need not be copied. With the least, a buffer keeps its initial size.
const MAX_READ_OF_ALL: usize = 2 << 20;
pub const MAX_READ: usize = 128 << 10;
const MIN_READ: usize = (8 << 10) - 1;

/// The number of open connections of this process.
static OPEN_CONNECTIONS: AtomicUsize = AtomicUsize::new(0);

/// How much a connection may read at a time with the current number of connections.
#[must_use]
pub fn read_limit() -> usize {
    share(OPEN_CONNECTIONS.load(Ordering::Relaxed))
}

fn share(open: usize) -> usize {
    (MAX_READ_OF_ALL / open.max(1)).clamp(MIN_READ, MAX_READ)
}

/// A connection that reads at most its share at a time.
#[derive(Debug)]
pub struct LimitedRead<S> {
    stream: Take<S>,
    limit: usize,
}

impl<S: AsyncRead> LimitedRead<S> {
    pub fn new(stream: S) -> Self {
        OPEN_CONNECTIONS.fetch_add(1, Ordering::Relaxed);
        LimitedRead { stream: stream.take(0), limit: MAX_READ }
    }

    /// Limits each read further, however few connections there are.
    pub fn limit_reads(&mut self, bytes: usize) {
        self.limit = bytes;
    }
}

impl<S> Drop for LimitedRead<S> {
    fn drop(&mut self) {
        OPEN_CONNECTIONS.fetch_sub(1, Ordering::Relaxed);
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for LimitedRead<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let LimitedRead { stream, limit } = self.get_mut();
        stream.set_limit(read_limit().min(*limit) as u64);
        Pin::new(stream).poll_read(cx, buf)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for LimitedRead<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(self.get_mut().stream.get_mut()).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(self.get_mut().stream.get_mut()).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.get_ref().is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(self.get_mut().stream.get_mut()).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(self.get_mut().stream.get_mut()).poll_shutdown(cx)
    }
}

/// Sets up a connection to a provider or to the operator.
pub fn set_up_upstream(stream: &TcpStream) {
    set_up(stream, UNACKNOWLEDGED);
}

/// Sets up a client's connection. The client may leave an answer unread for `unread`; then the connection is closed,
/// see [`crate::server::accept`].
pub fn set_up_client(stream: &TcpStream, unread: Duration) {
    set_up(stream, unread.max(UNACKNOWLEDGED));
}

fn set_up(stream: &TcpStream, unacknowledged: Duration) {
    let alive =
        TcpKeepalive::new().with_time(KEEPALIVE_IDLE).with_interval(KEEPALIVE_INTERVAL).with_retries(KEEPALIVE_PROBES);
    let socket = SockRef::from(stream);
    let result = stream.set_nodelay(true).and_then(|()| socket.set_tcp_keepalive(&alive));
    #[cfg(target_os = "linux")]
    let result = result.and_then(|()| socket.set_tcp_user_timeout(Some(unacknowledged)));
    #[cfg(not(target_os = "linux"))]
    let _ = unacknowledged;
    if let Err(error) = result {
        tracing::debug!(%error, "the time limit for a lost peer cannot be set on a connection");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_connections_read_less_each() {
        for (open, share_of_each) in [
            (0, MAX_READ),
            (1, MAX_READ),
            (16, MAX_READ),
            (32, 64 << 10),
            (64, 32 << 10),
            (256, 8 << 10),
            (512, MIN_READ),
            (10_000, MIN_READ),
        ] {
            assert_eq!(share(open), share_of_each, "{open}");
        }
    }

    #[tokio::test]
    async fn a_connection_reads_everything_in_shares() {
        let all = vec![7; 3 * MAX_READ];
        let mut limited = LimitedRead::new(all.as_slice());
        let mut some = vec![0; all.len()];
        let read = limited.read(&mut some).await.unwrap();
        assert!((MIN_READ..=MAX_READ).contains(&read), "{read}");
        let mut rest = Vec::new();
        limited.read_to_end(&mut rest).await.unwrap();
        assert_eq!(read + rest.len(), all.len());
    }

    #[tokio::test]
    async fn both_kinds_detect_a_missing_peer() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let out = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (inn, _) = listener.accept().await.unwrap();
        set_up_upstream(&out);
        set_up_client(&inn, Duration::from_secs(120));
        for (stream, seconds) in [(&out, 30), (&inn, 120)] {
            let socket = SockRef::from(stream);
            assert!(socket.keepalive().unwrap() && stream.nodelay().unwrap());
            #[cfg(target_os = "linux")]
            assert_eq!(
                (socket.tcp_keepalive_time().unwrap(), socket.tcp_user_timeout().unwrap()),
                (KEEPALIVE_IDLE, Some(Duration::from_secs(seconds)))
            );
        }
    }
}
