//! Findings that need the compiled policy: which providers serve a model, and which limits count it.

pub(crate) mod counted;
pub(crate) mod downgrades;
pub(crate) mod unpriced;
