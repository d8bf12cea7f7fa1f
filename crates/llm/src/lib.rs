//! The wire formats of LLM providers: pure functions from bytes to values and back.
//!
//! Three dialects, each as caller and as upstream. A request of one dialect becomes a
//! [`chat::Request`], a value that belongs to none of them, and is told in another; answers and
//! streams come back the same way. Where caller and upstream speak alike nothing here is asked:
//! their bytes go through, but for the edits that [`passthrough::scan`] finds the places of.
//!
//! No I/O, no clock, no randomness: what is needed of those is an argument.

pub mod capture;
pub mod chat;
mod dialect;
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
pub mod tokens;

pub use dialect::{Dialect, Format};
pub use error::{Malformed, RequestError};
pub use exchange::{Answer, EncodedRequest};
pub use registry::{StreamDecoder, StreamEncoder, decode_request, decode_response, encode_request, encode_response};
