//! What requests cost, and what they may come to cost.

#![allow(clippy::unwrap_used, reason = "a test")]

mod any;
mod cost;
mod known;
