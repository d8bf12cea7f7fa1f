//! Why an answer's body broke off.

use thiserror::Error;

/// Why an answer ended before its end.
#[derive(Debug, Error)]
pub enum BodyError {
    #[error("the connection was lost: {0}")]
    Lost(String),
    #[error("the answer's compression cannot be read: {0}")]
    Compression(String),
}
