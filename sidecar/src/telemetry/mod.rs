//! Records and metrics of requests.

pub mod attempt_error;
pub mod metrics;
pub mod record;
pub mod records;
