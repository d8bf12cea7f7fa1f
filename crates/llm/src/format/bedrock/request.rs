//! The body of `Converse` and `ConverseStream`: decodes it from a caller and encodes it for an upstream.

mod blocks;
mod decode;
mod encode;
mod extra_fields;
mod sources;
mod turns;

pub use decode::decode;
pub use encode::encode;

#[cfg(test)]
mod tests;
