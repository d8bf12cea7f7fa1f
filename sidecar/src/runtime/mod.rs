//! The active policy, and the state that is learnt while it serves. Nothing here depends on a higher layer.

pub(crate) mod accounts;
pub(crate) mod active_policy;
pub(crate) mod address;
pub(crate) mod affinity;
pub(crate) mod authorizations;
pub(crate) mod backend;
mod breaker;
pub(crate) mod concurrency;
pub(crate) mod health;
pub(crate) mod journal;
pub(crate) mod learnt;
pub(crate) mod limits;
pub(crate) mod loop_detection;
pub(crate) mod origin;
pub(crate) mod permits;
pub(crate) mod pod_identity;
pub(crate) mod retry_budget;
pub(crate) mod secret;
pub(crate) mod serve_error;
pub(crate) mod sessions;
