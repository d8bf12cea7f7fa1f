//! Sends requests to providers: over a pool of connections, or to the built-in mock.

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

pub use auth::{
    AUTHORITY, AccessToken, Authorization, Authorize, AuthorizeError, ContainerCredentials, EXCHANGE_SERVER,
    EntraApplication, EntraProof, Federation, FetchToken, Fetched, FixedKey, IMPERSONATION_SERVER, INSTANCE_METADATA,
    InstanceMetadata, MetadataServer, SentMask, ServiceAccount, Signer, SigningScope, TOKEN_SERVER, TokenFile,
    TokenServer, TokenSource, UnusableCredential, WebIdentity, container_agent, metadata_server,
};
pub use body::UpstreamBody;
pub use body_error::BodyError;
pub use connect::{Stream, TlsError, tcp, trust};
pub use endpoint::{Endpoint, EndpointError};
pub use pieces::Pieces;
pub use pool::Pool;
pub use pools::{Destination, Draft, Pools};
pub use proxy::{Proxies, Proxy, ProxyError};

/// The transport to a provider.
#[derive(Clone, Debug)]
pub enum Upstream {
    Http(Arc<Pool>),
    Mock(Arc<Mock>),
    /// The provider's type is unknown to this version, so nothing is sent.
    Unsupported,
}

/// A response whose head has arrived.
#[derive(Debug)]
pub struct Sent {
    pub response: Response<UpstreamBody>,
}

/// Why there is no response.
#[derive(Debug, Error)]
pub enum SendError {
    #[error("cannot connect to {endpoint}: {reason}")]
    Connect { endpoint: String, reason: String },
    #[error("TLS with {endpoint} failed: {reason}")]
    Tls { endpoint: String, reason: String },
    #[error("no connection to {endpoint} within {}", crate::duration::text(*.limit))]
    ConnectTimeout { endpoint: String, limit: Duration },
    /// Closed or reset before the head of an answer arrived.
    #[error("{endpoint} closed the connection before it answered: {reason}")]
    Closed {
        endpoint: String,
        reason: String,
        /// The connection was reused: the server may have closed it because it was idle.
        reused: bool,
        /// The server did not process the request: see `watched`.
        unprocessed: bool,
    },
}

impl SendError {
    /// The error of the attempt.
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
    /// Sends a request whose URI has path and query only, and waits for the head of the answer. `fresh`: on a new
    /// connection, because another one has just failed.
    ///
    /// # Errors
    /// [`SendError`] if there is no answer.
    pub async fn send(&self, request: Request<Pieces>, connect: Duration, fresh: bool) -> Result<Sent, SendError> {
        match self {
            Upstream::Http(pool) => pool.send(request, connect, fresh).await,
            Upstream::Mock(mock) => mock.send(request).await,
            Upstream::Unsupported => Err(SendError::Connect {
                endpoint: "the provider".to_owned(),
                reason: "this version does not know its type".to_owned(),
            }),
        }
    }

    /// Records that the provider was a candidate, so that a connection is kept warm.
    pub fn touch(&self) {
        if let Upstream::Http(pool) = self {
            pool.touch();
        }
    }
}
