//! Conditions of rules: CEL, parsed by the `cel` crate and evaluated here. Users who may write rules must not be able
//! to stop a gateway, and the crate's own interpreter has no limits.
//!
//! ```text
//! text -> bounds (length, depth) -> parser -> code (names resolved, patterns compiled) -> cost (the highest possible)
//!                                               code + request + budget -> true, false or an error
//! ```
//!
//! Three limits depend on each other. The text is measured before it is parsed, because the parser recurses. When an
//! expression is compiled, its highest cost is computed for the largest request that rules can read ([`bounds`]); if it
//! may cost too much, the error names the expensive part. And evaluation counts its steps against a budget that all
//! rules of a request share ([`EvaluationBudget`]). Costs are counted in steps, not in time, so a request costs the
//! same everywhere.

pub mod bounds;
mod budget;
mod code;
mod compare;
mod cost;
mod depth;
mod eval;
mod failure;
mod functions;
mod input;
mod operate;
mod pattern;
mod price;
mod quote;
mod shape;
#[cfg(test)]
mod tests;
pub(crate) mod time;
mod value;
pub(crate) mod variables;

pub(crate) use budget::EvaluationBudget;
pub(crate) use code::Code;
pub use code::CodeError;
pub use cost::{ConditionCost, TooExpensive};
pub use depth::TooMuch;
pub(crate) use depth::measure;
pub(crate) use eval::evaluate;
pub(crate) use failure::{EvalFailure, Stop};
pub(crate) use input::{ConditionInput, ConditionInputs};
pub(crate) use value::{Pairs, TextValue, Value};
