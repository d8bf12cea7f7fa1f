//! What is found only in the compiled policy: by its own reckoning of who serves what and what counts it.

pub(crate) mod counted;
pub(crate) mod downgrades;
pub(crate) mod unpriced;
