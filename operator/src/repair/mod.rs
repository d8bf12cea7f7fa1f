//! Pods that should carry a gateway and don't: found, counted, and evicted where that is asked for.

pub mod evict;
pub mod watchdog;
