//! The Anthropic dialect.

pub mod fields;
pub mod request;
pub mod response;
pub mod stream;
