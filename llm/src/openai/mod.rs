//! The OpenAi dialect.

pub mod fields;
pub mod request;
pub mod response;
pub mod stream;
