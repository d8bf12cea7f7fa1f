//! What is told of requests: records, metrics, and what is spent.

pub mod metrics;
pub mod record;
mod spending;
