//! The gateway in process, against upstreams that do exactly as they are told.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod corpus;
mod escrow;
mod failover;
mod fake;
mod gate;
mod hook;
mod killed;
mod limits;
mod meter;
mod mock;
mod policies;
mod relay;
mod rules;
mod settled;
mod swaps;
mod tls;
mod warm;
