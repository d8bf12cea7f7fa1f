//! A policy together with everything that serving it needs: connections, credentials, learnt state.
//!
//! It is built aside, then swapped in with one pointer. Requests hold the one that they began with.

use std::collections::HashMap;
use std::sync::Arc;

use outrigger_ledger::{LimitNo, LimitSpec};
use outrigger_policy::{
    Document, EntryIndex, KeyIndex, LedgerDoc, LimitIndex, Policy, ProviderIndex, concurrency_of_entry,
    concurrency_of_key,
};
use typed_index_collections::TiVec;

use crate::runtime::backend::{Backend, BackendBuilder};
use crate::runtime::concurrency::{ConcurrencyLimit, ConcurrencyLimits};
use crate::runtime::journal::JournalError;
use crate::runtime::learnt::LearntState;
use crate::runtime::limits::{self, LimitAccount};
use crate::runtime::loop_detection::GatewayId;
use crate::runtime::origin::PolicyOrigin;
use crate::runtime::secret::Secrets;
use crate::runtime::serve_error::ServeError;

/// The policy in force.
#[derive(Debug)]
pub struct ActivePolicy {
    pub policy: Policy,
    pub backends: TiVec<ProviderIndex, Backend>,
    /// How many requests of each key may run at once.
    pub keys: TiVec<KeyIndex, KeyConcurrency>,
    /// The accounts of the policy's limits.
    pub limits: TiVec<LimitIndex, LimitAccount>,
    /// Its source, if known.
    pub origin: Option<PolicyOrigin>,
}

/// How many requests of one key may run at once.
#[derive(Debug)]
pub struct KeyConcurrency {
    pub all: Option<ConcurrencyLimit>,
    /// The limits at single providers.
    pub entries: TiVec<EntryIndex, Option<ConcurrencyLimit>>,
}

impl ActivePolicy {
    /// Builds the policy of a document and its credentials, and adopts the state of the previous one.
    ///
    /// # Errors
    /// [`ServeError`] names the object; then the state is unchanged. `namespace` is the pod's own, empty outside of a
    /// cluster. `adopt` opens the accounts of the policy's limits, when nothing else can fail.
    pub fn build(
        document: Document,
        secrets: &Secrets,
        namespace: &str,
        learnt: &mut LearntState,
        adopt: impl FnOnce(&[LimitSpec]) -> Result<Vec<LimitNo>, JournalError>,
    ) -> Result<Self, ServeError> {
        let permits = (document.concurrency == LedgerDoc::Shared).then(|| Arc::clone(&learnt.permits));
        let policy = Policy::build(document)?;
        let mut concurrency = ConcurrencyLimits::new(&learnt.concurrency, permits.clone());
        let mut builder = BackendBuilder {
            secrets,
            namespace,
            learnt,
            health: HashMap::new(),
            tokens: HashMap::new(),
            pools: learnt.pools.draft(),
        };
        let backends = policy.providers.iter().map(|provider| builder.build(provider, &mut concurrency));
        let backends = backends.collect::<Result<TiVec<_, _>, _>>()?;
        let keys = policy.keys.iter().map(|key| KeyConcurrency {
            all: concurrency.of(concurrency_of_key(&key.id), key.limits.concurrent_requests),
            entries: key
                .providers
                .iter()
                .map(|entry| {
                    concurrency.of(concurrency_of_entry(&key.id, &entry.name), entry.limits.concurrent_requests)
                })
                .collect(),
        });
        let keys = keys.collect();
        let specs = limits::specs(&policy)?;
        let accounts = limits::accounts(&policy, adopt(&specs)?);
        let (health, tokens) = (builder.health, builder.tokens);
        let (pools, concurrency) = (builder.pools.complete(), concurrency.into_kept());
        match permits {
            Some(permits) => permits.adopt(concurrency.values().map(|limit| (limit.whose(), limit.most().into()))),
            None => learnt.permits.leave(),
        }
        (learnt.health, learnt.tokens, learnt.pools, learnt.concurrency) = (health, tokens, pools, concurrency);
        Ok(ActivePolicy { policy, backends, keys, limits: accounts, origin: None })
    }
}

impl ActivePolicy {
    /// Sets the headers by which the gateway recognizes its own requests. Not for a vendor's default endpoint over TLS,
    /// which is no gateway.
    pub fn set_hop_headers(&mut self, id: &GatewayId) {
        for ((index, backend), provider) in self.backends.iter_mut_enumerated().zip(&self.policy.providers) {
            let may_be_a_gateway =
                backend.endpoint.as_ref().is_some_and(|endpoint| provider.endpoint.is_some() || !endpoint.tls);
            backend.hop = if may_be_a_gateway { id.hop(index) } else { None };
        }
    }
}
