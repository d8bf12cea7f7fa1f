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
//! [`outrigger_ledger::shared::leader`] decides what is granted to which gateway, without I/O. This module contains its
//! stores and the tasks that connect it to plans, gateways and pods.

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
