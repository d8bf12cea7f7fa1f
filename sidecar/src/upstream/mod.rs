//! The way to a provider: a pool of connections, or the built-in mock, behind one seam.

mod auth;
mod body;
mod body_error;
mod connect;
mod endpoint;
mod fair;
mod inflate;
pub(crate) mod mask;
pub mod mock;
mod opening;
mod pieces;
mod pool;
mod pools;
mod proxy;
mod reach;
mod watched;

use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use thiserror::Error;

use crate::telemetry::attempt_error::AttemptError;
use crate::upstream::mock::Mock;

pub use auth::{Authorization, Authorize, AuthorizeError, FetchToken, Token, TokenSource};
pub use body::UpstreamBody;
pub use body_error::BodyError;
pub use connect::{Stream, TlsError, tcp, trust};
pub use endpoint::{Endpoint, EndpointError};
pub use pieces::Pieces;
pub use pool::Pool;
pub use pools::{Destination, Draft, Pools};
pub use proxy::{Proxies, Proxy, ProxyError};

/// A provider, as far as sending goes.
#[derive(Clone, Debug)]
pub enum Upstream {
    Http(Arc<Pool>),
    Mock(Arc<Mock>),
    /// Of a type that this version does not know: never asked.
    Nobody,
}

/// An answer's head, and its body to come.
#[derive(Debug)]
pub struct Sent {
    pub response: Response<UpstreamBody>,
}

/// Why no answer came.
#[derive(Debug, Error)]
pub enum SendError {
    #[error("cannot connect to {endpoint}: {reason}")]
    Connect { endpoint: String, reason: String },
    #[error("TLS with {endpoint} failed: {reason}")]
    Tls { endpoint: String, reason: String },
    #[error("no connection to {endpoint} within {}", crate::duration::text(*.limit))]
    ConnectTimeout { endpoint: String, limit: Duration },
    /// Closed or reset before an answer's head was there.
    #[error("{endpoint} closed the connection before it answered: {reason}")]
    Closed {
        endpoint: String,
        reason: String,
        /// It had served a request before: the other side may just have grown tired of waiting.
        kept: bool,
        /// Nobody has looked at the request: see `watched`.
        unprocessed: bool,
    },
}

impl SendError {
    /// How the attempt failed.
    #[must_use]
    pub fn attempt_error(&self) -> AttemptError {
        match self {
            SendError::Connect { .. } => AttemptError::Connect,
            SendError::Tls { .. } => AttemptError::Tls,
            SendError::ConnectTimeout { .. } => AttemptError::TimeoutConnect,
            SendError::Closed { .. } => AttemptError::Cut,
        }
    }
}

impl Upstream {
    /// Sends a request whose URI has path and query only, and waits for the answer's head. `fresh`: on a connection of its
    /// own making, for another one has just failed.
    ///
    /// # Errors
    /// [`SendError`], when there is none.
    pub async fn send(&self, request: Request<Pieces>, connect: Duration, fresh: bool) -> Result<Sent, SendError> {
        match self {
            Upstream::Http(pool) => pool.send(request, connect, fresh).await,
            Upstream::Mock(mock) => mock.send(request).await,
            Upstream::Nobody => Err(SendError::Connect {
                endpoint: "the provider".to_owned(),
                reason: "its type is not known to this version".to_owned(),
            }),
        }
    }

    /// Says that the provider was a candidate, so that a connection is kept warm.
    pub fn touch(&self) {
        if let Upstream::Http(pool) = self {
            pool.touch();
        }
    }
}
