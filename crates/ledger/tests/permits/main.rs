//! Shared limits on concurrent requests: never more run than allowed, and no request waits forever.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod fleet;
mod promises;
mod random;
