//! What is told of requests: records and metrics.

pub mod attempt_error;
pub mod metrics;
pub mod record;
pub mod records;
