//! Requests for `POST /v2/chat`: the conversation, its tools and its settings.

mod decode;
mod encode;
mod messages;

pub use decode::decode;
pub use encode::encode;

#[cfg(test)]
mod tests;
