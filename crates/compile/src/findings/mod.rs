//! What is wrong with objects, and how to mend it.

pub(crate) mod finding;
pub(crate) mod hint;
