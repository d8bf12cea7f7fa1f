//! Where policies come from: mounted files, the operator's stream, and what the last process put by.

pub mod files;
pub mod folder_watch;
mod mounted;
mod snapshot;
pub mod source;
pub(crate) mod status;
pub mod stream;
