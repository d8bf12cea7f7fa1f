//! How a provider's credentials authorize requests: a header, an access token that is fetched for them, or a signature.
//!
//! ```text
//! type         credential in the Secret          sent to the provider
//! AzureOpenAI  API key                           api-key
//!              client secret (azure.entra)       access token of Microsoft Entra ID
//!              none (azure.entra)                the same, for the pod's own token
//! VertexAI     API key                           x-goog-api-key
//!              JSON key of a service account     access token of Google
//!              none (vertex.workloadIdentity)    the same, for the pod's own identity
//! Bedrock      API key                           authorization
//!              access key                        signature of AWS
//!              none (bedrock.workloadIdentity)   the same, with a temporary key of the pod's own identity
//! others       API key                           the header of the type
//! ```
//! Tokens outlive a policy: the next one finds them by everything that decides what is sent, and where.

mod aws;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use http::{HeaderName, HeaderValue};
use outrigger_core::hash::fnv1a_parts;
use outrigger_llm::provider::ProviderType;
use outrigger_policy::{EntraDoc, Provider, WorkloadIdentityDoc};

use crate::runtime::pod_identity::PodIdentity;
use crate::upstream::{
    AUTHORITY, AccessToken, Authorization, Authorize, Destination, Draft, EXCHANGE_SERVER, Endpoint, EntraApplication,
    EntraProof, Federation, FetchToken, IMPERSONATION_SERVER, MetadataServer, Proxies, Proxy, ServiceAccount,
    TOKEN_SERVER, TokenFile, TokenServer, TokenSource, UnusableCredential, metadata_server,
};

/// The domains of Azure OpenAI, whose servers are Microsoft's whoever owns a resource there.
const AZURE_DOMAINS: [&str; 5] = [
    ".openai.azure.com",
    ".cognitiveservices.azure.com",
    ".services.ai.azure.com",
    ".openai.azure.us",
    ".openai.azure.cn",
];

/// The tokens of a policy, by what decides them.
pub(super) type TokenSources = HashMap<u64, Arc<dyn Authorize>>;

/// Builds the authorizations of one provider.
pub(super) struct Authorizations<'a, 'd> {
    pub kind: &'static ProviderType,
    pub provider: &'a Provider,
    pub identity: &'a PodIdentity,
    /// The proxies of the environment, if they count.
    pub environment: Option<&'a Proxies>,
    pub pools: &'a mut Draft<'d>,
    pub existing: &'a TokenSources,
    pub sources: &'a mut TokenSources,
}

impl Authorizations<'_, '_> {
    /// How the value of a Secret authorizes requests.
    ///
    /// # Errors
    /// If no header can carry it.
    pub fn of(&mut self, value: &str) -> Result<Authorization, http::header::InvalidHeaderValue> {
        let entra = self.provider.azure.as_ref().and_then(|azure| azure.entra.clone());
        if let Some(entra) = entra {
            return Ok(self.entra(&entra, EntraProof::Secret(value.to_owned()), value));
        }
        if let Some(vertex) = &self.provider.vertex
            && value.starts_with('{')
        {
            let server = vertex.token_endpoint.clone().unwrap_or_else(|| TOKEN_SERVER.to_owned());
            return Ok(self.token(&[&server], value, |servers| {
                let [server] = servers else { return Err(String::new()) };
                let account = ServiceAccount::read(value, server.clone());
                Ok(shared(account.map_err(|problem| format!("the key: {problem}"))?))
            }));
        }
        if let Some(bedrock) = self.provider.bedrock.clone()
            && let Some(authorization) = self.aws_key(&bedrock, value)
        {
            return Ok(authorization);
        }
        let auth = self.kind.auth;
        let mut header = HeaderValue::from_str(&format!("{}{value}", auth.prefix()))?;
        header.set_sensitive(true);
        Ok(Authorization::Header { name: HeaderName::from_static(auth.header()), value: header })
    }

    /// How the identity of the pod authorizes requests, for a provider without credentials. `None` if it does not.
    ///
    /// Whoever writes a provider of another namespace must not get the pod's tokens: for such a provider they go only to
    /// the cloud's own servers.
    pub fn of_pod(&mut self, namespace: &str) -> Option<Authorization> {
        let foreign = !namespace.is_empty() && self.provider.id.namespace != namespace;
        let Provider { azure, vertex, bedrock, .. } = self.provider;
        let in_cloud = azure.is_some() || vertex.is_some() || bedrock.is_some();
        if foreign && in_cloud && !self.stays_in_cloud() {
            let problem = "a provider of another namespace gets no token of this pod, unless its endpoint and its token \
                           server are the cloud's own";
            return Some(Authorization::Made(Arc::new(UnusableCredential(problem.to_owned()))));
        }
        if let Some(entra) = self.provider.azure.as_ref().and_then(|azure| azure.entra.clone()) {
            let path = self.identity.azure_token_file.clone().or_else(|| self.identity.token_file.clone());
            return Some(self.entra(&entra, EntraProof::File(TokenFile { path }), ""));
        }
        if let Some(bedrock) = self.provider.bedrock.clone() {
            return Some(self.aws_identity(&bedrock, bedrock.workload_identity.as_ref()?));
        }
        let identity = self.provider.vertex.as_ref()?.workload_identity.clone()?;
        let WorkloadIdentityDoc { audience, service_account } = identity;
        let Some(audience) = audience else {
            let server = metadata_server(self.identity.metadata_host.as_deref());
            return Some(self.token(&[&server], "", |servers| {
                let [server] = servers else { return Err(String::new()) };
                Ok(shared(MetadataServer(server.clone())))
            }));
        };
        let file = TokenFile { path: self.identity.token_file.clone() };
        Some(self.token(&[EXCHANGE_SERVER, IMPERSONATION_SERVER], "", |servers| {
            let [exchange, impersonation] = servers else { return Err(String::new()) };
            let account = service_account.map(|account| (account, impersonation.clone()));
            Ok(shared(Federation { exchange: exchange.clone(), audience, file, account }))
        }))
    }

    /// Whether both the endpoint and the token server are the cloud's own.
    fn stays_in_cloud(&self) -> bool {
        let own = self.provider.endpoint.as_deref().is_none_or(|url| {
            let is_own = |host: &str| AZURE_DOMAINS.iter().any(|own| host.ends_with(own)) || aws::is_bedrock(host);
            Endpoint::parse(url).is_ok_and(|endpoint| endpoint.tls && is_own(&endpoint.host))
        });
        own && self.provider.token_server().is_none()
    }

    fn entra(&mut self, entra: &EntraDoc, proof: EntraProof, value: &str) -> Authorization {
        let server = entra.authority.clone().unwrap_or_else(|| AUTHORITY.to_owned());
        let (tenant, client) = (entra.tenant_id.clone(), entra.client_id.clone());
        self.token(&[&server], value, |servers| {
            let [server] = servers else { return Err(String::new()) };
            Ok(shared(EntraApplication { server: server.clone(), tenant, client, proof }))
        })
    }

    /// The source of tokens from these servers: the one of the previous policy, if nothing about it has changed.
    fn token(
        &mut self,
        urls: &[&str],
        value: &str,
        make: impl FnOnce(&[TokenServer]) -> Result<Arc<dyn Authorize>, String>,
    ) -> Authorization {
        let mut servers = Vec::with_capacity(urls.len());
        let mut places = String::new();
        for url in urls {
            match self.server(url) {
                Ok((server, place)) => {
                    servers.push(server);
                    places.push_str(&place);
                }
                Err(problem) => return self.unusable(format!("the token server {url}: {problem}")),
            }
        }
        let Provider { azure, vertex, bedrock, .. } = self.provider;
        let settings = format!("{places}{azure:?}{vertex:?}{bedrock:?}{:?}", self.identity);
        let at = fnv1a_parts(&[&self.provider.identity.to_le_bytes(), settings.as_bytes(), value.as_bytes()]);
        let known = self.sources.get(&at).or_else(|| self.existing.get(&at)).cloned();
        let source = match known {
            Some(source) => source,
            None => match make(&servers) {
                Ok(made) => made,
                Err(problem) => return self.unusable(problem),
            },
        };
        self.sources.insert(at, Arc::clone(&source));
        Authorization::Made(source)
    }

    /// A credential that can't be used, for this reason.
    fn unusable(&self, problem: String) -> Authorization {
        tracing::warn!(provider = %self.provider.id, "a credential can't be used: {problem}");
        Authorization::Made(Arc::new(UnusableCredential(problem)))
    }

    /// A token server, and what decides the way to it.
    fn server(&mut self, url: &str) -> Result<(TokenServer, String), String> {
        let endpoint = Endpoint::parse(url).map_err(|error| error.to_string())?;
        let proxy = match (&self.provider.proxy, self.environment) {
            // Metadata servers and agents are on this machine.
            _ if is_on_this_machine(&endpoint.host) => Ok(None),
            (Some(url), _) => Proxy::parse(url).map(Some),
            (None, Some(environment)) => environment.to(&endpoint),
            (None, None) => Ok(None),
        };
        let proxy = proxy.map_err(|error| error.to_string())?.map(Arc::new);
        // A server that the object names may have a certificate of its own authority; a vendor's never has.
        let named = self.provider.token_server() == Some(url);
        let authorities = self.provider.ca.clone().filter(|_| named);
        let destination = Destination { endpoint, proxy, authorities };
        let place = format!("{destination:?}");
        let pool = self.pools.get(destination, false).map_err(|error| error.to_string())?;
        Ok((TokenServer::new(pool), place))
    }
}

/// Whether a host is the machine itself, or an address that never leaves its network.
fn is_on_this_machine(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    match host.parse::<IpAddr>() {
        Ok(IpAddr::V4(address)) => address.is_link_local() || address.is_loopback(),
        // AWS has its own servers on machines there.
        Ok(IpAddr::V6(address)) => address.is_loopback() || address.segments()[..2] == [0xfd00, 0x0ec2],
        Err(_) => host == "localhost",
    }
}

/// A token that all requests share.
fn shared(fetch: impl FetchToken<Token = AccessToken>) -> Arc<dyn Authorize> {
    Arc::new(TokenSource::new(fetch))
}
