//! The OpenAI dialect: `chat/completions`, as callers send it and as dozens of providers answer it.
//!
//! What we write keeps to OpenAI's own schema; what we read may be anything that providers who call
//! themselves compatible were seen to send.

mod answer;
mod content;
pub(crate) mod errors;
pub mod fields;
mod finish;
pub(crate) mod listing;
pub(crate) mod marks;
mod messages;
pub(crate) mod model;
pub mod request;
pub mod response;
mod shape;
pub mod stream;
mod thinking;
pub(crate) mod tool_id;
mod tools;
mod usage;
pub(crate) mod watch;
pub(crate) mod watched_usage;
