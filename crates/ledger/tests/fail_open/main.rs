//! What passes while the ledger can't be reached: no more than the policy allows, and all of it is reported to the
//! ledger.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod fleet;
mod promises;
mod random;
