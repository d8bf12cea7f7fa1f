//! Tests the ledger's stores against the same contract.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic, outside its own function as well")]

#[path = "../support/api_server.rs"]
mod api_server;
mod contract;
mod kubernetes;
mod migrate;
mod postgres;
mod postgres_server;
