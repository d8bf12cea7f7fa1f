//! What was learnt, and what is open: it outlives the policies.

use std::collections::HashMap;
use std::sync::Arc;

use crate::runtime::concurrency::ConcurrencyLimit;
use crate::runtime::health::BackendHealth;
use crate::upstream::{Pools, Proxies};

/// State that outlives policies, found again by identity.
#[derive(Debug, Default)]
pub struct LearntState {
    pub pools: Pools,
    /// Those of the environment, where that counts: a provider's own comes before them.
    pub(super) proxies: Option<Arc<Proxies>>,
    pub(super) health: HashMap<u64, Arc<BackendHealth>>,
    pub(super) concurrency: HashMap<String, ConcurrencyLimit>,
}

impl LearntState {
    /// Nothing yet. `proxies`: those of the environment, where that counts.
    pub fn new(proxies: Option<Arc<Proxies>>) -> Self {
        LearntState { proxies, ..LearntState::default() }
    }
}
