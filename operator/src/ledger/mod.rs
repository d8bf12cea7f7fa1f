//! The ledger's leader in this process: its stores.

pub mod store;
