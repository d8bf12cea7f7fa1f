//! A policy together with what serving it takes: connections, credentials, learnt state.
//!
//! Built aside, then swapped in with one pointer; requests hold the one they began with.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use http::{HeaderName, HeaderValue};
use outrigger_core::hash::fnv1a_parts;
use outrigger_ledger::{LimitNo, LimitSpec};
use outrigger_llm::provider::{self, Api, ProviderType, Target};
use outrigger_policy::{
    BuildError, CredentialIndex, Document, EntryIndex, KeyIndex, LimitIndex, Policy, ProviderIndex,
};
use thiserror::Error;
use typed_index_collections::TiVec;

use crate::mock::{self, Mock};
use crate::runtime::health::BackendHealth;
use crate::runtime::journal::JournalError;
use crate::runtime::limits::LimitError;
use crate::runtime::loop_detection::Own;
use crate::runtime::origin::PolicyOrigin;
use crate::runtime::secret::Secrets;
use crate::upstream::mask::Mask;
use crate::upstream::{
    Authorization, Destination, Endpoint, EndpointError, Pools, Proxies, Proxy, ProxyError, TlsError, Upstream,
};

/// Why a document cannot be served.
#[derive(Debug, Error)]
pub enum ServeError {
    #[error(transparent)]
    Policy(#[from] BuildError),
    #[error("LLMProvider {provider}: spec.endpoint: {source}")]
    Endpoint { provider: String, source: EndpointError },
    #[error("LLMProvider {provider}: spec.endpoint is needed for type {kind}")]
    NoEndpoint { provider: String, kind: String },
    #[error("LLMProvider {provider}: spec.tls.caRef: {source}")]
    Tls { provider: String, source: TlsError },
    /// `path`: of the object, or what else names the proxy.
    #[error("LLMProvider {provider}: {path}: {source}")]
    Proxy { provider: String, path: &'static str, source: ProxyError },
    #[error(transparent)]
    Limit(#[from] LimitError),
    #[error(transparent)]
    Accounts(#[from] JournalError),
    #[error(
        "LLMProvider {provider}: credential {credential}: the value in Secret {secret} has characters that no header can carry"
    )]
    Credential { provider: String, credential: String, secret: String },
}

/// What is in force.
#[derive(Debug)]
pub struct ActivePolicy {
    pub policy: Policy,
    pub places: TiVec<ProviderIndex, Backend>,
    /// How many requests of a key may run at once.
    pub slots: TiVec<KeyIndex, Option<ConcurrencyLimit>>,
    /// The same of the key at one provider.
    pub entry_slots: TiVec<KeyIndex, TiVec<EntryIndex, Option<ConcurrencyLimit>>>,
    /// The same of all who use a provider here.
    pub place_slots: TiVec<ProviderIndex, Option<ConcurrencyLimit>>,
    /// The accounts of the policy's limits.
    pub limits: TiVec<LimitIndex, LimitNo>,
    /// How it came, where that is known.
    pub origin: Option<PolicyOrigin>,
}

/// A provider, ready to be sent to.
#[derive(Debug)]
pub struct Backend {
    pub kind: &'static ProviderType,
    /// What it speaks.
    pub api: &'static Api,
    pub upstream: Upstream,
    /// The request target's base; a mock's is empty.
    pub endpoint: Option<Endpoint>,
    /// One also for a provider without any credentials.
    pub lanes: TiVec<CredentialIndex, Arc<BackendHealth>>,
    /// How a request is authorized, or `None` where the Secret was not found.
    pub credentials: TiVec<CredentialIndex, Option<Authorization>>,
    /// What takes the value out of answers, and where the value is from. `None` where it was not found.
    pub known: TiVec<CredentialIndex, Option<Known>>,
    pub headers: Vec<(http::HeaderName, HeaderValue)>,
    /// What tells a gateway behind the endpoint that a request was here; none where a vendor answers.
    pub hop: Option<HeaderValue>,
    /// It is of a newer version's type: it is passed over, and its neighbours serve.
    pub unknown: bool,
}

/// What is known of a credential beside the header that it is sent in.
#[derive(Debug)]
pub struct Known {
    /// `None`: it is too short to be looked for.
    pub mask: Option<Arc<Mask>>,
    /// Where the value is from, for people.
    pub origin: String,
}

impl Backend {
    /// One of its models, for which a request is written.
    #[must_use]
    pub fn target<'a>(&self, model: &'a str) -> Target<'a> {
        Target { provider: self.kind, api: self.api, model }
    }
}

/// A key's concurrency limit. Its account is the key's, its size the policy's: another size keeps
/// count of those that are under way.
#[derive(Clone, Debug)]
pub struct ConcurrencyLimit {
    /// `LLMProvider platform/openai`.
    whose: Arc<str>,
    most: u32,
    taken: Arc<AtomicU32>,
}

/// A request's place among those that may run at once; given back when dropped.
#[derive(Debug)]
pub struct ConcurrencyPermit(Arc<AtomicU32>);

impl ConcurrencyLimit {
    pub fn most(&self) -> u32 {
        self.most
    }

    pub fn whose(&self) -> &str {
        &self.whose
    }

    /// Takes a place if one is free.
    pub fn take(&self) -> Option<ConcurrencyPermit> {
        let more = |taken: u32| (taken < self.most).then_some(taken + 1);
        self.taken.fetch_update(Ordering::AcqRel, Ordering::Acquire, more).ok()?;
        Some(ConcurrencyPermit(Arc::clone(&self.taken)))
    }
}

impl Drop for ConcurrencyPermit {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// State that outlives policies, found again by identity.
#[derive(Debug, Default)]
pub struct LearntState {
    pub pools: Pools,
    /// Those of the environment, where that counts: a provider's own comes before them.
    proxies: Option<Arc<Proxies>>,
    lanes: HashMap<u64, Arc<BackendHealth>>,
    slots: HashMap<String, ConcurrencyLimit>,
}

impl LearntState {
    /// Nothing yet. `proxies`: those of the environment, where that counts.
    pub fn new(proxies: Option<Arc<Proxies>>) -> Self {
        LearntState { proxies, ..LearntState::default() }
    }
}

impl ActivePolicy {
    /// Builds what a document and its credentials amount to, adopting the state that is kept.
    ///
    /// # Errors
    /// [`ServeError`] names the object; what is kept is then as it was. `namespace` is the pod's own, empty outside of a
    /// cluster. `adopt` opens the accounts of the policy's limits, when
    /// nothing else can fail any more.
    pub fn build(
        document: Document,
        secrets: &Secrets,
        namespace: &str,
        kept: &mut LearntState,
        adopt: impl FnOnce(&[LimitSpec]) -> Result<Vec<LimitNo>, JournalError>,
    ) -> Result<Self, ServeError> {
        let policy = Policy::build(document)?;
        let mut lanes = HashMap::new();
        let mut pools = kept.pools.draft();
        let mut places = TiVec::with_capacity(policy.providers.len());
        for provider in &policy.providers {
            let name = || provider.id.to_string();
            let known = provider::lookup(&provider.kind);
            let kind = known.unwrap_or(&provider::UNKNOWN);
            let (upstream, endpoint) = match &provider.mock {
                _ if known.is_none() => {
                    tracing::warn!(
                        provider = name(),
                        kind = provider.kind,
                        "its type is not known to this version: passed over"
                    );
                    (Upstream::Nobody, None)
                }
                Some(script) => (Upstream::Mock(Arc::new(Mock::new(provider, script))), None),
                None => {
                    let url = provider
                        .endpoint
                        .as_deref()
                        .or(kind.endpoint)
                        .ok_or_else(|| ServeError::NoEndpoint { provider: name(), kind: provider.kind.clone() })?;
                    let endpoint =
                        Endpoint::parse(url).map_err(|source| ServeError::Endpoint { provider: name(), source })?;
                    let (path, proxy) = match (&provider.proxy, &kept.proxies) {
                        (Some(url), _) => ("spec.proxy.url", Proxy::parse(url).map(Some)),
                        (None, Some(environment)) => ("the environment's proxy", environment.to(&endpoint)),
                        (None, None) => ("", Ok(None)),
                    };
                    let proxy = proxy.map_err(|source| ServeError::Proxy { provider: name(), path, source })?;
                    let proxy = proxy.map(Arc::new);
                    let authorities = provider.ca.clone();
                    let pool = pools
                        .get(Destination { endpoint: endpoint.clone(), proxy, authorities }, provider.prewarm)
                        .map_err(|source| ServeError::Tls { provider: name(), source })?;
                    (Upstream::Http(pool), Some(endpoint))
                }
            };
            let mut place = Backend {
                kind,
                api: mock::api(kind, provider.mock.as_ref()),
                upstream,
                endpoint,
                lanes: TiVec::new(),
                credentials: TiVec::new(),
                known: TiVec::new(),
                headers: own_headers(&provider.headers),
                hop: None,
                unknown: known.is_none(),
            };
            let stays = clear_text(provider, place.endpoint.as_ref(), namespace);
            if stays && !provider.credentials.is_empty() {
                tracing::warn!(
                    provider = name(),
                    "its credentials are not sent over http:// from namespace {namespace}: use https://, or set its \
                     spec.clearTextCredentials: Allow"
                );
            }
            for credential in &provider.credentials {
                let secret = secrets.get(&credential.secret).filter(|_| known.is_some() && !stays);
                let value = secret
                    .map(|secret| {
                        let mut value = HeaderValue::from_str(&format!("{}{}", kind.auth.prefix(), secret.expose()))
                            .map_err(|_| ServeError::Credential {
                                provider: name(),
                                credential: credential.name.to_string(),
                                secret: credential.secret.to_string(),
                            })?;
                        value.set_sensitive(true);
                        let name = HeaderName::from_static(kind.auth.header());
                        Ok::<_, ServeError>(Authorization::Header { name, value })
                    })
                    .transpose()?;
                place.lanes.push(lane(kept, &mut lanes, credential.identity, secret.map_or("", |s| s.expose())));
                place.credentials.push(value);
                place.known.push(secret.map(|secret| Known {
                    mask: Mask::new(secret.expose()),
                    origin: secret.origin(&credential.secret),
                }));
            }
            if provider.credentials.is_empty() {
                place.lanes.push(lane(kept, &mut lanes, provider.identity, ""));
            }
            places.push(place);
        }
        let specs = crate::runtime::limits::specs(&policy)?;
        let mut counts = ConcurrencyCounts { kept: &kept.slots, found: HashMap::new() };
        let slots = policy
            .keys
            .iter()
            .map(|key| counts.slots(format!("VirtualKey {}", key.id), key.limits.concurrent_requests))
            .collect();
        let entries = |key: &outrigger_policy::Key, counts: &mut ConcurrencyCounts<'_>| {
            let slots = |entry: &outrigger_policy::KeyProvider| {
                counts.slots(format!("VirtualKey {} at {}", key.id, entry.name), entry.limits.concurrent_requests)
            };
            key.providers.iter().map(slots).collect()
        };
        let entry_slots = policy.keys.iter().map(|key| entries(key, &mut counts)).collect();
        let place_slots = policy
            .providers
            .iter()
            .map(|provider| counts.slots(format!("LLMProvider {}", provider.id), provider.limits.concurrent_requests))
            .collect();
        let limits = adopt(&specs)?.into();
        kept.slots = counts.found;
        kept.lanes = lanes;
        kept.pools = pools.done();
        Ok(ActivePolicy { policy, places, slots, entry_slots, place_slots, limits, origin: None })
    }
}

/// Whether a provider's credentials stay where they are: without TLS, whoever makes this pod says who gets them.
fn clear_text(provider: &outrigger_policy::Provider, endpoint: Option<&Endpoint>, namespace: &str) -> bool {
    let foreign = !namespace.is_empty() && provider.id.namespace != namespace;
    foreign && !provider.clear_text_credentials && endpoint.is_some_and(|endpoint| !endpoint.tls)
}

impl ActivePolicy {
    /// So that a request which comes back is known. Not where a type's own endpoint is asked over TLS: no gateway is there.
    pub fn sign(&mut self, own: &Own) {
        for ((index, place), provider) in self.places.iter_mut_enumerated().zip(&self.policy.providers) {
            let may_be_a_gateway =
                place.endpoint.as_ref().is_some_and(|endpoint| provider.endpoint.is_some() || !endpoint.tls);
            place.hop = if may_be_a_gateway { own.signs(index) } else { None };
        }
    }
}

/// Finds the counts of those who are under way again.
struct ConcurrencyCounts<'k> {
    kept: &'k HashMap<String, ConcurrencyLimit>,
    found: HashMap<String, ConcurrencyLimit>,
}

impl ConcurrencyCounts<'_> {
    fn slots(&mut self, whose: String, most: Option<u32>) -> Option<ConcurrencyLimit> {
        let taken = self.kept.get(&whose).map(|slots| Arc::clone(&slots.taken)).unwrap_or_default();
        let slots = ConcurrencyLimit { whose: Arc::from(whose.as_str()), most: most?, taken };
        self.found.insert(whose, slots.clone());
        Some(slots)
    }
}

/// The lane of an identity and a credential's value: a rotated credential has a new one.
fn lane(
    kept: &LearntState,
    lanes: &mut HashMap<u64, Arc<BackendHealth>>,
    identity: u64,
    value: &str,
) -> Arc<BackendHealth> {
    let identity = fnv1a_parts(&[&identity.to_le_bytes(), value.as_bytes()]);
    let lane = kept.lanes.get(&identity).cloned().unwrap_or_default();
    lanes.insert(identity, Arc::clone(&lane));
    lane
}

fn own_headers(headers: &std::collections::BTreeMap<String, String>) -> Vec<(http::HeaderName, HeaderValue)> {
    headers.iter().filter_map(|(name, value)| Some((name.parse().ok()?, value.parse().ok()?))).collect()
}
