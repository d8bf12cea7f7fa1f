//! The event stream of `POST /v1/messages` with `stream: true`, from an upstream and to a caller.

pub use super::decoder::Decoder;
pub use super::encoder::Encoder;
