//! Why the body of an answer broke off.

use thiserror::Error;

/// Why an answer ended early.
#[derive(Debug, Error)]
pub enum BodyError {
    #[error("the connection was lost: {0}")]
    Lost(String),
    #[error("the answer's compression cannot be read: {0}")]
    Compression(String),
}
