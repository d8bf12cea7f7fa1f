//! Ollama's own API: conversations at `POST /api/chat`, and single prompts at `POST /api/generate`.
//!
//! Tools are declared as in OpenAI's chat completions. Calls have objects as arguments and often no ids, so a result
//! names its tool, and belongs to the first call of that tool without a result. A stream is the default. Source: the
//! `ollama` SDK.

pub(crate) mod errors;
pub mod fields;
mod finish;
pub mod generate;
pub(crate) mod listing;
pub(crate) mod marks;
pub mod request;
pub mod response;
pub mod stream;
mod usage;
pub(crate) mod watch;

use crate::{Dialect, Malformed, RequestError};

fn unsupported(field: &str) -> RequestError {
    RequestError::Unsupported { field: field.to_owned(), upstream: Dialect::Ollama }
}

fn malformed(problem: impl Into<String>) -> Malformed {
    Malformed { dialect: Dialect::Ollama, problem: problem.into() }
}
