//! The objects in a cluster, after the leader has planned and written.
#![allow(clippy::unwrap_used, reason = "a test may panic, outside its own function as well")]

mod applies;
mod leads;
#[path = "../support/api_server.rs"]
mod server;
mod statuses;
