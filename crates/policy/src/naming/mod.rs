//! What a model's name asks for, and which providers serve it.

pub(crate) mod misnamed;
pub(crate) mod name;
pub(crate) mod serving;
pub(crate) mod vendor;
