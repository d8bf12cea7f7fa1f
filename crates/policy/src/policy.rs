//! A policy that is ready to use: names are resolved to indexes, globs and expressions are compiled.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use outrigger_core::{ObjectRef, SecretRef};
use sha2::{Digest, Sha256};
use typed_index_collections::TiVec;

use crate::build_error::BuildError;
use crate::catalogue::custom::Catalogues;
use crate::catalogue::model::{Model, ModelNames};
use crate::condition::bounds::PATTERNS;
use crate::document::{
    Balance, CredentialDoc, Document, FORMATS, KeyDoc, LimitsDoc, MockDoc, OnHangUp, OnLimit, ProviderDoc, ReadError,
    TimeoutsDoc, Unknown,
};
use crate::index::{CredentialIndex, EntryIndex, KeyIndex, ProviderIndex, RuleIndex};
use crate::limits::limit::Limits;
use crate::prices::Price;
use crate::rules::rule::{CompiledConditions, Rule};
use crate::text::glob::{Globs, is_anything, is_pattern};
use outrigger_core::hash::spread_parts;

/// The policy of a gateway.
#[derive(Debug)]
pub struct Policy {
    pub revision: Revision,
    pub providers: TiVec<ProviderIndex, Provider>,
    pub keys: TiVec<KeyIndex, Key>,
    pub rules: TiVec<RuleIndex, Rule>,
    pub default_key: Option<KeyIndex>,
    pub limits: Limits,
    /// The document that it was built from.
    pub document: Document,
    pub(crate) catalogues: Catalogues,
    by_name: HashMap<String, KeyIndex>,
    by_alias: HashMap<String, KeyIndex>,
}

/// Identifies a policy: `12-9f3ce4a1`, its sequence and the first eight characters of its digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revision {
    pub sequence: u64,
    /// SHA-256 of the document, hex.
    pub digest: String,
}

impl std::fmt::Display for Revision {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.sequence, self.digest.get(..8).unwrap_or(&self.digest))
    }
}

#[derive(Debug)]
pub struct Provider {
    pub id: ObjectRef,
    /// Hash of namespace and name: the same in every process.
    pub identity: u64,
    /// As in `LLMProvider.spec.type`.
    pub kind: String,
    pub endpoint: Option<String>,
    pub credentials: TiVec<CredentialIndex, Credential>,
    pub models: Vec<Model>,
    pub exclusive: bool,
    pub suspended: bool,
    pub timeouts: TimeoutsDoc,
    pub account: Option<String>,
    pub balance: Balance,
    pub max_attempts: u32,
    /// Whether the object sets the number of attempts.
    pub wants_attempts: bool,
    pub headers: BTreeMap<String, String>,
    /// Whether its credentials may be sent without TLS from pods of other namespaces.
    pub clear_text_credentials: bool,
    pub prewarm: bool,
    pub ca: Option<String>,
    /// `http://HOST:PORT`
    pub proxy: Option<String>,
    pub mock: Option<MockDoc>,
    /// Limits of the provider, shared by everyone who uses it here.
    pub limits: LimitsDoc,
    /// The price of models that have no other price.
    pub default_price: Option<Price>,
    names: ModelNames,
    /// The names of its models that are patterns, without `*`.
    pub(crate) patterns: Globs,
    /// Whether it lists `*`, and so accepts any name.
    pub(crate) says_any: bool,
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
    /// Whether it may be used for a model, known by either of its names.
    pub(crate) fn serves(&self, model: &str, upstream_model: &str) -> bool {
        self.models.allows(model) || self.models.matches(upstream_model)
    }

    /// Whether it may be used for every model.
    pub(crate) fn serves_anything(&self) -> bool {
        self.models.is_empty() || self.models.matches_anything()
    }
}

#[derive(Debug)]
pub struct Key {
    pub id: ObjectRef,
    pub providers: TiVec<EntryIndex, KeyProvider>,
    pub balance: Balance,
    pub extra_fields: bool,
    pub limits: LimitsDoc,
    /// The most output tokens of an answer.
    pub max_output_tokens: Option<u32>,
    /// The lowest limit of output tokens that a gateway sets; absent means its default.
    pub min_output_tokens: Option<u32>,
    /// Whether a gateway may set a limit of output tokens if the caller set none.
    pub cap_output: bool,
    pub on_limit: OnLimit,
    pub unpriced: Unknown,
    pub unmetered: Unknown,
    pub on_hang_up: OnHangUp,
    /// Whether callers must send its name or a token of it.
    pub must_be_named: bool,
    pub suspended: bool,
    pub expires_at: Option<i64>,
    pub team: Option<String>,
    pub customer: Option<String>,
    pub keyless: bool,
    /// The service accounts whose pods may use it; `None`: all.
    pub service_accounts: Option<Vec<String>>,
    allow: Globs,
    deny: Globs,
}

impl Key {
    /// Whether the key's own lists allow a model. Deny overrides allow.
    #[must_use]
    pub fn allows(&self, model: &str) -> bool {
        self.permits(&[model])
    }

    /// Whether the key's own lists allow every model.
    pub(crate) fn allows_anything(&self) -> bool {
        (self.allow.is_empty() || self.allow.matches_anything()) && self.deny.is_empty()
    }

    /// Whether the key's own lists allow a model with several names: one name must be allowed, and none denied.
    /// Otherwise an alias could bypass a denial.
    pub(crate) fn permits(&self, names: &[&str]) -> bool {
        names.iter().any(|name| self.allow.allows(name)) && !names.iter().any(|name| self.deny.matches(name))
    }

    /// The entry with this local name.
    #[must_use]
    pub fn provider(&self, name: &str) -> Option<EntryIndex> {
        self.providers.position(|provider| &*provider.name == name)
    }
}

#[derive(Debug)]
pub struct KeyProvider {
    pub name: Arc<str>,
    pub provider: ProviderIndex,
    pub weight: u32,
    /// The key's own limits for this provider.
    pub limits: LimitsDoc,
    pub(crate) models: Globs,
    pub(crate) credentials: Vec<String>,
}

impl KeyProvider {
    /// Whether the entry's list contains exactly this model.
    #[must_use]
    pub fn names(&self, model: &str) -> bool {
        self.models.names(model)
    }
}

impl Provider {
    /// The model with this name or alias.
    #[must_use]
    pub fn model(&self, name: &str) -> Option<&Model> {
        self.models.get(self.names.place(name)?)
    }

    /// The first model whose name is a pattern that matches.
    pub(crate) fn pattern(&self, name: &str) -> Option<&Model> {
        if !self.says_any && self.patterns.is_empty() {
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
        self.exclusive && self.model(name).is_none() && !self.says_any && !self.patterns.matches(name)
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

impl Policy {
    /// Builds a policy. Everything that can fail fails here.
    ///
    /// # Errors
    /// [`BuildError`], which names the object with the problem.
    pub fn build(document: Document) -> Result<Self, BuildError> {
        Self::build_with(document, &CompiledConditions::new())
    }

    /// Like [`Policy::build`], with conditions that are already compiled.
    ///
    /// # Errors
    /// As [`Policy::build`].
    pub fn build_with(document: Document, known: &CompiledConditions) -> Result<Self, BuildError> {
        if !FORMATS.contains(&document.format) {
            return Err(ReadError::Format { found: document.format }.into());
        }
        let revision = Revision { sequence: document.sequence, digest: digest(&document) };
        let providers: TiVec<ProviderIndex, Provider> = document.providers.iter().map(provider).collect();
        let places: HashMap<&ObjectRef, ProviderIndex> =
            providers.iter_enumerated().map(|(index, provider)| (&provider.id, index)).collect();
        let keys = document.keys.iter().map(|doc| key(doc, &places)).collect::<Result<TiVec<KeyIndex, _>, _>>()?;
        let mut rules =
            document.rules.iter().map(|rule| Rule::build(rule, known)).collect::<Result<TiVec<RuleIndex, _>, _>>()?;
        rules.sort_by(|a, b| a.order().cmp(&b.order()));
        let mut room = PATTERNS;
        for when in rules.iter_mut().filter_map(|rule| rule.when.as_mut()) {
            match room.checked_sub(when.pattern_size()) {
                Some(left) => room = left,
                None => *when = Arc::new(when.left_out()),
            }
        }

        let mut by_name = HashMap::new();
        let mut by_alias = HashMap::new();
        for ((index, key), doc) in keys.iter_enumerated().zip(&document.keys) {
            if !key.keyless {
                by_name.entry(key.id.name.clone()).or_insert(index);
                by_name.insert(key.id.to_string(), index);
            }
            for alias in &doc.aliases {
                by_alias.insert(alias.clone(), index);
            }
        }
        let default_key = match &document.default_key {
            None => None,
            Some(name) => Some(
                keys.position(|key| key.id.to_string() == *name)
                    .ok_or_else(|| BuildError::NoDefaultKey(name.clone()))?,
            ),
        };
        let limits = Limits::of(&document);
        let catalogues = Catalogues::build(&document);
        Ok(Policy { revision, providers, keys, rules, default_key, limits, document, catalogues, by_name, by_alias })
    }

    /// The key with this name: `search`, `vk-search` or `team-a/search`.
    #[must_use]
    pub fn key_named(&self, name: &str) -> Option<KeyIndex> {
        let bare = || name.strip_prefix("vk-").and_then(|rest| self.by_name.get(rest));
        self.by_name.get(name).or_else(bare).copied()
    }

    /// The key of a token, by the token's hash.
    #[must_use]
    pub fn key_of_token(&self, token: &str) -> Option<KeyIndex> {
        if self.by_alias.is_empty() {
            return None;
        }
        self.by_alias.get(&hex(&Sha256::digest(token.as_bytes()))).copied()
    }
}

fn digest(document: &Document) -> String {
    // The sequence is left out: it counts writes, and the same contents must have the same digest.
    let contents = Document { sequence: 0, ..document.clone() };
    let bytes = serde_json::to_vec(&contents).unwrap_or_default();
    hex(&Sha256::digest(&bytes))
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn provider(doc: &ProviderDoc) -> Provider {
    let id = ObjectRef { namespace: doc.namespace.clone(), name: doc.name.clone() };
    let identity = spread_parts(&[id.namespace.as_bytes(), id.name.as_bytes()]);
    let models: Vec<Model> = doc.models.iter().map(Model::of).collect();
    let patterns = models.iter().map(|one| one.name.to_string()).filter(|name| is_pattern(name));
    let (any, patterns): (Vec<String>, Vec<String>) = patterns.partition(|name| is_anything(name));
    Provider {
        patterns: Globs::new(&patterns),
        says_any: !any.is_empty(),
        credentials: doc.credentials.iter().map(|credential| credential_of(credential, identity)).collect(),
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
        wants_attempts: doc.max_attempts.is_some(),
        headers: doc.headers.clone(),
        clear_text_credentials: doc.clear_text_credentials,
        prewarm: doc.prewarm,
        ca: doc.ca.clone(),
        proxy: doc.proxy.clone(),
        mock: doc.mock.clone(),
        limits: doc.limits.clone(),
        default_price: doc.default_price.clone(),
    }
}

fn credential_of(doc: &CredentialDoc, provider: u64) -> Credential {
    Credential {
        name: Arc::from(doc.name.as_str()),
        identity: spread_parts(&[&provider.to_le_bytes(), doc.name.as_bytes()]),
        weight: doc.weight,
        suspended: doc.suspended,
        secret: doc.secret.clone(),
        models: Globs::new(&doc.models),
    }
}

fn key(doc: &KeyDoc, places: &HashMap<&ObjectRef, ProviderIndex>) -> Result<Key, BuildError> {
    let id = ObjectRef { namespace: doc.namespace.clone(), name: doc.name.clone() };
    let providers = doc
        .providers
        .iter()
        .map(|entry| {
            let provider = places.get(&entry.provider).copied().ok_or_else(|| BuildError::NoProvider {
                key: id.clone(),
                name: entry.name.clone(),
                provider: entry.provider.clone(),
            })?;
            Ok(KeyProvider {
                name: Arc::from(entry.name.as_str()),
                provider,
                weight: entry.weight,
                limits: entry.limits.clone(),
                models: Globs::new(&entry.models),
                credentials: entry.credentials.clone(),
            })
        })
        .collect::<Result<_, BuildError>>()?;
    Ok(Key {
        id,
        providers,
        balance: doc.balance,
        extra_fields: doc.extra_fields,
        limits: doc.limits.clone(),
        max_output_tokens: doc.max_output_tokens,
        min_output_tokens: doc.min_output_tokens,
        cap_output: doc.cap_output,
        on_limit: doc.on_limit,
        unpriced: doc.unpriced,
        unmetered: doc.unmetered,
        on_hang_up: doc.on_hang_up,
        must_be_named: doc.must_be_named,
        suspended: doc.suspended,
        expires_at: doc.expires_at,
        team: doc.team.clone(),
        customer: doc.customer.clone(),
        keyless: doc.keyless,
        service_accounts: doc.service_accounts.clone(),
        allow: Globs::new(&doc.allow),
        deny: Globs::new(&doc.deny),
    })
}
