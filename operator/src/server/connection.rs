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

/// As ALPN has it.
pub(super) const HTTP2: &[u8] = b"h2";
const HANDSHAKE: Duration = Duration::from_secs(10);
/// For a request's head; on a kept connection of HTTP/1.1 the wait for the next one counts.
const HEAD: Duration = Duration::from_secs(120);
/// A peer that is gone without a word is found out within the two of them.
const PING: Duration = Duration::from_secs(30);
const PONG: Duration = Duration::from_secs(20);
/// Many more than the API server sends at once; a gateway needs one.
const REQUESTS_MAX: u32 = 256;
const HEAD_MAX: u32 = 32 << 10;
/// What a peer may send ahead of being read, on all of its requests together.
const WINDOW: u32 = 128 << 10;

/// Serves a connection until it ends, is told to go, or the sender of `stopped` is gone and its requests are answered.
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
    let held = Arc::clone(&peer);
    let service = service_fn(move |request: Request<Incoming>| {
        let (router, underway) = (Arc::clone(&router), held.begin_request());
        async move {
            let response = router.answer(request).await;
            // With the answer's body, so that a stream counts for as long as it is open.
            Ok::<_, Infallible>(response.map(|body| crate::server::response::held(body, underway)))
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
    let ended = until_end(connection, |connection| connection.graceful_shutdown(), &peer, &mut stopped).await;
    if let Err(error) = ended {
        tracing::debug!(%error, %remote, "connection ended");
    }
}
