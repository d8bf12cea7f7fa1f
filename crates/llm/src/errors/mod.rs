//! Errors of providers, read; and errors of the gateway, written.

pub mod classify;
mod gateway_error;

pub use gateway_error::GatewayError;
