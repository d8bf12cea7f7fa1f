//! The body of `POST /v1/messages`: decodes it from a caller and encodes it for an upstream.

mod decode;
mod encode;

pub use decode::decode;
pub use encode::encode;
