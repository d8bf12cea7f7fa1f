//! What a request may use, the usage that an answer reports, and whether that is plausible.

pub mod estimate;
pub mod meter;
pub mod plausible;
pub mod usage;
