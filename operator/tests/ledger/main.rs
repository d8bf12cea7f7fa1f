//! The ledger's stores, held to one contract.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic, outside its own function as well")]

mod api_server;
mod contract;
mod kubernetes;
mod postgres;
mod postgres_server;
