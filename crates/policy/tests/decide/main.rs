//! The guarantees of `decide`, by topic.
#![allow(clippy::unwrap_used)] // The helpers here are tests too.

mod any;
mod chain;
mod costs;
mod downgrade;
mod explained;
mod expressions;
mod fence;
mod gaps;
mod gates;
mod names;
mod precedence;
mod refusals;
mod rules;
mod shadow;
mod staying;
mod trials;
mod untold;
mod weights;
mod world;
