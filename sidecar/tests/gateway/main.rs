//! The gateway in process, against upstreams that do exactly as they are told.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod again;
mod caps;
mod corpus;
mod credential;
mod doors;
mod escrow;
mod failover;
mod fake;
mod fallbacks;
mod filters;
mod fleet;
mod flood;
mod free;
mod gate;

mod impossible;
mod killed;
mod limits;
mod loops;
mod meter;
mod mock;
mod operator;
mod passage;
mod paths;
mod policies;
mod process;
mod proxy;
mod relay;
mod rules;
mod settled;
mod shared;
mod signed;
mod stream;
mod swaps;
mod time;
mod tls;
mod unprocessed;
mod warm;
