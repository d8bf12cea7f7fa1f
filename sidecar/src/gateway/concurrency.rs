//! The concurrent requests, for metrics and the admin port.

use serde::Serialize;

use crate::gateway::Gateway;
use crate::runtime::active_policy::ActivePolicy;
use crate::runtime::concurrency::ConcurrencyLimit;

/// A limit on concurrent requests, as the admin port shows it.
#[derive(Debug, Serialize)]
pub struct ConcurrencyLevel {
    pub name: String,
    pub limit: u32,
    /// Requests that run in this gateway.
    pub running: u64,
    /// Of a shared limit: how many may run here without a request to the operator.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub granted: Option<u64>,
    /// Of a shared limit: how many run at all gateways, as the operator last reported.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fleet: Option<u64>,
}

impl ActivePolicy {
    fn concurrency_limits(&self) -> impl Iterator<Item = &ConcurrencyLimit> {
        let of_keys = self.keys.iter().flat_map(|key| key.all.iter().chain(key.entries.iter().flatten()));
        of_keys.chain(self.backends.iter().filter_map(|backend| backend.concurrency.as_ref()))
    }
}

impl Gateway {
    /// Every limit on concurrent requests.
    pub(crate) fn concurrency(&self, served: &ActivePolicy) -> Vec<ConcurrencyLevel> {
        let level = |limit: &ConcurrencyLimit| {
            let state = limit.state();
            let (granted, fleet) = state.shared.unzip();
            let name = limit.whose().to_owned();
            ConcurrencyLevel { name, limit: limit.most(), running: state.running, granted, fleet }
        };
        served.concurrency_limits().map(level).collect()
    }

    /// Updates the metrics of running requests under each limit.
    pub(crate) fn measure_concurrency(&self, served: &ActivePolicy) {
        self.metrics.concurrency(
            self.concurrency(served)
                .iter()
                .map(|level| (level.name.as_str(), level.running, level.granted, level.limit)),
        );
    }
}
