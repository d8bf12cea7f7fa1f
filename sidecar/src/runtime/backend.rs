//! A provider of the active policy, with everything that sending to it needs.

use std::collections::HashMap;
use std::sync::Arc;

use http::HeaderValue;
use outrigger_core::hash::fnv1a_parts;
use outrigger_llm::Dialect;
use outrigger_llm::provider::{self, Api, Apis, ProviderType, Target};
use outrigger_policy::{CredentialIndex, Provider, concurrency_of_provider};
use typed_index_collections::TiVec;

use crate::runtime::address::Address;
use crate::runtime::authorizations::{Authorizations, TokenSources};
use crate::runtime::concurrency::{ConcurrencyLimit, ConcurrencyLimits};
use crate::runtime::health::BackendHealth;
use crate::runtime::learnt::LearntState;
use crate::runtime::secret::Secrets;
use crate::runtime::serve_error::ServeError;
use crate::upstream::mask::Mask;
use crate::upstream::mock::Mock;
use crate::upstream::{Authorization, Destination, Draft, Endpoint, Proxy, Upstream};

/// A provider of the active policy, with everything that sending to it needs.
#[derive(Debug)]
pub struct Backend {
    pub kind: &'static ProviderType,
    /// The APIs that it speaks, by model.
    pub apis: Apis,
    pub upstream: Upstream,
    /// The base of the request target. `None` for a mock.
    pub endpoint: Option<Endpoint>,
    /// What every request has in its query.
    pub query: Option<String>,
    /// At least one: a provider without credentials has one without a value.
    pub credentials: TiVec<CredentialIndex, BackendCredential>,
    /// How many requests of all callers may run at once.
    pub concurrency: Option<ConcurrencyLimit>,
    pub headers: Vec<(http::HeaderName, HeaderValue)>,
    /// The header by which a gateway behind the endpoint detects loops. `None` if the endpoint is a vendor's.
    pub hop: Option<HeaderValue>,
    /// A newer version added its type. It is skipped, and other providers serve.
    pub unknown: bool,
}

/// One credential of a provider.
#[derive(Debug)]
pub struct BackendCredential {
    pub health: Arc<BackendHealth>,
    /// `None` if the Secret was not found, and for a provider without credentials.
    pub value: Option<CredentialValue>,
}

/// The value of a credential.
#[derive(Debug)]
pub struct CredentialValue {
    /// How it authorizes a request.
    pub authorization: Authorization,
    /// Masks it in answers. `None` if it is too short to search for.
    pub mask: Option<Arc<Mask>>,
    /// Its source, for messages.
    pub origin: String,
}

impl Backend {
    /// One of its models, as the target of a caller's request.
    #[must_use]
    pub fn target<'a>(&self, caller: Dialect, model: &'a str) -> Target<'a> {
        Target { provider: self.kind, api: self.api(caller, model), model }
    }

    /// The API of a model, by its name upstream, for a caller.
    #[must_use]
    pub fn api(&self, caller: Dialect, model: &str) -> &'static Api {
        self.apis.of(caller, model)
    }

    /// The health of the provider with this credential, or without any.
    #[must_use]
    pub fn health(&self, credential: Option<CredentialIndex>) -> &Arc<BackendHealth> {
        &self.credentials[credential.unwrap_or_default()].health
    }

    /// The value of a credential, if there is one. Without credentials, the identity of the pod may serve.
    #[must_use]
    pub fn value(&self, credential: Option<CredentialIndex>) -> Option<&CredentialValue> {
        self.credentials.get(credential.unwrap_or_default())?.value.as_ref()
    }
}

/// Builds the backends of a policy, and adopts their health from the previous one.
#[derive(Debug)]
pub struct BackendBuilder<'a> {
    pub secrets: &'a Secrets,
    /// The pod's own, empty outside of a cluster.
    pub namespace: &'a str,
    pub learnt: &'a LearntState,
    /// The health of the backends that were built.
    pub health: HashMap<u64, Arc<BackendHealth>>,
    /// The sources of access tokens that were built or adopted.
    pub tokens: TokenSources,
    pub pools: Draft<'a>,
}

impl<'b> BackendBuilder<'b> {
    /// Builds the backend of a provider.
    ///
    /// # Errors
    /// [`ServeError`] names the object.
    pub fn build(&mut self, provider: &Provider, limits: &mut ConcurrencyLimits<'_>) -> Result<Backend, ServeError> {
        let name = || provider.id.to_string();
        let known_kind = provider::lookup(&provider.kind);
        let kind = known_kind.unwrap_or(&provider::UNKNOWN);
        let address = Address::of(kind, provider);
        let (upstream, endpoint) = match &provider.mock {
            _ if known_kind.is_none() => {
                tracing::warn!(provider = name(), kind = provider.kind, "this version does not know its type: ignored");
                (Upstream::Unsupported, None)
            }
            Some(script) => (Upstream::Mock(Arc::new(Mock::new(provider, script))), None),
            None => {
                let url = address
                    .url
                    .as_deref()
                    .ok_or_else(|| ServeError::NoEndpoint { provider: name(), kind: provider.kind.clone() })?;
                let endpoint =
                    Endpoint::parse(url).map_err(|source| ServeError::Endpoint { provider: name(), source })?;
                let (path, proxy) = match (&provider.proxy, &self.learnt.proxies) {
                    (Some(url), _) => ("spec.proxy.url", Proxy::parse(url).map(Some)),
                    (None, Some(environment)) => {
                        ("the proxy in HTTPS_PROXY, HTTP_PROXY or ALL_PROXY", environment.to(&endpoint))
                    }
                    (None, None) => ("", Ok(None)),
                };
                let proxy = proxy.map_err(|source| ServeError::Proxy { provider: name(), path, source })?;
                let proxy = proxy.map(Arc::new);
                let authorities = provider.ca.clone();
                let pool = self
                    .pools
                    .get(Destination { endpoint: endpoint.clone(), proxy, authorities }, provider.prewarm)
                    .map_err(|source| ServeError::Tls { provider: name(), source })?;
                (Upstream::Http(pool), Some(endpoint))
            }
        };
        let mut backend = Backend {
            kind,
            apis: address.apis,
            upstream,
            endpoint,
            query: address.query,
            credentials: TiVec::new(),
            concurrency: limits.of(concurrency_of_provider(&provider.id), provider.limits.concurrent_requests),
            headers: parse_headers(&provider.headers),
            hop: None,
            unknown: known_kind.is_none(),
        };
        let withheld = is_clear_text(provider, backend.endpoint.as_ref(), self.namespace);
        if withheld && !provider.credentials.is_empty() {
            tracing::warn!(
                provider = name(),
                "its credentials are not sent over http:// from namespace {}: use https://, or set its \
                 spec.clearTextCredentials: Allow",
                self.namespace
            );
        }
        for credential in &provider.credentials {
            let secret = self.secrets.get(&credential.secret).filter(|_| known_kind.is_some() && !withheld);
            let value = match secret {
                Some(secret) => {
                    let authorization = self.authorizations(kind, provider).of(secret.expose());
                    let authorization = authorization.map_err(|_| ServeError::Credential {
                        provider: name(),
                        credential: credential.name.to_string(),
                        secret: credential.secret.to_string(),
                    })?;
                    Some(CredentialValue {
                        authorization,
                        mask: Mask::new(secret.expose()),
                        origin: secret.origin(&credential.secret),
                    })
                }
                None => None,
            };
            let health = self.health(credential.identity, secret.map_or("", |secret| secret.expose()));
            backend.credentials.push(BackendCredential { health, value });
        }
        if provider.credentials.is_empty() {
            let health = self.health(provider.identity, "");
            let namespace = self.namespace;
            let authorization = match known_kind {
                Some(_) => self.authorizations(kind, provider).of_pod(namespace),
                None => None,
            };
            let value = authorization.map(|authorization| CredentialValue {
                authorization,
                mask: None,
                origin: "the identity of this pod".to_owned(),
            });
            backend.credentials.push(BackendCredential { health, value });
        }
        Ok(backend)
    }

    fn authorizations<'s>(&'s mut self, kind: &'static ProviderType, provider: &'s Provider) -> Authorizations<'s, 'b> {
        Authorizations {
            kind,
            provider,
            identity: &self.learnt.identity,
            environment: self.learnt.proxies.as_deref(),
            pools: &mut self.pools,
            existing: &self.learnt.tokens,
            sources: &mut self.tokens,
        }
    }

    /// The health of an identity with a credential's value. A rotated credential starts afresh.
    fn health(&mut self, identity: u64, value: &str) -> Arc<BackendHealth> {
        let identity = fnv1a_parts(&[&identity.to_le_bytes(), value.as_bytes()]);
        let health = self.learnt.health.get(&identity).cloned().unwrap_or_default();
        self.health.insert(identity, Arc::clone(&health));
        health
    }
}

/// Whether a provider's credentials are withheld: without TLS, the author of the pod could redirect them.
fn is_clear_text(provider: &Provider, endpoint: Option<&Endpoint>, namespace: &str) -> bool {
    let foreign = !namespace.is_empty() && provider.id.namespace != namespace;
    let tokens_in_clear = || provider.token_server().is_some_and(|url| !url.starts_with("https://"));
    let in_clear = endpoint.is_some_and(|endpoint| !endpoint.tls) || tokens_in_clear();
    foreign && !provider.clear_text_credentials && in_clear
}

fn parse_headers(headers: &std::collections::BTreeMap<String, String>) -> Vec<(http::HeaderName, HeaderValue)> {
    headers.iter().filter_map(|(name, value)| Some((name.parse().ok()?, value.parse().ok()?))).collect()
}
