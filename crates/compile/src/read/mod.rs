//! From YAML text to objects that know where they stand.

pub(crate) mod scalar;
pub(crate) mod source;
pub(crate) mod yaml;
