//! The listeners: connections, admission of requests, the admin port and probes.

pub mod accept;
mod admin;
pub mod probe;
pub mod process_memory;
mod unread;
