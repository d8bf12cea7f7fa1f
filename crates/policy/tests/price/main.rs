//! The cost of requests, and the highest possible cost.

#![allow(clippy::unwrap_used, reason = "a test")]

mod any;
mod cost;
mod known;
