//! Errors of providers, read; and errors of the gateway, written.

pub mod classify;
pub mod refusal;
