//! Taking connections, as many as there may be.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use rustls::server::ResolvesServerCert;
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::connections::{ConnectionSlot, Connections};
use super::route::Router;
use super::{Services, connection};
use crate::stream::hub::STREAMS_MAX;

/// Streams have one each; the rest is for the API server, and for those that were not yet let in.
const CONNECTIONS_MAX: usize = STREAMS_MAX + 1_024;
/// How long connections are still taken after shutdown was asked for: the Service goes on sending some here until every node
/// has heard of it, and a review that is refused is a pod that is not made.
const LINGER: Duration = Duration::from_secs(5);
/// How long requests under way may take after that.
const DRAIN: Duration = Duration::from_secs(15);

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
        tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(TlsServer { tls: TlsAcceptor::from(Arc::new(tls)), router: Arc::new(Router::new(services)), linger: LINGER })
    }

    /// For another time between shutdown and the end of taking connections.
    #[must_use]
    pub fn linger(self, linger: Duration) -> Self {
        TlsServer { linger, ..self }
    }

    /// Serves until `shutdown` is over; then streams end, and reviews are answered for a while yet.
    pub async fn run(self, listener: TcpListener, shutdown: impl Future<Output = ()>) {
        let streams = Arc::clone(&self.router.services().streams);
        let (stop, stopped) = watch::channel(());
        let mut accepting = JoinSet::new();
        accepting.spawn(accept(listener, self.tls, self.router, stopped));
        tokio::select! {
            () = streams.keep_fresh() => {}
            () = shutdown => {}
        }
        streams.hub().close();
        tokio::time::sleep(self.linger).await;
        drop(stop);
        let drained = async { while accepting.join_next().await.is_some() {} };
        if tokio::time::timeout(DRAIN, drained).await.is_err() {
            tracing::warn!("requests were still under way when the time to drain was over");
        }
    }
}

/// Accepts connections until the sender of `stopped` is gone, then waits for the open ones.
async fn accept(listener: TcpListener, tls: TlsAcceptor, router: Arc<Router>, mut stopped: watch::Receiver<()>) {
    let mut connections = Connections::new(CONNECTIONS_MAX);
    let mut tasks = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            biased;
            _ = stopped.changed() => break,
            Some(_) = tasks.join_next(), if !tasks.is_empty() => continue,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((_, peer)) if !connections.has_room() => {
                tracing::warn!(%peer, "too many connections, and a request on each: one was closed at once");
            }
            Ok((stream, peer)) => {
                let (tls, router, stopped) = (tls.clone(), Arc::clone(&router), stopped.clone());
                let slot = Arc::new(ConnectionSlot::default());
                let serving = connection::serve(stream, peer, tls, router, Arc::clone(&slot), stopped);
                connections.add(slot, tasks.spawn(serving));
            }
            Err(error) => {
                // Out of descriptors, most likely: others must end before the next can begin.
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
    drop(listener);
    while tasks.join_next().await.is_some() {}
}
