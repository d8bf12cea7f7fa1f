//! What is told of requests: records, metrics, and what is spent.

pub mod attempt_error;
pub mod metrics;
pub mod record;
pub mod records;
mod spending;
