//! One connection: its handshake, its requests, and its end.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;

use super::connections::ConnectionSlot;
use super::route::Router;

/// As ALPN has it.
pub(super) const HTTP2: &[u8] = b"h2";
const HANDSHAKE: Duration = Duration::from_secs(10);
/// For a request's head; on a kept connection of HTTP/1.1 the wait for the next one counts.
const HEAD: Duration = Duration::from_secs(120);
/// A connection without a request is closed. The API server keeps its own for 90 s.
const IDLE: Duration = Duration::from_secs(120);
/// A peer that is gone without a word is found out within the two of them.
const PING: Duration = Duration::from_secs(30);
const PONG: Duration = Duration::from_secs(20);
/// Many more than the API server sends at once; a gateway needs one.
const REQUESTS_MAX: u32 = 256;
const HEAD_MAX: u32 = 32 << 10;
/// What a peer may send ahead of being read, on all of its requests together.
const WINDOW: u32 = 128 << 10;

/// Serves a connection until it ends, or until the sender of `stopped` is gone and its requests are answered.
pub(super) async fn serve(
    stream: TcpStream,
    peer: SocketAddr,
    tls: TlsAcceptor,
    router: Arc<Router>,
    slot: Arc<ConnectionSlot>,
    mut stopped: watch::Receiver<()>,
) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "no TCP_NODELAY");
    }
    let stream = match tokio::time::timeout(HANDSHAKE, tls.accept(stream)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return tracing::debug!(%error, %peer, "no TLS handshake"),
        Err(_) => return tracing::debug!(%peer, "the TLS handshake took too long"),
    };
    let held = Arc::clone(&slot);
    let service = service_fn(move |request: Request<Incoming>| {
        let (router, held) = (Arc::clone(&router), held.begins());
        async move {
            let response = router.answer(request).await;
            // With the answer's body, so that a stream counts for as long as it is open.
            Ok::<_, Infallible>(response.map(|body| crate::server::response::held(body, held)))
        }
    });
    // What was agreed on need not be guessed from the first bytes: a connection that is still guessed at when the server is
    // to stop would be closed before its request is read.
    let builder = auto::Builder::new(TokioExecutor::new());
    let mut builder = match stream.get_ref().1.alpn_protocol() {
        Some(HTTP2) => builder.http2_only(),
        _ => builder,
    };
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD).max_buf_size(HEAD_MAX as usize);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(PING)
        .keep_alive_timeout(PONG)
        .max_concurrent_streams(REQUESTS_MAX)
        .max_header_list_size(HEAD_MAX)
        .initial_stream_window_size(WINDOW)
        .initial_connection_window_size(WINDOW);
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = over(&slot, &mut stopped) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, %peer, "connection ended");
    }
}

/// Waits until the server is to stop, or nothing was asked for so long.
async fn over(slot: &Arc<ConnectionSlot>, stopped: &mut watch::Receiver<()>) {
    let mut since = Instant::now();
    let mut look = tokio::time::interval(IDLE / 4);
    loop {
        tokio::select! {
            _ = stopped.changed() => return,
            now = look.tick() => match slot.is_busy() {
                true => since = now,
                false if now.duration_since(since) >= IDLE => return,
                false => {}
            },
        }
    }
}
