//! What passes while the ledger can't be reached: no more than the policy says, and the ledger hears of all of it.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod fleet;
mod promises;
mod random;
