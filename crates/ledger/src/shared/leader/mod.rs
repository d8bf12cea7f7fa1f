//! The ledger's side: who is granted what.

mod input;

pub use input::{FindingKind, Input, LedgerFinding, Output, SharedLimit};
