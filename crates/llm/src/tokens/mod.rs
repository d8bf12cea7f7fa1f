//! What a request may use, what an answer says that it used, and whether that can be.

pub mod estimate;
pub mod meter;
pub mod plausible;
pub mod usage;
