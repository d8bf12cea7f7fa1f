//! The ledger's side: who is granted what.

mod input;

pub use input::{Finding, FindingKind, Input, Output, SharedLimit};
