//! The policy in force. It is replaced as a whole; each request keeps the one that it began with.

use std::sync::Arc;

use crate::filter::Filters;
use crate::runtime::active_policy::ActivePolicy;

/// A policy, and its filters.
#[derive(Debug)]
pub(crate) struct PolicyInForce {
    pub served: Arc<ActivePolicy>,
    pub filters: Filters,
}
