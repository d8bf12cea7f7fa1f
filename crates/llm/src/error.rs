//! Why a request or an answer can't be translated.

use thiserror::Error;

use crate::Dialect;

/// Why a request can't be read, or can't be written for an upstream.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RequestError {
    /// The caller's mistake: a field has the wrong shape.
    #[error("{path}: {problem}")]
    Invalid { path: String, problem: String },
    /// The upstream's dialect can't express it.
    #[error("{field} cannot be expressed in the {upstream} dialect")]
    Unsupported { field: String, upstream: Dialect },
}

/// An answer that is not of its dialect.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("not a {dialect} answer: {problem}")]
pub struct Malformed {
    pub dialect: Dialect,
    pub problem: String,
}
