//! Routing rules: their conditions as expressions, and probable mistakes in them.

pub(crate) mod expression;
pub(crate) mod lint;
pub(crate) mod parse_error;
pub(crate) mod rule;
pub(crate) mod vocabulary;
