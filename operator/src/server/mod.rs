//! The TLS listener: webhooks of the API server and the streams of gateways. HTTP/1.1, HTTP/2
//! and the streams' own protocol on one port.
//!
//! Everything that a client could make grow is bounded: connections, heads, bodies, the memory for all bodies together,
//! and the time for each.

mod accept;
mod connection;
pub mod handlers;
mod review_queue;
mod route;
mod stream_connection;

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use bytes::Bytes;
use http::StatusCode;
use rustls::server::ResolvesServerCert;
use tokio::net::TcpListener;

use crate::stream::Streams;

pub use accept::{TlsConfigError, TlsServer};

/// Answers the API server's reviews. Called on a thread of its own, where a panic only fails the review.
pub trait AnswerReview: Send + Sync + 'static {
    /// `path` is the request's, `/admit/…`. Both bodies are JSON.
    fn admit(&self, path: &str, body: Bytes) -> (StatusCode, Bytes);
}

impl<F: Fn(&str, Bytes) -> (StatusCode, Bytes) + Send + Sync + 'static> AnswerReview for F {
    fn admit(&self, path: &str, body: Bytes) -> (StatusCode, Bytes) {
        self(path, body)
    }
}

/// The handlers of the listener.
#[derive(Clone)]
pub struct Services {
    pub admit: Arc<dyn AnswerReview>,
    pub streams: Arc<Streams>,
}

impl fmt::Debug for Services {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Services").field("streams", &self.streams).finish_non_exhaustive()
    }
}

/// Serves until `shutdown` completes. Then streams end, and reviews are still answered for some seconds.
///
/// # Errors
/// [`TlsConfigError`] if TLS can't be set up.
pub async fn serve(
    listener: TcpListener,
    certificates: Arc<dyn ResolvesServerCert>,
    services: Services,
    shutdown: impl Future<Output = ()>,
) -> Result<(), TlsConfigError> {
    TlsServer::new(certificates, services)?.run(listener, shutdown).await;
    Ok(())
}
