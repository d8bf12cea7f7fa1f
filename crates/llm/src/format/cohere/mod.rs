//! The Cohere dialect: version 2 of Cohere's API.
//!
//! Tools, calls and pictures are written as in OpenAI's chat completions, so those are read and written with OpenAI's
//! code. Source: the `cohere` SDK (`cohere/v2`).

mod citations;
pub(crate) mod errors;
pub mod fields;
mod finish;
pub(crate) mod listing;
pub(crate) mod marks;
pub mod request;
pub mod response;
pub mod stream;
mod usage;
pub(crate) mod watch;

use crate::{Dialect, Malformed, RequestError};

fn unsupported(field: &str) -> RequestError {
    RequestError::Unsupported { field: field.to_owned(), upstream: Dialect::Cohere }
}

fn malformed(problem: impl Into<String>) -> Malformed {
    Malformed { dialect: Dialect::Cohere, problem: problem.into() }
}
