//! Limits: who counts against which, how far one is used, and what may not pass because of it.

pub(crate) mod counted;
pub(crate) mod gate;
pub(crate) mod limit;
pub(crate) mod unmeasured;
pub(crate) mod usage;
