//! Streams: `chat.completion.chunk` events, ended by `[DONE]`.

mod decoder;
mod encoder;

pub use decoder::Decoder;
pub use encoder::Encoder;
