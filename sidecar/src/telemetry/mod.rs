//! Records and metrics of requests.

pub mod attempt_error;
pub mod metrics;
pub mod record;
pub mod records;
pub mod usage_history;
