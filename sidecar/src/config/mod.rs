//! The sources of policies: mounted files, the operator's stream, and the snapshot of the previous process.

pub mod files;
pub mod folder_watch;
mod mounted;
mod snapshot;
pub mod source;
pub(crate) mod status;
pub mod stream;
