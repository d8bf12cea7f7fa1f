//! Serves webhooks and streams over TLS, up to a maximum of connections, and stops in an orderly way.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use outrigger_listen::{ConnectionLimits, ConnectionTimeouts, Connections, Eviction, NEVER, Peer, Port, Serve, drain};
use rustls::server::ResolvesServerCert;
use thiserror::Error;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;

use super::route::Router;
use super::{Services, connection};
use crate::stream::hub::STREAMS_MAX;

/// Streams have one each; the rest is for the API server, and for those that were not yet let in.
const CONNECTIONS_MAX: usize = STREAMS_MAX + 1_024;
/// TLS hides what else a connection waits for: hyper times heads, and a peer that does not answer pings is gone. A connection
/// without a request is closed. The API server keeps its own for 90 s.
const TIMEOUTS: ConnectionTimeouts = ConnectionTimeouts { head: NEVER, idle: Duration::from_secs(120), unread: NEVER };
/// How long connections are still taken after shutdown was asked for: the Service goes on sending some here until every node
/// has heard of it, and a review that is refused is a pod that is not made. On a busy cluster that takes its time, so each
/// new connection begins it anew, until [`LINGER_MAX`] is over.
const LINGER: Duration = Duration::from_secs(8);
const LINGER_MAX: Duration = Duration::from_secs(16);
/// How long requests under way may take after that. Together less than the pod's `terminationGracePeriodSeconds`.
const DRAIN: Duration = Duration::from_secs(10);

/// Why nothing is served.
#[derive(Debug, Error)]
#[error("TLS can't be set up: {0}")]
pub struct TlsConfigError(#[from] rustls::Error);

/// Ready to take connections.
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
        tls.alpn_protocols = vec![connection::HTTP2.to_vec(), b"http/1.1".to_vec()];
        Ok(TlsServer { tls: TlsAcceptor::from(Arc::new(tls)), router: Arc::new(Router::new(services)), linger: LINGER })
    }

    /// For another time without a new connection between shutdown and the end of taking them.
    #[must_use]
    pub fn linger(self, linger: Duration) -> Self {
        TlsServer { linger, ..self }
    }

    /// Serves until `shutdown` is over; then streams end, and reviews are answered for a while yet.
    pub async fn run(self, listener: TcpListener, shutdown: impl Future<Output = ()>) {
        let streams = Arc::clone(&self.router.services().streams);
        let (stop, stopped) = watch::channel(());
        let (came, mut comes) = watch::channel(());
        let mut accepting = JoinSet::new();
        let limits = ConnectionLimits {
            connections: CONNECTIONS_MAX,
            per_address: None,
            over_limit: 0,
            // Somebody who only holds a connection open must not keep out the API server.
            eviction: Eviction::UnservedFirst,
            timeouts: TIMEOUTS,
        };
        // Who has connected is answered: a review that is refused is a pod that is not made.
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

/// Waits until so long no connection has come, and no longer than for [`LINGER_MAX`].
async fn linger(quiet: Duration, comes: &mut watch::Receiver<()>) {
    comes.mark_unchanged();
    let end = Instant::now() + LINGER_MAX.max(quiet);
    while let Ok(Ok(())) = tokio::time::timeout_at(end.min(Instant::now() + quiet), comes.changed()).await {}
}

/// What connections need. `came` is told of each.
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

    /// How long it lingers where a connection comes so often.
    async fn lingers(every: Option<Duration>) -> Duration {
        let (came, mut comes) = watch::channel(());
        // Of before the end: it says nothing.
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
    async fn as_long_as_connections_come_it_is_not_over_but_not_for_ever() {
        let close = |took: Duration, expected: Duration| took.abs_diff(expected) < Duration::from_millis(10);
        assert!(close(lingers(None).await, LINGER));
        assert!(close(lingers(Some(LINGER * 2)).await, LINGER));
        assert!(close(lingers(Some(LINGER / 2)).await, LINGER_MAX));
    }
}
