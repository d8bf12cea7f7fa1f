//! The ledger: one account for all gateways that share a limit.
//!
//! ```text
//! plans ─► PlannedLimits ─┐
//! gateways ─► stream ─────┼─► LedgerDriver ─► LedgerStore (Kubernetes objects, PostgreSQL)
//! pods ───────────────────┘        └─► stream ─► gateways
//! ```
//!
//! Limits on concurrent requests have no store: see [`permits`].
//!
//! What is granted to whom is decided by [`outrigger_ledger::shared::leader`], which does no I/O. Here are its stores, and what
//! feeds it.

pub mod actions;
pub mod driver;
pub mod figures;
pub mod finding_words;
pub mod findings;
pub mod history;
pub mod limits;
pub mod migrate;
pub mod owned;
pub mod permits;
pub mod store;
