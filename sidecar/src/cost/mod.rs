//! What an attempt may cost at worst, and what it did cost.

pub(crate) mod charge;
pub mod worst_case;
