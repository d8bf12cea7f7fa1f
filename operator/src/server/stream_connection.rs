//! A connection that becomes a gateway's stream: one request of HTTP/1.1, and after its answer only lines.
//!
//! Nothing of HTTP is left after that: there are thousands of streams, and an HTTP/2 connection holds 10 KiB more.

use std::convert::Infallible;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use outrigger_listen::Peer;
use parking_lot::Mutex;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use super::route::Router;
use crate::runtime::response::AnswerBody;
use crate::stream::AdmittedStream;

/// The time for the request, the proof of its token, and the response.
const OPENING: Duration = Duration::from_secs(20);
/// The time for a refusal to be sent.
const CLOSING: Duration = Duration::from_secs(1);
/// The head of the request, with its token.
const HEAD_MAX: usize = 32 << 10;

/// Serves a connection until it ends, or is told to close before its stream is open. The hub ends open streams.
pub(super) async fn serve(stream: TlsStream<TcpStream>, remote: SocketAddr, router: &Arc<Router>, peer: &Arc<Peer>) {
    // In a box, so that its memory is freed.
    let opening = Box::pin(tokio::time::timeout(OPENING, open(stream, router, peer)));
    let opened = tokio::select! {
        () = peer.close_requested() => return,
        opened = opening => opened,
    };
    match opened {
        Ok(Ok(Some(Opened { stream, connection, early }))) => {
            let _underway = peer.begin_request();
            Box::pin(stream.carry(connection, early)).await;
        }
        Ok(Ok(None)) => {}
        Ok(Err(error)) => tracing::debug!(%error, %remote, "connection ended"),
        Err(_) => tracing::debug!(%remote, "the request for a stream took too long"),
    }
}

struct Opened {
    stream: AdmittedStream,
    connection: TlsStream<TcpStream>,
    /// What the gateway sent without waiting for the answer.
    early: Bytes,
}

/// Answers the request. `None`: the stream was refused.
async fn open(
    stream: TlsStream<TcpStream>,
    router: &Arc<Router>,
    peer: &Arc<Peer>,
) -> Result<Option<Opened>, hyper::Error> {
    let admitted = Arc::new(Mutex::new(None));
    let service = service_fn(|request: Request<Incoming>| {
        let (router, admitted, underway) = (Arc::clone(router), Arc::clone(&admitted), peer.begin_request());
        Box::pin(async move {
            let response = match router.stream(&request).await {
                Ok(stream) => {
                    *admitted.lock() = Some(stream);
                    switching()
                }
                Err(refusal) => refusal,
            };
            Ok::<_, Infallible>(response.map(|body| crate::runtime::response::with_guard(body, underway)))
        })
    });
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(OPENING)
        .keep_alive(false)
        .max_buf_size(HEAD_MAX)
        .serve_connection(TokioIo::new(stream), service);
    poll_fn(|context| connection.poll_without_shutdown(context)).await?;
    let parts = connection.into_parts();
    let mut connection = parts.io.into_inner();
    let Some(stream) = admitted.lock().take() else {
        let _ = tokio::time::timeout(CLOSING, connection.shutdown()).await;
        return Ok(None);
    };
    Ok(Some(Opened { stream, connection, early: parts.read_buf }))
}

/// The answer after which the connection is the stream.
fn switching() -> Response<AnswerBody> {
    let mut response = Response::new(Empty::new().boxed_unsync());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    response.headers_mut().insert(header::UPGRADE, HeaderValue::from_static(outrigger_sync::PROTOCOL));
    response
}
