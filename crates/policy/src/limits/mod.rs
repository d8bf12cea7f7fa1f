//! Limits: which requests they count, how far they are used, and which requests they refuse.

pub(crate) mod counted;
pub(crate) mod gate;
pub(crate) mod limit;
pub(crate) mod unmeasured;
pub(crate) mod usage;
