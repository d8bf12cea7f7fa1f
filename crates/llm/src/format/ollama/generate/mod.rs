//! `POST /api/generate`, as callers write it: an answer to a single prompt. An Ollama server gets the caller's bytes; for
//! all others the prompt becomes a conversation of one turn.

pub mod fields;
pub mod request;
pub mod response;

pub(crate) use super::{errors, marks};

#[cfg(test)]
mod tests;
