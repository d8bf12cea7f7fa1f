//! Where policies come from: mounted files, the operator's stream, and what the last process put by.

pub mod files;
pub mod follow;
mod held;
pub mod intake;
mod mounted;
pub(crate) mod status;
pub mod stream;
