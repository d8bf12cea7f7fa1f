//! One connection: its handshake, its requests, and its end.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use outrigger_listen::{Peer, until_end};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::route::Router;
use super::stream_connection;

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
    stopped: watch::Receiver<()>,
) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "no TCP_NODELAY");
    }
    // Thousands of connections are open for days: what only a handshake, the start of a request or another protocol needs
    // is in a box of its own, so that the task of a connection has no room for it.
    let handshake = Box::pin(tokio::time::timeout(HANDSHAKE, tls.accept(stream)));
    let handshake = tokio::select! {
        () = peer.close_requested() => return,
        handshake = handshake => handshake,
    };
    let stream = match handshake {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return tracing::debug!(%error, %remote, "no TLS handshake"),
        Err(_) => return tracing::debug!(%remote, "the TLS handshake took too long"),
    };
    // ALPN says which protocol to use. Detecting it from the first bytes instead would close a connection that is still
    // being detected when the server stops, before its request is read.
    match stream.get_ref().1.alpn_protocol() == Some(outrigger_sync::PROTOCOL.as_bytes()) {
        true => Box::pin(stream_connection::serve(stream, remote, &router, &peer)).await,
        false => Box::pin(serve_requests(stream, remote, router, peer, stopped)).await,
    }
}

/// Serves a connection of HTTP, in the version that ALPN chose.
async fn serve_requests(
    stream: TlsStream<TcpStream>,
    remote: SocketAddr,
    router: Arc<Router>,
    peer: Arc<Peer>,
    mut stopped: watch::Receiver<()>,
) {
    let is_http2 = stream.get_ref().1.alpn_protocol() == Some(HTTP2);
    let counted = Arc::clone(&peer);
    let service = service_fn(move |request: Request<Incoming>| {
        let (router, underway) = (Arc::clone(&router), counted.begin_request());
        async move {
            let response = Box::pin(router.answer(request)).await;
            // The response's body holds the guard, so that an open stream counts as a request under way.
            Ok::<_, Infallible>(response.map(|body| crate::runtime::response::with_guard(body, underway)))
        }
    });
    let io = TokioIo::new(stream);
    let ended = if is_http2 {
        let connection = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .keep_alive_interval(PING)
            .keep_alive_timeout(PONG)
            .max_concurrent_streams(REQUESTS_MAX)
            .max_header_list_size(HEAD_MAX)
            .initial_stream_window_size(WINDOW)
            .initial_connection_window_size(WINDOW)
            .serve_connection(io, service);
        let graceful = |connection: Pin<&mut Pin<Box<http2::Connection<_, _, _>>>>| {
            connection.get_mut().as_mut().graceful_shutdown()
        };
        until_end(Box::pin(connection), graceful, &peer, &mut stopped).await
    } else {
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD)
            .max_buf_size(HEAD_MAX as usize)
            .serve_connection(io, service);
        let graceful =
            |connection: Pin<&mut Pin<Box<http1::Connection<_, _>>>>| connection.get_mut().as_mut().graceful_shutdown();
        until_end(Box::pin(connection), graceful, &peer, &mut stopped).await
    };
    if let Err(error) = ended {
        tracing::debug!(%error, %remote, "connection ended");
    }
}
