//! Text of people and for people: globs, near misses, and what may be printed.

pub(crate) mod glob;
pub(crate) mod nearest;
pub(crate) mod number;
pub(crate) mod printable;
