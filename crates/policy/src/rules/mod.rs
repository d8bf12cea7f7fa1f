//! Routing rules: their conditions as expressions, probable mistakes in them, and which rule decides a request.

pub(crate) mod expression;
pub(crate) mod inputs;
pub(crate) mod lint;
pub(crate) mod matching;
pub(crate) mod parse_error;
pub(crate) mod rule;
pub(crate) mod samples;
pub(crate) mod variables;
pub(crate) mod vocabulary;
