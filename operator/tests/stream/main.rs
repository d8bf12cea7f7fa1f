//! The listener and its streams in one process: real TLS over loopback, and a fake cluster.

#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "../support/api_server.rs"]
mod api_server;
mod claims;
mod client;
mod concurrent;
mod history;
mod memory_store;
mod moved;
#[path = "../ledger/postgres_server.rs"]
#[allow(dead_code, reason = "its own tests use all of it")]
mod postgres_server;
mod pushes;
mod serves;
mod shares;
mod store_faults;
mod tokens;
mod waits;
mod world;
