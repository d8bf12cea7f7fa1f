//! The listener and its streams in one process: real TLS over loopback, and a fake cluster.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod claims;
mod client;
mod concurrent;
mod memory_store;
mod pushes;
mod serves;
mod shares;
mod tokens;
mod waits;
mod world;
