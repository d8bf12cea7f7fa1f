//! Connections to one endpoint, kept warm and shared.
//!
//! HTTP/1.1: one request at a time on each, idle ones wait in a list, the last used first. HTTP/2:
//! several connections, each filled to what its peer allows, and a new one opened before a request
//! would have to wait for a stream.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::ClientConfig;

use super::body::{Back, UpstreamBody};
use super::connect::connect;
use super::{Endpoint, SendError, Sent};

/// An idle connection is closed after this long; below the 60 s at which load balancers begin to.
const IDLE: Duration = Duration::from_secs(55);
/// How long after its last request an endpoint is still worth a warm connection.
const WARM: Duration = Duration::from_secs(300);
/// Idle HTTP/1.1 connections kept to one endpoint.
const MAX_IDLE: usize = 64;
/// Streams put on one HTTP/2 connection, whatever more its peer allows.
const MAX_STREAMS: usize = 100;

type Body = Full<Bytes>;

/// The connections to one endpoint under one trust.
pub struct Pool {
    pub endpoint: Endpoint,
    tls: Arc<ClientConfig>,
    idle: Mutex<Vec<Idle>>,
    shared: Mutex<Vec<Shared>>,
    /// Milliseconds after `born` at which the endpoint was last a candidate; 0 for never.
    touched: AtomicU64,
    born: Instant,
    keep_warm: std::sync::atomic::AtomicBool,
}

struct Idle {
    sender: http1::SendRequest<Body>,
    since: Instant,
}

#[derive(Clone)]
struct Shared {
    sender: http2::SendRequest<Body>,
    streams: Arc<AtomicUsize>,
    /// What the peer allows, as its settings last said.
    most: Arc<AtomicUsize>,
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("endpoint", &self.endpoint.to_string()).finish_non_exhaustive()
    }
}

/// What a connection of either kind sends with.
enum Sender {
    One(http1::SendRequest<Body>),
    Many(Shared),
}

impl Pool {
    #[must_use]
    pub fn new(endpoint: Endpoint, tls: Arc<ClientConfig>) -> Self {
        Pool {
            endpoint,
            tls,
            idle: Mutex::default(),
            shared: Mutex::default(),
            touched: AtomicU64::new(0),
            born: Instant::now(),
            keep_warm: false.into(),
        }
    }

    /// Says that the endpoint was a candidate.
    pub fn touch(&self) {
        self.touched.store(self.now(), Ordering::Relaxed);
    }

    /// Keeps a connection warm whether or not there are requests.
    pub fn keep_warm(&self, always: bool) {
        self.keep_warm.store(always, Ordering::Relaxed);
    }

    fn now(&self) -> u64 {
        u64::try_from(self.born.elapsed().as_millis()).unwrap_or(u64::MAX).max(1)
    }

    /// Sends a request, on a warm connection if there is one.
    ///
    /// A warm connection may have been closed by the other side at that very moment; then the
    /// request goes once more, on a new one.
    ///
    /// # Errors
    /// [`SendError`], when no answer's head came.
    pub async fn send(self: &Arc<Self>, request: Request<Body>, limit: Duration) -> Result<Sent, SendError> {
        let (parts, body) = request.into_parts();
        let again = || Request::from_parts(parts.clone(), body.clone());
        if let Some(sender) = self.warm_sender() {
            match self.send_on(sender, again()).await {
                Ok(response) => return Ok(Sent { response, connecting: Duration::ZERO }),
                Err(error) if error.is_timeout() => return Err(self.closed(&error)),
                Err(_) => {}
            }
        }
        let started = Instant::now();
        let sender = self.open(limit).await?;
        let connecting = started.elapsed();
        let response = self.send_on(sender, again()).await.map_err(|error| self.closed(&error))?;
        Ok(Sent { response, connecting })
    }

    fn closed(&self, error: &hyper::Error) -> SendError {
        let source = std::error::Error::source(error).map(|source| format!(": {source}")).unwrap_or_default();
        SendError::Closed { endpoint: self.endpoint.to_string(), reason: format!("{error}{source}") }
    }

    fn warm_sender(&self) -> Option<Sender> {
        if let Some(shared) = self.free_stream() {
            return Some(Sender::Many(shared));
        }
        let mut idle = lock(&self.idle);
        while let Some(Idle { sender, since }) = idle.pop() {
            if sender.is_ready() && since.elapsed() < IDLE {
                return Some(Sender::One(sender));
            }
        }
        None
    }

    /// An HTTP/2 connection with a stream to spare, and that stream taken.
    fn free_stream(&self) -> Option<Shared> {
        let mut shared = lock(&self.shared);
        shared.retain(|connection| !connection.sender.is_closed());
        shared
            .iter()
            .find(|connection| {
                let most = connection.most.load(Ordering::Relaxed).min(MAX_STREAMS);
                connection.streams.load(Ordering::Relaxed) < most
            })
            .inspect(|connection| {
                connection.streams.fetch_add(1, Ordering::Relaxed);
            })
            .cloned()
    }

    async fn send_on(
        self: &Arc<Self>,
        sender: Sender,
        mut request: Request<Body>,
    ) -> Result<Response<UpstreamBody>, hyper::Error> {
        let (response, back) = match sender {
            Sender::One(mut sender) => {
                let response = sender.send_request(request).await?;
                (response, Back::One { pool: Arc::clone(self), sender })
            }
            Sender::Many(mut shared) => {
                let taken = Taken(Arc::clone(&shared.streams));
                // HTTP/2 has the authority in the target, and no Host.
                request.headers_mut().remove(http::header::HOST);
                if let Some(uri) = self.absolute(&request) {
                    *request.uri_mut() = uri;
                }
                (shared.sender.send_request(request).await?, Back::Many(taken))
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

    async fn open(self: &Arc<Self>, limit: Duration) -> Result<Sender, SendError> {
        let opening = async {
            let connected = connect(&self.endpoint, &self.tls).await?;
            if connected.http2 {
                let (sender, mut connection) = http2::Builder::new(TokioExecutor::new())
                    .timer(TokioTimer::new())
                    .adaptive_window(true)
                    .keep_alive_interval(Duration::from_secs(20))
                    .handshake(connected.io)
                    .await
                    .map_err(|error| self.closed(&error))?;
                let most = Arc::new(AtomicUsize::new(connection.current_max_send_streams()));
                let told = Arc::clone(&most);
                tokio::spawn(std::future::poll_fn(move |cx| {
                    let polled = Pin::new(&mut connection).poll(cx);
                    told.store(connection.current_max_send_streams(), Ordering::Relaxed);
                    polled
                }));
                let shared = Shared { sender, streams: Arc::new(AtomicUsize::new(1)), most };
                lock(&self.shared).push(shared.clone());
                return Ok(Sender::Many(shared));
            }
            let (sender, connection) =
                http1::Builder::new().handshake(connected.io).await.map_err(|error| self.closed(&error))?;
            tokio::spawn(connection);
            Ok(Sender::One(sender))
        };
        match tokio::time::timeout(limit, opening).await {
            Ok(opened) => opened,
            Err(_) => Err(SendError::ConnectTimeout { endpoint: self.endpoint.to_string(), limit }),
        }
    }

    /// Takes a connection back whose answer was read to its end.
    pub(super) fn give_back(self: Arc<Self>, mut sender: http1::SendRequest<Body>) {
        if sender.is_ready() {
            return self.keep(sender);
        }
        tokio::spawn(async move {
            if sender.ready().await.is_ok() {
                self.keep(sender);
            }
        });
    }

    fn keep(&self, sender: http1::SendRequest<Body>) {
        let mut idle = lock(&self.idle);
        idle.retain(|idle| !idle.sender.is_closed() && idle.since.elapsed() < IDLE);
        if idle.len() < MAX_IDLE {
            idle.push(Idle { sender, since: Instant::now() });
        }
    }

    /// Opens a connection if the endpoint should have a warm one and has none.
    pub async fn warm(self: &Arc<Self>, limit: Duration) {
        let touched = self.touched.load(Ordering::Relaxed);
        let recent = touched > 0 && self.now().saturating_sub(touched) < WARM.as_millis() as u64;
        if !recent && !self.keep_warm.load(Ordering::Relaxed) {
            return;
        }
        if self.has_warm() {
            return;
        }
        match self.open(limit).await {
            Ok(Sender::One(mut sender)) => {
                if sender.ready().await.is_ok() {
                    self.keep(sender);
                }
            }
            Ok(Sender::Many(shared)) => drop(Taken(shared.streams)),
            Err(error) => tracing::debug!(%error, "no warm connection"),
        }
    }

    fn has_warm(&self) -> bool {
        let fresh = |idle: &Idle| idle.sender.is_ready() && idle.since.elapsed() < IDLE;
        lock(&self.idle).iter().any(fresh) || lock(&self.shared).iter().any(|shared| !shared.sender.is_closed())
    }

    /// Connections that wait for a request.
    #[must_use]
    pub fn idle_connections(&self) -> usize {
        lock(&self.idle).len() + lock(&self.shared).len()
    }
}

/// A stream of an HTTP/2 connection, given back when dropped.
pub(super) struct Taken(Arc<AtomicUsize>);

impl Drop for Taken {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// An endpoint, and the authorities (PEM) that it is trusted by.
type Trusted = (Endpoint, Option<String>);

/// All pools, found again across policies by endpoint and trust.
#[derive(Debug, Default)]
pub struct Pools {
    pools: Mutex<HashMap<Trusted, Arc<Pool>>>,
}

impl Pools {
    /// The pool of an endpoint, made if there is none.
    ///
    /// # Errors
    /// When the authorities in `ca` can't be used.
    pub fn get(&self, endpoint: Endpoint, ca: Option<&str>) -> Result<Arc<Pool>, super::TlsError> {
        let key = (endpoint, ca.map(str::to_owned));
        let mut pools = lock(&self.pools);
        if let Some(pool) = pools.get(&key) {
            return Ok(Arc::clone(pool));
        }
        let pool = Arc::new(Pool::new(key.0.clone(), super::trust(ca)?));
        pools.insert(key, Arc::clone(&pool));
        Ok(pool)
    }

    /// Lets go of those that nobody uses any more; requests under way keep theirs.
    pub fn retain(&self, used: &[Arc<Pool>]) {
        lock(&self.pools).retain(|_, pool| used.iter().any(|other| Arc::ptr_eq(pool, other)));
    }

    /// All of them, for keeping them warm.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<Pool>> {
        lock(&self.pools).values().cloned().collect()
    }
}

/// A list stays usable though a thread died while it held the lock: each change is one call.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
