//! Reads YAML text as objects that know their lines.

pub(crate) mod scalar;
pub(crate) mod source;
pub(crate) mod yaml;
