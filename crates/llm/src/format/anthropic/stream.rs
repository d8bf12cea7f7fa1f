//! The event stream of `POST /v1/messages` with `stream: true`, from an upstream and to a caller.

mod decoder;
mod encoder;

pub use decoder::Decoder;
pub use encoder::Encoder;
