//! `GenerateContentRequest`: the conversation, its tools and its configuration.

mod contents;
mod decode;
mod encode;
mod thinking;

pub use decode::decode;
pub use encode::encode;
pub(crate) use encode::stand_in;

#[cfg(test)]
mod tests;
