//! Learnt state and open connections, which outlive a policy.

use std::collections::HashMap;
use std::sync::Arc;

use crate::runtime::authorizations::TokenSources;
use crate::runtime::concurrency::ConcurrencyLimit;
use crate::runtime::health::BackendHealth;
use crate::runtime::permits::Permits;
use crate::runtime::pod_identity::PodIdentity;
use crate::upstream::{Pools, Proxies};

/// State that outlives a policy. The next one finds it by identity.
#[derive(Debug, Default)]
pub struct LearntState {
    pub pools: Pools,
    /// The proxies of the environment, if they count. A provider's own proxy has precedence.
    pub(super) proxies: Option<Arc<Proxies>>,
    /// What the pod can prove about itself to a cloud.
    pub(super) identity: PodIdentity,
    pub(super) tokens: TokenSources,
    pub(super) health: HashMap<u64, Arc<BackendHealth>>,
    pub(super) concurrency: HashMap<String, ConcurrencyLimit>,
    /// For limits on concurrent requests that gateways share.
    pub permits: Arc<Permits>,
}

impl LearntState {
    /// Empty state. `proxies`: those of the environment, if they count.
    pub fn new(proxies: Option<Arc<Proxies>>, identity: PodIdentity) -> Self {
        LearntState { proxies, identity, ..LearntState::default() }
    }
}
