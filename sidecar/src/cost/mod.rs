//! The highest possible cost of an attempt, and its actual cost.

pub(crate) mod charge;
pub mod worst_case;
