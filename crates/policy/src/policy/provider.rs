//! A provider, its credentials and its models.

use std::collections::BTreeMap;
use std::sync::Arc;

use outrigger_core::hash::spread_parts;
use outrigger_core::{ObjectRef, SecretRef};
use typed_index_collections::TiVec;

use crate::catalogue::model::{Model, ModelNames};
use crate::document::{
    AzureDoc, Balance, BedrockDoc, CredentialDoc, LimitsDoc, MockDoc, ProviderDoc, TimeoutsDoc, VertexDoc,
};
use crate::index::CredentialIndex;
use crate::prices::Price;
use crate::text::glob::{Globs, is_anything, is_pattern};

#[derive(Debug)]
pub struct Provider {
    pub id: ObjectRef,
    /// Hash of namespace and name: the same in every process.
    pub identity: u64,
    /// As in `LLMProvider.spec.type`.
    pub kind: String,
    pub endpoint: Option<String>,
    pub credentials: TiVec<CredentialIndex, Credential>,
    /// Whether it is called with each caller's own credential.
    pub caller_credential: bool,
    pub models: Vec<Model>,
    pub exclusive: bool,
    pub suspended: bool,
    pub timeouts: TimeoutsDoc,
    pub account: Option<String>,
    pub balance: Balance,
    pub max_attempts: u32,
    /// Whether the object sets the number of attempts.
    pub sets_max_attempts: bool,
    pub headers: BTreeMap<String, String>,
    /// Whether its credentials may be sent without TLS from pods of other namespaces.
    pub clear_text_credentials: bool,
    pub prewarm: bool,
    pub ca: Option<String>,
    /// `http://HOST:PORT`
    pub proxy: Option<String>,
    pub azure: Option<AzureDoc>,
    pub vertex: Option<VertexDoc>,
    pub bedrock: Option<BedrockDoc>,
    pub mock: Option<MockDoc>,
    /// Limits of the provider, shared by everyone who uses it here.
    pub limits: LimitsDoc,
    /// The price of models that have no other price.
    pub default_price: Option<Price>,
    names: ModelNames,
    /// The names of its models that are patterns, without `*`.
    pub(crate) patterns: Globs,
    /// Whether it lists `*`, and so accepts any name.
    pub(crate) accepts_any_name: bool,
}

impl Provider {
    pub(super) fn of(doc: &ProviderDoc) -> Self {
        let id = ObjectRef { namespace: doc.namespace.clone(), name: doc.name.clone() };
        let identity = spread_parts(&[id.namespace.as_bytes(), id.name.as_bytes()]);
        let models: Vec<Model> = doc.models.iter().map(Model::of).collect();
        let patterns = models.iter().map(|one| one.name.to_string()).filter(|name| is_pattern(name));
        let (any, patterns): (Vec<String>, Vec<String>) = patterns.partition(|name| is_anything(name));
        Provider {
            patterns: Globs::new(&patterns),
            accepts_any_name: !any.is_empty(),
            credentials: doc.credentials.iter().map(|credential| Credential::of(credential, identity)).collect(),
            caller_credential: doc.caller_credential,
            id,
            identity,
            kind: doc.kind.clone(),
            endpoint: doc.endpoint.clone(),
            names: ModelNames::of(&models),
            models,
            exclusive: doc.exclusive,
            suspended: doc.suspended,
            timeouts: doc.timeouts,
            account: doc.account.clone(),
            balance: doc.balance,
            max_attempts: doc.max_attempts.unwrap_or(4).max(1),
            sets_max_attempts: doc.max_attempts.is_some(),
            headers: doc.headers.clone(),
            clear_text_credentials: doc.clear_text_credentials,
            prewarm: doc.prewarm,
            ca: doc.ca.clone(),
            proxy: doc.proxy.clone(),
            azure: doc.azure.clone(),
            vertex: doc.vertex.clone(),
            bedrock: doc.bedrock.clone(),
            mock: doc.mock.clone(),
            limits: doc.limits.clone(),
            default_price: doc.default_price.clone(),
        }
    }

    /// The token server that its object names: credentials go there.
    #[must_use]
    pub fn token_server(&self) -> Option<&str> {
        let authority = self.azure.as_ref().and_then(|azure| azure.entra.as_ref()?.authority.as_deref());
        authority
            .or_else(|| self.vertex.as_ref()?.token_endpoint.as_deref())
            .or_else(|| self.bedrock.as_ref()?.token_endpoint.as_deref())
    }

    /// The model with this name or alias.
    #[must_use]
    pub fn model(&self, name: &str) -> Option<&Model> {
        self.models.get(self.names.position(name)?)
    }

    /// The first model whose name is a pattern that matches.
    pub(crate) fn pattern(&self, name: &str) -> Option<&Model> {
        if !self.accepts_any_name && self.patterns.is_empty() {
            return None;
        }
        self.models.iter().find(|model| is_pattern(&model.name) && Globs::new(&[model.name.to_string()]).matches(name))
    }

    /// The model's own name if `name` is an alias; else `name`.
    pub(crate) fn own_name<'n>(&'n self, name: &'n str) -> &'n str {
        self.model(name).map_or(name, |model| &model.name)
    }

    /// Whether the provider serves only listed models, and this is not one of them.
    pub(crate) fn excludes(&self, name: &str) -> bool {
        self.exclusive && self.model(name).is_none() && !self.accepts_any_name && !self.patterns.matches(name)
    }

    /// The name that the provider is sent for a model.
    #[must_use]
    pub fn upstream_name(&self, name: &str) -> Arc<str> {
        match self.model(name) {
            Some(model) => model.upstream_name.clone().unwrap_or_else(|| model.name.clone()),
            None => Arc::from(name),
        }
    }
}

#[derive(Debug)]
pub struct Credential {
    pub name: Arc<str>,
    /// Hash of the provider's identity and the name: the same in every process.
    pub identity: u64,
    pub weight: u32,
    pub suspended: bool,
    pub secret: SecretRef,
    models: Globs,
}

impl Credential {
    fn of(doc: &CredentialDoc, provider: u64) -> Self {
        Credential {
            name: Arc::from(doc.name.as_str()),
            identity: spread_parts(&[&provider.to_le_bytes(), doc.name.as_bytes()]),
            weight: doc.weight,
            suspended: doc.suspended,
            secret: doc.secret.clone(),
            models: Globs::new(&doc.models),
        }
    }

    /// Whether it may be used for a model, known by either of its names.
    pub(crate) fn serves(&self, model: &str, upstream_model: &str) -> bool {
        self.models.allows(model) || self.models.matches(upstream_model)
    }

    /// Whether it may be used for every model.
    pub(crate) fn serves_anything(&self) -> bool {
        self.models.is_empty() || self.models.matches_anything()
    }
}
