//! The OpenAI dialect: `chat/completions`, of callers and of dozens of providers.
//!
//! The encoder follows OpenAI's own schema; the decoder accepts everything that compatible providers are known to send.

mod answer;
pub(crate) mod citations;
pub(crate) mod conform;
pub(crate) mod content;
pub(crate) mod errors;
pub mod fields;
mod finish;
pub(crate) mod listing;
pub(crate) mod marks;
pub(crate) mod messages;
pub(crate) mod model;
pub mod request;
pub mod response;
pub(crate) mod shape;
pub mod stream;
pub(crate) mod thinking;
mod thoughts;
pub(crate) mod tool_id;
pub(crate) mod tools;
mod usage;
pub(crate) mod watch;
pub(crate) mod watched_usage;
