//! Why there is no stream to the operator.

use std::io;
use std::path::PathBuf;

use http::uri::Authority;
use outrigger_sync::LineError;
use thiserror::Error;

use crate::config::files::FilesError;
use crate::upstream::TlsError;

/// Why a stream did not open, or has ended. Never contains a token.
#[derive(Debug, Error)]
pub enum StreamEnded {
    #[error("the operator's authorities are missing: {} is not mounted yet", path.display())]
    NoAuthorities { path: PathBuf },
    #[error("the operator's authorities in {} cannot be used: {source}", path.display())]
    Authorities { path: PathBuf, source: TlsError },
    #[error(transparent)]
    Files(FilesError),
    #[error("the pod's token in {} cannot be read: {source}", path.display())]
    Token { path: PathBuf, source: io::Error },
    #[error("the pod's token in {} is empty, or has characters that are not allowed in a header", path.display())]
    NoToken { path: PathBuf },
    #[error("cannot connect to the operator at {address}: {source}")]
    Connect { address: String, source: io::Error },
    #[error("TLS with the operator at {address} failed: {source}")]
    Tls { address: String, source: io::Error },
    #[error("the operator at {address} did not answer within {seconds} s")]
    TimedOut { address: String, seconds: u64 },
    #[error("HTTP with the operator at {address} failed: {source}")]
    Http { address: String, source: hyper::Error },
    #[error("the operator answers {status}{}", suffix(.message))]
    Refused { status: u16, message: Option<String> },
    #[error("another replica of the operator leads, at {0}")]
    NotLeader(Authority),
    #[error("the operator has sent nothing for {seconds} s")]
    Silent { seconds: u64 },
    #[error("the operator closed the stream")]
    Closed,
    #[error("the connection to the operator broke: {0}")]
    Broken(Box<dyn std::error::Error + Send + Sync>),
    #[error("the operator does not read this gateway's reports")]
    Unread,
    #[error(transparent)]
    Line(#[from] LineError),
}

impl StreamEnded {
    /// Whether this is expected, as during every rollout of the operator.
    pub(super) fn is_expected(&self) -> bool {
        matches!(self, StreamEnded::Closed | StreamEnded::NotLeader(_) | StreamEnded::NoAuthorities { .. })
    }
}

fn suffix(message: &Option<String>) -> String {
    message.as_ref().map_or_else(String::new, |message| format!(": {message}"))
}
