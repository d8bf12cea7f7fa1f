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
use outrigger_listen::{Peer, until_end};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use super::route::Router;

/// The protocol's name in ALPN.
pub(super) const HTTP2: &[u8] = b"h2";
const HANDSHAKE: Duration = Duration::from_secs(10);
/// The time for a request's head. On a kept HTTP/1.1 connection, the wait for the next request counts too.
const HEAD: Duration = Duration::from_secs(120);
/// A peer that vanished is detected within the sum of both.
const PING: Duration = Duration::from_secs(30);
const PONG: Duration = Duration::from_secs(20);
/// Many more than the API server sends at once. A gateway needs one.
const REQUESTS_MAX: u32 = 256;
const HEAD_MAX: u32 = 32 << 10;
/// What a peer may send before it is read, for all its requests together.
const WINDOW: u32 = 128 << 10;

/// Serves a connection until it ends, is told to close, or the sender of `stopped` is dropped and its requests are
/// answered.
pub(super) async fn serve(
    stream: TcpStream,
    remote: SocketAddr,
    tls: TlsAcceptor,
    router: Arc<Router>,
    peer: Arc<Peer>,
    mut stopped: watch::Receiver<()>,
) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "no TCP_NODELAY");
    }
    let handshake = tokio::select! {
        () = peer.close_requested() => return,
        handshake = tokio::time::timeout(HANDSHAKE, tls.accept(stream)) => handshake,
    };
    let stream = match handshake {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return tracing::debug!(%error, %remote, "no TLS handshake"),
        Err(_) => return tracing::debug!(%remote, "the TLS handshake took too long"),
    };
    let counted = Arc::clone(&peer);
    let service = service_fn(move |request: Request<Incoming>| {
        let (router, underway) = (Arc::clone(&router), counted.begin_request());
        async move {
            let response = router.answer(request).await;
            // The response's body holds the guard, so that an open stream counts as a request under way.
            Ok::<_, Infallible>(response.map(|body| crate::runtime::response::with_guard(body, underway)))
        }
    });
    // ALPN says which protocol to use. Detecting it from the first bytes instead would close a connection that is still
    // being detected when the server stops, before its request is read.
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
    let ended = until_end(connection, |connection| connection.graceful_shutdown(), &peer, &mut stopped).await;
    if let Err(error) = ended {
        tracing::debug!(%error, %remote, "connection ended");
    }
}
