//! Text: globs, similar names, and what may be printed.

pub(crate) mod glob;
pub(crate) mod nearest;
pub(crate) mod number;
pub(crate) mod printable;
