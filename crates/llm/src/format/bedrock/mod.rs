//! The Bedrock dialect: `Converse` and `ConverseStream` of Amazon Bedrock, of callers and upstreams.
//!
//! Claude has a second API there, `InvokeModel`, whose bodies are Anthropic's: see
//! [`BEDROCK_CLAUDE`](crate::provider::BEDROCK_CLAUDE). Sources: the service model of botocore and recorded
//! exchanges.

mod citations;
pub(crate) mod errors;
pub mod fields;
mod finish;
pub(crate) mod listing;
pub(crate) mod marks;
mod media;
pub mod request;
pub mod response;
pub mod stream;
mod tool_id;
pub(crate) mod usage;
pub(crate) mod watch;

pub use errors::exception;
