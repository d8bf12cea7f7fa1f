//! Watches of the cluster: which kinds, how a watch recovers, and where its updates go.

pub mod dispatch;
pub mod kinds;
pub mod relist;
pub mod secrets;
pub mod watcher;
