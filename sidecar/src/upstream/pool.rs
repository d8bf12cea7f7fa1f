//! The connections to one endpoint. They are shared and kept warm.
//!
//! An HTTP/1.1 connection serves one request at a time. Idle ones wait in a list, and the last used is taken first.
//! There may be several HTTP/2 connections, each used up to the limit of its peer. A new one is opened before a request
//! would have to wait for a stream.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::{TrySendError, http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use parking_lot::Mutex;
use rustls::ClientConfig;
use tokio::sync::Notify;

use super::body::{ReturnTo, UpstreamBody};
use super::connect::connect;
use super::fair::Fair;
use super::opening::{OpenOrWait, Opening};
use super::proxy::Proxy;
use super::reach::KnownAddresses;
use super::watched::{ConnectionEvents, Mark, Watched};
use super::{Endpoint, Pieces, SendError, Sent};
use crate::sockets::{self, LimitedRead};

/// An idle connection is closed after this long, before load balancers close it at 60 s or later.
const IDLE_TIMEOUT: Duration = Duration::from_secs(55);
/// How long after its last request an endpoint keeps a warm connection.
const WARM_TIME: Duration = Duration::from_secs(300);
/// The most idle HTTP/1.1 connections to one endpoint.
const MAX_IDLE: usize = 64;
/// How long to wait for a peer's settings before other requests open connections too.
const SETTINGS_TIMEOUT: Duration = Duration::from_millis(200);
/// How long a request waits for a connection that another one opens.
const OPENING_WAIT: Duration = Duration::from_millis(300);
/// The interval of HTTP/2 pings while there are requests, and the limit for the response.
const PING_TIME: Duration = Duration::from_secs(10);
/// The longest head of an answer; and the same with very many connections.
const MAX_HEAD: usize = 64 << 10;
const MIN_HEAD: usize = 16 << 10;
/// The most streams on one HTTP/2 connection, even if its peer allows more.
const MAX_STREAMS: usize = 100;

/// How much an HTTP/2 peer may send before it is read, for a stream and for a connection. Fixed, because unread data
/// takes memory. With a round trip of 100 ms, a stream can carry 2.5 MB a second.
const STREAM_WINDOW: u32 = 256 << 10;
const CONNECTION_WINDOW: u32 = 4 << 20;

type Body = Pieces;

/// The connections to one endpoint with one TLS configuration.
pub struct Pool {
    pub endpoint: Endpoint,
    proxy: Option<Arc<Proxy>>,
    tls: Arc<ClientConfig>,
    idle: Mutex<Vec<Idle>>,
    shared: Mutex<Vec<Shared>>,
    /// When the endpoint was last a candidate, in milliseconds after `born`; 0 for never.
    last_candidate: AtomicU64,
    born: Instant,
    keep_warm: AtomicBool,
    opening: Arc<Opening>,
    /// Which addresses of the host answer.
    addresses: Mutex<KnownAddresses>,
}

struct Idle {
    one: Http1Sender,
    since: Instant,
}

/// An HTTP/1.1 connection.
pub(super) struct Http1Sender {
    sender: http1::SendRequest<Body>,
    events: Arc<ConnectionEvents>,
}

#[derive(Clone)]
struct Shared {
    sender: http2::SendRequest<Body>,
    events: Arc<ConnectionEvents>,
    streams: Arc<AtomicUsize>,
    /// The peer's limit of streams, by its latest settings.
    max_streams: Arc<AtomicUsize>,
    /// When a stream was last used, by the pool's clock.
    used: Arc<AtomicU64>,
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("endpoint", &self.endpoint.to_string()).finish_non_exhaustive()
    }
}

/// A request without an answer; with the request if it was not sent.
struct Unsent {
    error: hyper::Error,
    request: Option<Request<Body>>,
}

impl From<TrySendError<Request<Body>>> for Unsent {
    fn from(mut error: TrySendError<Request<Body>>) -> Self {
        let request = error.take_message();
        Unsent { error: error.into_error(), request }
    }
}

/// A connection of either version.
enum Sender {
    Http1(Http1Sender),
    Http2(Shared),
}

impl Sender {
    fn events(&self) -> &Arc<ConnectionEvents> {
        match self {
            Sender::Http1(one) => &one.events,
            Sender::Http2(shared) => &shared.events,
        }
    }
}

impl Pool {
    #[must_use]
    pub fn new(endpoint: Endpoint, proxy: Option<Arc<Proxy>>, tls: Arc<ClientConfig>) -> Self {
        // Without TLS, only HTTP/1.1 is used.
        let tls_endpoint = endpoint.tls;
        Pool {
            endpoint,
            proxy,
            tls,
            idle: Mutex::default(),
            shared: Mutex::default(),
            last_candidate: AtomicU64::new(0),
            born: Instant::now(),
            keep_warm: AtomicBool::new(false),
            opening: Opening::new((!tls_endpoint).then_some(1)),
            addresses: Mutex::default(),
        }
    }

    /// Records that the endpoint was a candidate.
    pub fn touch(&self) {
        self.last_candidate.store(self.now(), Ordering::Relaxed);
    }

    /// Sets whether to keep a connection warm even without requests.
    pub fn keep_warm(&self, always: bool) {
        self.keep_warm.store(always, Ordering::Relaxed);
    }

    fn now(&self) -> u64 {
        u64::try_from(self.born.elapsed().as_millis()).unwrap_or(u64::MAX).max(1)
    }

    /// Sends a request, on a warm connection if there is one.
    ///
    /// The server may have closed a warm connection at the same moment. A request that was not sent yet goes to a new
    /// one. A request that was sent is not sent again here, because the caller prepares it again: the error says
    /// whether the server may have processed it.
    ///
    /// # Errors
    /// [`SendError`] if no head of an answer arrived.
    pub async fn send(
        self: &Arc<Self>,
        mut request: Request<Body>,
        limit: Duration,
        fresh: bool,
    ) -> Result<Sent, SendError> {
        while let Some(sender) = if fresh { None } else { self.warm_sender() } {
            let mark = Mark::of(sender.events(), true);
            match self.send_on(sender, request).await {
                Ok(response) => return Ok(Sent { response }),
                Err(Unsent { request: Some(back), .. }) => request = back,
                Err(Unsent { error, .. }) => return Err(self.closed(&error, true, mark.is_unprocessed(&error))),
            }
        }
        let sender = self.open(limit, fresh).await?;
        let mark = Mark::of(sender.events(), false);
        match self.send_on(sender, request).await {
            Ok(response) => Ok(Sent { response }),
            Err(Unsent { error, request }) => {
                // Another address of the host may work.
                self.addresses.lock().closed();
                Err(self.closed(&error, false, request.is_some() || mark.is_unprocessed(&error)))
            }
        }
    }

    fn closed(&self, error: &hyper::Error, reused: bool, unprocessed: bool) -> SendError {
        let source = std::error::Error::source(error).map(|source| format!(": {source}")).unwrap_or_default();
        SendError::Closed {
            endpoint: self.endpoint.to_string(),
            reason: format!("{error}{source}"),
            reused,
            unprocessed,
        }
    }

    fn warm_sender(&self) -> Option<Sender> {
        if let Some(shared) = self.free_stream() {
            return Some(Sender::Http2(shared));
        }
        let mut idle = self.idle.lock();
        while let Some(Idle { one, since }) = idle.pop() {
            if one.sender.is_ready() && since.elapsed() < IDLE_TIMEOUT {
                return Some(Sender::Http1(one));
            }
        }
        None
    }

    /// An HTTP/2 connection with a free stream, and that stream reserved.
    fn free_stream(&self) -> Option<Shared> {
        let mut shared = self.shared.lock();
        shared.retain(|connection| !connection.sender.is_closed());
        shared
            .iter()
            .find(|connection| {
                let max_streams = connection.max_streams.load(Ordering::Relaxed).min(MAX_STREAMS);
                connection.streams.load(Ordering::Relaxed) < max_streams
            })
            .inspect(|connection| {
                connection.streams.fetch_add(1, Ordering::Relaxed);
                connection.used.store(self.now(), Ordering::Relaxed);
            })
            .cloned()
    }

    async fn send_on(
        self: &Arc<Self>,
        sender: Sender,
        mut request: Request<Body>,
    ) -> Result<Response<UpstreamBody>, Unsent> {
        let (response, back) = match sender {
            Sender::Http1(mut one) => {
                let response = one.sender.try_send_request(request).await?;
                (response, ReturnTo::Pool { pool: Arc::clone(self), sender: one })
            }
            Sender::Http2(mut shared) => {
                let permit = StreamPermit(Arc::clone(&shared.streams));
                // HTTP/2 has the authority in the target instead of a Host header.
                request.headers_mut().remove(http::header::HOST);
                if let Some(uri) = self.absolute(&request) {
                    *request.uri_mut() = uri;
                }
                (shared.sender.try_send_request(request).await?, ReturnTo::Stream(permit))
            }
        };
        Ok(response.map(|incoming: Incoming| UpstreamBody::pooled(incoming, back)))
    }

    fn absolute(&self, request: &Request<Body>) -> Option<http::Uri> {
        http::Uri::builder()
            .scheme(if self.endpoint.tls { "https" } else { "http" })
            .authority(self.endpoint.authority())
            .path_and_query(request.uri().path_and_query()?.clone())
            .build()
            .ok()
    }

    /// Opens a connection; with `fresh`, even if another one has a free stream.
    async fn open(self: &Arc<Self>, limit: Duration, fresh: bool) -> Result<Sender, SendError> {
        let until = Instant::now() + OPENING_WAIT;
        let permit = loop {
            match self.opening.open_or_wait(Instant::now() < until) {
                OpenOrWait::Open(permit) => break permit,
                OpenOrWait::Wait(waiting) => {
                    let _either = tokio::time::timeout_at(until.into(), waiting.settled()).await;
                    // A connection that was opened meanwhile may have a free stream.
                    if let Some(sender) = if fresh { None } else { self.warm_sender() } {
                        return Ok(sender);
                    }
                }
            }
        };
        let opening = async {
            let connected = connect(&self.endpoint, self.proxy.as_ref(), &self.tls, limit, &self.addresses).await?;
            let watched = Watched::new(connected.io.into_inner(), connected.http2);
            let (events, io) = (Arc::clone(watched.events()), TokioIo::new(Fair::new(LimitedRead::new(watched))));
            if connected.http2 {
                let (sender, mut connection) = http2::Builder::new(TokioExecutor::new())
                    .timer(TokioTimer::new())
                    .initial_stream_window_size(STREAM_WINDOW)
                    .initial_connection_window_size(CONNECTION_WINDOW)
                    .max_header_list_size(MAX_HEAD as u32)
                    .initial_max_send_streams(1)
                    .keep_alive_interval(PING_TIME)
                    .keep_alive_timeout(PING_TIME)
                    .handshake(io)
                    .await
                    .map_err(|error| self.closed(&error, false, true))?;
                let max_streams = Arc::new(AtomicUsize::new(1));
                let (reported, settings) = (Arc::clone(&max_streams), Arc::new(Notify::new()));
                let settled = Arc::clone(&settings);
                tokio::spawn(std::future::poll_fn(move |cx| {
                    let polled = Pin::new(&mut connection).poll(cx);
                    let allowed = connection.current_max_send_streams();
                    if reported.swap(allowed, Ordering::Relaxed) != allowed {
                        settings.notify_one();
                    }
                    polled
                }));
                // Waiting requests wait until the peer's settings say how many streams it allows.
                let allowed_streams = Arc::clone(&max_streams);
                tokio::spawn(async move {
                    let _either = tokio::time::timeout(SETTINGS_TIMEOUT, settled.notified()).await;
                    permit.set_capacity(allowed_streams.load(Ordering::Relaxed).min(MAX_STREAMS));
                });
                let (streams, used) = (Arc::new(AtomicUsize::new(1)), Arc::new(AtomicU64::new(self.now())));
                let shared = Shared { sender, events, streams, max_streams, used };
                self.shared.lock().push(shared.clone());
                return Ok(Sender::Http2(shared));
            }
            permit.set_capacity(1);
            drop(permit);
            let mut builder = http1::Builder::new();
            builder.max_buf_size(sockets::read_limit().clamp(MIN_HEAD, MAX_HEAD));
            let (sender, connection) = builder.handshake(io).await.map_err(|error| self.closed(&error, false, true))?;
            tokio::spawn(connection);
            Ok(Sender::Http1(Http1Sender { sender, events }))
        };
        match tokio::time::timeout(limit, opening).await {
            Ok(opened) => opened,
            Err(_) => Err(SendError::ConnectTimeout { endpoint: self.endpoint.to_string(), limit }),
        }
    }

    /// Takes back a connection whose answer was read to its end.
    pub(super) fn give_back(self: Arc<Self>, mut one: Http1Sender) {
        if one.sender.is_ready() {
            return self.keep(one);
        }
        tokio::spawn(async move {
            if one.sender.ready().await.is_ok() {
                self.keep(one);
            }
        });
    }

    fn keep(&self, one: Http1Sender) {
        let mut idle = self.idle.lock();
        idle.retain(|idle| !idle.one.sender.is_closed() && idle.since.elapsed() < IDLE_TIMEOUT);
        if idle.len() < MAX_IDLE {
            idle.push(Idle { one, since: Instant::now() });
        }
    }

    /// Closes connections that were idle for too long.
    pub fn sweep(&self) {
        self.idle.lock().retain(|idle| !idle.one.sender.is_closed() && idle.since.elapsed() < IDLE_TIMEOUT);
        let before = self.now().saturating_sub(IDLE_TIMEOUT.as_millis() as u64);
        self.shared.lock().retain(|shared| {
            let busy = shared.streams.load(Ordering::Relaxed) > 0;
            !shared.sender.is_closed() && (busy || shared.used.load(Ordering::Relaxed) > before)
        });
    }

    /// Opens a connection if the endpoint should have a warm one and has none.
    pub async fn warm(self: &Arc<Self>, limit: Duration) {
        let last_candidate = self.last_candidate.load(Ordering::Relaxed);
        let recent = last_candidate > 0 && self.now().saturating_sub(last_candidate) < WARM_TIME.as_millis() as u64;
        if !recent && !self.keep_warm.load(Ordering::Relaxed) {
            return;
        }
        if self.has_warm() {
            return;
        }
        match self.open(limit, false).await {
            Ok(Sender::Http1(mut one)) => {
                if one.sender.ready().await.is_ok() {
                    self.keep(one);
                }
            }
            Ok(Sender::Http2(shared)) => drop(StreamPermit(shared.streams)),
            Err(error) => tracing::debug!(%error, "no warm connection"),
        }
    }

    fn has_warm(&self) -> bool {
        let fresh = |idle: &Idle| idle.one.sender.is_ready() && idle.since.elapsed() < IDLE_TIMEOUT;
        self.idle.lock().iter().any(fresh) || self.shared.lock().iter().any(|shared| !shared.sender.is_closed())
    }

    /// The number of connections that wait for a request.
    #[must_use]
    pub fn idle_connections(&self) -> usize {
        self.idle.lock().len() + self.shared.lock().len()
    }
}

/// A stream of an HTTP/2 connection. Dropping it frees it.
pub(super) struct StreamPermit(Arc<AtomicUsize>);

impl Drop for StreamPermit {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
