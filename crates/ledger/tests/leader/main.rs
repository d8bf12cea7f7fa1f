//! One leader, step by step: what it grants, what it writes first, and which reports it does not trust.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

#[path = "../one_leader/mod.rs"]
mod one_leader;

mod debts;
mod granting;
mod periods;
mod takeover;
mod trust;
