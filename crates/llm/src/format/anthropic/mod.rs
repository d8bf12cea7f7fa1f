//! The Anthropic dialect: the messages API, of callers and upstreams.
//!
//! Sources: the types of Anthropic's own SDKs (including beta ones) and recorded exchanges.

mod blocks;
mod citations;
pub(crate) mod errors;
pub mod fields;
pub(crate) mod listing;
pub(crate) mod marks;
pub(crate) mod models;
pub mod request;
pub mod response;
pub(crate) mod schema;
pub(crate) mod shape;
pub mod stream;
pub(crate) mod tool_id;
mod turns;
pub(crate) mod usage;
pub(crate) mod watch;
