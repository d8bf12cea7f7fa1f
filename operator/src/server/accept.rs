//! Serves webhooks and streams over TLS, up to a maximum of connections, and stops in an orderly way.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use outrigger_listen::{ConnectionLimits, ConnectionTimeouts, Connections, Eviction, NEVER, Peer, Port, Serve, drain};
use outrigger_sync::PROTOCOL;
use rustls::server::ResolvesServerCert;
use thiserror::Error;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;

use super::route::Router;
use super::{Services, connection};
use crate::stream::STREAMS_MAX;

/// The limit of connections. Each stream has one; the rest is for the API server and for clients that are not
/// authenticated yet.
const CONNECTIONS_MAX: usize = STREAMS_MAX + 1_024;
/// With TLS, only hyper sees heads and pings, so it times them. This port only closes idle connections; the API
/// server's own idle limit is 90 s.
const TIMEOUTS: ConnectionTimeouts = ConnectionTimeouts { head: NEVER, idle: Duration::from_secs(120), unread: NEVER };
/// How long new connections are accepted after the shutdown begins. The Service still sends some until every node knows
/// of the change, and a refused review means a pod that is not created. On a busy cluster this takes time, so each new
/// connection restarts the wait, up to [`LINGER_MAX`].
const LINGER: Duration = Duration::from_secs(8);
const LINGER_MAX: Duration = Duration::from_secs(16);
/// How long running requests may take after that. All together less than the pod's `terminationGracePeriodSeconds`.
const DRAIN: Duration = Duration::from_secs(10);

/// Why the listener cannot serve.
#[derive(Debug, Error)]
#[error("TLS can't be set up: {0}")]
pub struct TlsConfigError(#[from] rustls::Error);

/// A configured listener.
pub struct TlsServer {
    tls: TlsAcceptor,
    router: Arc<Router>,
    linger: Duration,
}

impl std::fmt::Debug for TlsServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TlsServer").field("router", &self.router).finish_non_exhaustive()
    }
}

impl TlsServer {
    /// # Errors
    /// [`TlsConfigError`].
    pub fn new(certificates: Arc<dyn ResolvesServerCert>, services: Services) -> Result<Self, TlsConfigError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut tls = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(certificates);
        tls.alpn_protocols = vec![PROTOCOL.into(), connection::HTTP2.to_vec(), b"http/1.1".to_vec()];
        Ok(TlsServer { tls: TlsAcceptor::from(Arc::new(tls)), router: Arc::new(Router::new(services)), linger: LINGER })
    }

    /// Sets another wait for new connections after the shutdown begins.
    #[must_use]
    pub fn linger(self, linger: Duration) -> Self {
        TlsServer { linger, ..self }
    }

    /// Serves until `shutdown` completes. Then streams end, and reviews are still answered for a while.
    pub async fn run(self, listener: TcpListener, shutdown: impl Future<Output = ()>) {
        let streams = Arc::clone(&self.router.services().streams);
        let (stop, stopped) = watch::channel(());
        let (came, mut comes) = watch::channel(());
        let mut accepting = JoinSet::new();
        let limits = ConnectionLimits {
            connections: CONNECTIONS_MAX,
            per_address: None,
            over_limit: 0,
            // A client that only holds a connection open must not block the API server.
            eviction: Eviction::UnservedFirst,
            timeouts: TIMEOUTS,
        };
        // Every accepted connection is served, because a refused review means a pod that is not created.
        let port = Port { connections: Arc::new(Connections::new(limits)), evict_also_from: None, serve_backlog: true };
        let serving = TlsPort { tls: self.tls, router: self.router, stopped: stopped.clone(), came };
        accepting.spawn(outrigger_listen::accept(listener, port, serving, stopped));
        tokio::select! {
            () = streams.keep_fresh() => {}
            () = shutdown => {}
        }
        streams.hub().close();
        linger(self.linger, &mut comes).await;
        drop(stop);
        drain(accepting, DRAIN).await;
    }
}

/// Waits until no connection has come for `quiet`, and at most for [`LINGER_MAX`].
async fn linger(quiet: Duration, comes: &mut watch::Receiver<()>) {
    comes.mark_unchanged();
    let end = Instant::now() + LINGER_MAX.max(quiet);
    while let Ok(Ok(())) = tokio::time::timeout_at(end.min(Instant::now() + quiet), comes.changed()).await {}
}

/// What every connection needs. `came` is notified of each.
struct TlsPort {
    tls: TlsAcceptor,
    router: Arc<Router>,
    stopped: watch::Receiver<()>,
    came: watch::Sender<()>,
}

impl Serve for TlsPort {
    fn serve(
        &self,
        stream: TcpStream,
        remote: SocketAddr,
        peer: Arc<Peer>,
    ) -> impl Future<Output = ()> + Send + 'static {
        self.came.send_replace(());
        let (tls, router, stopped) = (self.tls.clone(), Arc::clone(&self.router), self.stopped.clone());
        connection::serve(stream, remote, tls, router, peer, stopped)
    }

    fn rejected(&self, remote: SocketAddr) {
        tracing::warn!(peer = %remote, "too many connections, each with a request: closed a new one");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How long it lingers if a connection comes at this interval.
    async fn lingers(every: Option<Duration>) -> Duration {
        let (came, mut comes) = watch::channel(());
        // A connection from before the shutdown must not count.
        came.send_replace(());
        let coming = tokio::spawn(async move {
            let Some(every) = every else { return std::future::pending().await };
            loop {
                tokio::time::sleep(every).await;
                came.send_replace(());
            }
        });
        let began = Instant::now();
        linger(LINGER, &mut comes).await;
        coming.abort();
        began.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn new_connections_extend_the_wait_up_to_a_limit() {
        let close = |took: Duration, expected: Duration| took.abs_diff(expected) < Duration::from_millis(10);
        assert!(close(lingers(None).await, LINGER));
        assert!(close(lingers(Some(LINGER * 2)).await, LINGER));
        assert!(close(lingers(Some(LINGER / 2)).await, LINGER_MAX));
    }
}
