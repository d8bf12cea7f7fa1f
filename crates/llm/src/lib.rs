//! The wire formats of LLM providers: pure functions from bytes to values and back.
//!
//! Three dialects, each as caller and as upstream. A request of one dialect becomes a
//! [`chat::Request`], a value that belongs to none of them, and is told in another; answers and
//! streams come back the same way. Where caller and upstream speak alike nothing here is asked:
//! their bytes go through, but for the edits that [`scan`] finds the places of.
//!
//! No I/O, no clock, no randomness: what is needed of those is an argument.

pub mod anthropic;
pub mod caching;
pub mod capture;
pub mod chat;
pub mod classify;
mod dialect;
pub mod embeddings;
mod error;
pub mod estimate;
mod exchange;
pub mod foreign;
pub mod gemini;
pub mod media;
pub mod meter;
pub mod models;
pub mod needs;
pub mod openai;
pub mod operation;
pub mod path;
mod pieces;
pub mod plausible;
pub mod provider;
mod raw;
pub mod refusal;
pub mod registry;
pub mod relay;
pub mod scan;
pub mod sse;
pub mod strict;
pub mod usage;
pub mod weigh;

pub use dialect::Dialect;
pub use error::{Malformed, RequestError};
pub use exchange::{Answer, EncodedRequest};
pub use registry::{
    StreamDecoder, StreamEncoder, decode_request, decode_response, encode_request, encode_request_within,
    encode_response,
};
