//! Findings: what is wrong with objects, and how to fix it.

pub(crate) mod finding;
pub(crate) mod hint;
