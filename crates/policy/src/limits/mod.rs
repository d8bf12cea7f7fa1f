//! Limits: which requests they count, and how far they are used.

pub(crate) mod concurrent;
pub(crate) mod counted;
pub(crate) mod limit;
pub(crate) mod usage;
