//! Limits on concurrent requests that gateways share: never more run than may, and nobody waits for ever.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod fleet;
mod promises;
mod random;
