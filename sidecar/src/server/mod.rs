//! The listeners: connections, who may call over them, and what operators and kubelets ask.

pub mod accept;
mod admin;
pub mod probe;
pub mod process_memory;
mod unread;
