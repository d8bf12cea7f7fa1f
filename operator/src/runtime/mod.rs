//! Parts that are independent of our objects: a work queue, leader election, processor time, health, response bodies.

pub(crate) mod cpu_time;
pub mod health;
pub mod lease;
pub mod queue;
pub mod response;
