//! Parts that are independent of our objects: a work queue, leader election, processor time.

pub(crate) mod cpu_time;
pub mod lease;
pub mod queue;
