//! How much a request may use, and whether the usage that an answer reports is plausible.

pub mod estimate;
pub mod meter;
pub mod plausible;
