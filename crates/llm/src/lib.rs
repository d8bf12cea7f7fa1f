//! The wire formats of LLM providers: pure functions from bytes to values and back.
//!
//! A request in one format becomes a [`chat::ChatRequest`], which belongs to no format, and is then written in another
//! format. Answers and streams are translated back in the same way. If caller and upstream use the same dialect, their
//! bytes pass through, except for the edits of [`passthrough::scan`].
//!
//! | module | holds |
//! |---|---|
//! | [`chat`] | a conversation that belongs to no format |
//! | [`embeddings`] | embeddings that belong to no dialect, and their codecs |
//! | [`rerank`] | the same for the relevance of documents |
//! | [`mod@format`] | the formats, a folder each |
//! | [`framing`] | streams split into events |
//! | [`provider`] | provider types as rows, and the target that a request is written for |
//! | [`passthrough`] | bodies and streams that keep their format |
//! | [`tokens`] | estimates, meters and usage |
//! | [`errors`] | providers' errors by class, and the gateway's own |
//! | [`registry`] | the only module that names every format |
//!
//! No I/O, no clock, no randomness: these are arguments where they are needed.

pub mod capture;
pub mod chat;
mod dialect;
pub mod embeddings;
mod error;
pub mod errors;
mod exchange;
pub mod format;
pub mod framing;
pub mod json;
pub mod listing;
pub mod media;
pub mod operation;
pub mod passthrough;
pub mod path;
pub mod provider;
pub mod registry;
pub mod rerank;
pub mod tokens;
pub mod usage;

pub use dialect::{CallerFormat, Dialect, Format};
pub use error::{Malformed, RequestError};
pub use exchange::{Answer, EncodedRequest};
pub use registry::{StreamDecoder, StreamEncoder, decode_request, decode_response, encode_request, encode_response};
