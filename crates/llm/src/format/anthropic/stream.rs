//! The event stream of `POST /v1/messages` with `stream: true`: decodes it from an upstream and encodes it for a
//! caller.

mod decoder;
mod encoder;

pub use decoder::Decoder;
pub use encoder::Encoder;
