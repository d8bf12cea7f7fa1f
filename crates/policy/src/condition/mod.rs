//! Conditions of rules: CEL, read by the crate's parser and evaluated here, because whoever may write a rule must not be
//! able to stop a gateway, and the crate's own interpreter has no bound.
//!
//! ```text
//! text -> bounds (length, depth) -> parser -> code (names resolved, patterns compiled) -> cost (the most it can be)
//!                                               code + request + budget -> true, false or why not
//! ```
//!
//! Three bounds hold one another. The text is measured before it is parsed, since a parser recurses. The most that an
//! expression can cost is computed when it is compiled, over the largest request that rules are shown ([`bounds`]); one
//! that may cost too much is refused with the part that does. And evaluation counts what it does against a budget that all
//! rules of a request share ([`EvaluationBudget`]). Costs are counted in steps, not in time: the same request costs the same
//! everywhere.

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

pub(crate) use budget::EvaluationBudget;
pub(crate) use code::Code;
pub use code::CodeError;
pub use cost::{ConditionCost, TooDear};
pub use depth::TooMuch;
pub(crate) use depth::measure;
pub(crate) use eval::evaluate;
pub(crate) use failure::{EvalFailure, Stop};
pub(crate) use input::{ConditionInput, ConditionInputs};
pub(crate) use value::{Pairs, TextValue, Value};
