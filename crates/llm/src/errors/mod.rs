//! Reads errors of providers, and writes errors of the gateway.

pub mod classify;
mod gateway_error;

pub use gateway_error::GatewayError;
