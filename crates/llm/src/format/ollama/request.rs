//! A request for `POST /api/chat`.

mod decode;
mod encode;
mod messages;
mod settings;

pub use decode::decode;
pub use encode::encode;
pub(super) use messages::images;
pub(super) use settings::setting;

#[cfg(test)]
mod tests;
