//! Following the cluster: which kinds are watched, how a watch goes on for ever, and where its news goes.

pub mod dispatch;
pub mod kinds;
pub mod relist;
pub mod secrets;
pub mod watcher;
