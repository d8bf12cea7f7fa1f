//! The body of `POST /v1/messages`, from a caller and to an upstream.

pub use super::caller::decode;
pub use super::upstream::encode;
