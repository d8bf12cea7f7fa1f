//! A streamed answer: lines of JSON. Text and thinking come in pieces, calls of tools whole. The last line is `done`.

mod decoder;
mod encoder;

pub use decoder::Decoder;
pub use encoder::Encoder;

#[cfg(test)]
mod tests;
