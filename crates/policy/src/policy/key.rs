//! A key, and the providers that it may use.

use std::collections::HashMap;
use std::sync::Arc;

use outrigger_core::ObjectRef;
use typed_index_collections::TiVec;

use crate::build_error::BuildError;
use crate::document::{Balance, KeyDoc, LimitsDoc, OnHangUp, OnLimit, SessionDoc, UnknownCostPolicy};
use crate::index::{EntryIndex, ProviderIndex};
use crate::rules::rule::Rule;
use crate::text::glob::Globs;

#[derive(Debug)]
pub struct Key {
    pub id: ObjectRef,
    pub providers: TiVec<EntryIndex, KeyProvider>,
    pub balance: Balance,
    pub extra_fields: bool,
    pub limits: LimitsDoc,
    /// Limits on each of its sessions.
    pub session: Option<SessionDoc>,
    /// The most output tokens of an answer.
    pub max_output_tokens: Option<u32>,
    /// The lowest limit of output tokens that a gateway sets; absent means its default.
    pub min_output_tokens: Option<u32>,
    /// Whether a gateway may set a limit of output tokens if the caller set none.
    pub cap_output: bool,
    pub on_limit: OnLimit,
    pub unpriced: UnknownCostPolicy,
    pub unmetered: UnknownCostPolicy,
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
    /// `indexes`: the indexes of the policy's providers.
    pub(super) fn build(doc: &KeyDoc, indexes: &HashMap<&ObjectRef, ProviderIndex>) -> Result<Self, BuildError> {
        let id = ObjectRef { namespace: doc.namespace.clone(), name: doc.name.clone() };
        let providers = doc
            .providers
            .iter()
            .map(|entry| {
                let provider = indexes.get(&entry.provider).copied().ok_or_else(|| BuildError::NoProvider {
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
            session: doc.session.clone(),
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

impl Rule {
    /// Whether the rule applies to a key.
    #[must_use]
    pub fn concerns(&self, key: &Key) -> bool {
        self.applies_to(&key.id, key.team.as_ref(), key.customer.as_ref())
    }
}
