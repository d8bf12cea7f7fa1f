//! Machinery that knows no object of ours: a queue by key, the Lease that says who leads, a thread's processor time.

pub(crate) mod cpu_time;
pub mod lease;
pub mod queue;
