//! The body of `POST /v1/messages`, from a caller and to an upstream.

mod decode;
mod encode;

pub use decode::decode;
pub use encode::encode;
