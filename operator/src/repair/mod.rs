//! Pods that should have a gateway and do not: found, counted, and evicted if the installation asks for it.

pub mod evict;
pub mod watchdog;
