//! What is in force: swapped as one, and held by each request that began with it.

use std::sync::Arc;

use crate::filter::Filters;
use crate::runtime::active_policy::ActivePolicy;

/// A policy, and the filters of its list.
#[derive(Debug)]
pub(crate) struct PolicyInForce {
    pub served: Arc<ActivePolicy>,
    pub filters: Filters,
}
