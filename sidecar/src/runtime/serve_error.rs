//! Why a policy cannot be served.

use outrigger_policy::{BuildError, LimitError};
use thiserror::Error;

use crate::runtime::journal::JournalError;
use crate::upstream::{EndpointError, ProxyError, TlsError};

/// Why a document cannot be served.
#[derive(Debug, Error)]
pub enum ServeError {
    #[error(transparent)]
    Policy(#[from] BuildError),
    #[error("LLMProvider {provider}: spec.endpoint: {source}")]
    Endpoint { provider: String, source: EndpointError },
    #[error("LLMProvider {provider}: spec.endpoint is required for type {kind}")]
    NoEndpoint { provider: String, kind: String },
    #[error("LLMProvider {provider}: spec.tls.caRef: {source}")]
    Tls { provider: String, source: TlsError },
    /// `path`: the field of the object, or another place that sets the proxy.
    #[error("LLMProvider {provider}: {path}: {source}")]
    Proxy { provider: String, path: &'static str, source: ProxyError },
    #[error(transparent)]
    Limit(#[from] LimitError),
    #[error(transparent)]
    Accounts(#[from] JournalError),
    #[error(
        "LLMProvider {provider}: credential {credential}: the value in Secret {secret} has characters that are not allowed in a header"
    )]
    Credential { provider: String, credential: String, secret: String },
}
