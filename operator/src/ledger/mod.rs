//! The ledger: one account for all gateways that share a limit. Here are its stores, and the limits that are shared.

pub mod finding_words;
pub mod limits;
pub mod store;
