//! What `decide` promises, theme by theme.
#![allow(clippy::unwrap_used)] // The helpers here are tests too.

mod any;
mod expressions;
mod fence;
mod names;
mod precedence;
mod refusals;
mod rules;
mod staying;
mod weights;
mod world;
