//! Serves one connection: its version of HTTP, its requests, and its end.

use std::convert::Infallible;
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, header};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use outrigger_core::RefusalKind;
use outrigger_listen::{ActiveRequest, Peer, until_end};
use pin_project_lite::pin_project;
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, watch};

use super::heads::{Heads, PendingHead};
use super::wire::Wire;
use super::{CLIENTS, Purpose};
use crate::access::{self, Admitted};
use crate::gateway::Gateway;
use crate::request::refusal::Refusal;
use crate::request::reply::ReplyBody;
use crate::server::admin;
use crate::server::unread;
use crate::sockets;

/// How much an HTTP/2 client may send before it is read, for a stream and for a connection. Fixed, because unread data
/// takes memory.
const STREAM_WINDOW: u32 = 256 << 10;
const CONNECTION_WINDOW: u32 = 1 << 20;

/// The longest head of a request, in bytes. The head of an SDK has one or two thousand.
const MAX_HEAD: usize = 32 << 10;
const MAX_ADMIN_HEAD: usize = 8 << 10;
/// How many bytes of an answer are buffered for an HTTP/2 client.
const MAX_UNREAD: usize = 32 << 10;
/// How many requests an HTTP/2 connection may have at once. Each may have the longest head, and there may be many
/// connections.
const MAX_STREAMS: u32 = 128;
/// How many requests of a connection may be reset before it is closed: by the client before they were accepted, and by
/// the gateway for violating the protocol.
const MAX_PENDING_RESETS: usize = 64;
const MAX_LOCAL_RESETS: usize = 256;
/// An HTTP/2 client that has gone silently is detected within the sum of both.
const PING: Duration = Duration::from_secs(60);
const PONG: Duration = Duration::from_secs(60);

/// Serves a connection until it ends or is evicted, or until `stopped` closes and its requests are answered. `at` is
/// the address on which its port listens; `permits` are for all connections of the port.
pub async fn serve(
    stream: TcpStream,
    remote: SocketAddr,
    (peer, permits): (Arc<Peer>, Arc<Semaphore>),
    gateway: Arc<Gateway>,
    (purpose, at): (Purpose, IpAddr),
    mut stopped: watch::Receiver<()>,
) {
    sockets::set_up_client(&stream, CLIENTS.unread);
    let mut wire = Wire::new(stream, Arc::clone(&peer), gateway.memory.clone(), permits);
    let heads = match purpose {
        Purpose::Admin => None,
        Purpose::Clients => tokio::select! {
            biased;
            () = peer.close_requested() => return,
            _ = stopped.changed() => return,
            version = wire.http2() => match version {
                Ok(heads) => heads,
                Err(_) => return,
            },
        },
    };
    let http2 = heads.is_some();
    let (serving_peer, request_heads) = (Arc::clone(&peer), heads.clone());
    let service = service_fn(move |request: Request<Incoming>| {
        let (gateway, underway, crowded) =
            (Arc::clone(&gateway), serving_peer.begin_request(), serving_peer.over_limit);
        let waiting = request_heads.as_ref().map(PendingHead::new);
        let answering = async move {
            let response = match purpose {
                _ if crowded => no_room(&gateway, &request),
                Purpose::Clients => handle_client(gateway, request, at).await,
                Purpose::Admin => admin::answer(&gateway, &request, remote),
            };
            // A stalled HTTP/2 stream does not block the connection, so it is watched.
            let response =
                if http2 { response.map(|body| unread::limit_unread(body, CLIENTS.unread)) } else { response };
            Ok::<_, Infallible>(response.map(|body| CountedBody { body, underway, alone: !http2 }))
        };
        StartingRequest { answering, waiting }
    });
    let wire = TokioIo::new(wire);
    let ended = if let Some(heads) = heads {
        let mut http = http2::Builder::new(TokioExecutor::new());
        http.timer(TokioTimer::new())
            .max_header_list_size(MAX_HEAD as u32)
            .max_concurrent_streams(MAX_STREAMS)
            .max_pending_accept_reset_streams(MAX_PENDING_RESETS)
            .max_local_error_reset_streams(MAX_LOCAL_RESETS)
            .max_send_buf_size(MAX_UNREAD)
            .keep_alive_interval(PING)
            .keep_alive_timeout(PONG)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW);
        let connection = CountedPolls { connection: http.serve_connection(wire, service), heads };
        Box::pin(until_end(connection, |polls| polls.project().connection.graceful_shutdown(), &peer, &mut stopped))
            .await
    } else {
        let mut http = http1::Builder::new();
        // The pool evicts connections that wait too long, so no timer is needed for each head.
        http.header_read_timeout(None);
        match purpose {
            // The buffer is limited to what the connection may read and write at once.
            Purpose::Clients => http.max_header_size(MAX_HEAD).max_buf_size(sockets::MAX_READ),
            Purpose::Admin => http.max_header_size(MAX_ADMIN_HEAD).max_buf_size(2 * MAX_ADMIN_HEAD),
        };
        let connection = http.serve_connection(wire, service);
        until_end(connection, |connection| connection.graceful_shutdown(), &peer, &mut stopped).await
    };
    if let Err(error) = ended {
        tracing::debug!(%error, %remote, "connection ended");
    }
}

pin_project! {
    /// A request that begins with its first poll. When it first waits, its head is in the memory account.
    struct StartingRequest<F> {
        #[pin]
        answering: F,
        waiting: Option<PendingHead>,
    }
}

impl<F: Future> Future for StartingRequest<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let polled = this.answering.poll(cx);
        *this.waiting = None;
        polled
    }
}

pin_project! {
    /// An HTTP/2 connection that counts its polls.
    struct CountedPolls<C> {
        #[pin]
        connection: C,
        heads: Arc<Heads>,
    }
}

impl<C: Future> Future for CountedPolls<C> {
    type Output = C::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<C::Output> {
        let this = self.project();
        ready!(this.heads.begin_poll(cx));
        let polled = this.connection.poll(cx);
        this.heads.end_poll();
        polled
    }
}

/// Handles a client's request: checks its head first.
async fn handle_client(gateway: Arc<Gateway>, request: Request<Incoming>, at: IpAddr) -> Response<ReplyBody> {
    match gateway.access.admit(request.method(), request.uri(), request.headers(), at) {
        Admitted::NoPage => gateway.handle(request).await,
        Admitted::Page(origin) => {
            let mut response = gateway.handle(request).await;
            access::allow(response.headers_mut(), origin);
            response
        }
        Admitted::Preflight(response) => response,
        Admitted::Refused(refusal) => gateway.refuse_early(&request, &refusal),
    }
}

fn no_room<B>(gateway: &Gateway, request: &Request<B>) -> Response<ReplyBody> {
    let message = "the gateway has as many connections as it can serve, each with a request in progress";
    let mut response = gateway.refuse_early(request, &Refusal::new(RefusalKind::Overloaded, message).after(1));
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

/// The body of an answer. The request is in progress until it is dropped.
struct CountedBody {
    body: ReplyBody,
    underway: ActiveRequest,
    /// It has the connection for itself: all written bytes are its own.
    alone: bool,
}

impl Body for CountedBody {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<std::io::Result<Frame<Bytes>>>> {
        let CountedBody { body, underway, alone } = self.get_mut();
        if *alone {
            // What is returned is buffered until it is written: with many connections, each buffers little.
            ready!(underway.peer().poll_written(2 * sockets::read_limit(), cx));
        }
        let frame = ready!(Pin::new(body).poll_frame(cx));
        if let Some(Ok(frame)) = &frame {
            underway.peer().add_queued(frame.data_ref().map_or(0, Bytes::len));
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
