//! Which limits count which requests, and which providers serve them. Uses the compiled policy itself, so that findings
//! match what a gateway does.

use outrigger_core::RequestType;
use outrigger_policy::{
    CompiledConditions, Document, Draw, EntryIndex, HealthyState, KeyIndex, Limit, Policy, ProviderIndex, Request,
    SessionDoc, Skip, Unit, catalogue, decide,
};

/// A policy that is queried.
pub(crate) struct CountedPolicy {
    policy: Policy,
    /// The same policy without its rules, to find the providers of a model regardless of rules.
    plain: Policy,
}

/// A model at one of a key's providers.
#[derive(Clone, Debug)]
pub(crate) struct ModelAt {
    pub key: KeyIndex,
    pub entry: EntryIndex,
    pub provider: ProviderIndex,
    pub model: String,
}

impl CountedPolicy {
    /// `None` if the document has no limits, or is not a valid policy, which is an error wherever it is served.
    pub fn of(document: &Document, conditions: &CompiledConditions) -> Option<Self> {
        let limited = !document.budgets.is_empty()
            || document.providers.iter().any(|provider| !provider.limits.is_empty())
            || document.keys.iter().any(|key| {
                !key.limits.is_empty()
                    || key.session.as_ref().is_some_and(SessionDoc::counts)
                    || key.providers.iter().any(|entry| !entry.limits.is_empty())
            });
        if !limited {
            return None;
        }
        let plain = Document { rules: Vec::new(), ..document.clone() };
        let policy = Policy::build_with(document.clone(), conditions).ok()?;
        Some(Self { policy, plain: Policy::build(plain).ok()? })
    }

    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The limits that count a request for a model.
    pub fn limits(&self, at: &ModelAt) -> impl Iterator<Item = &Limit> {
        let (key, provider) = (&self.policy.keys[at.key], &self.policy.providers[at.provider]);
        let own = provider.model(&at.model).map_or(at.model.as_str(), |model| &model.name);
        let limits = &self.policy.limits;
        let indexes = limits.of_attempt(at.key, &key.id, at.entry, &provider.id.name, &[&at.model, own]);
        indexes.into_iter().filter_map(|index| limits.all.get(index))
    }

    /// The first limit in money among them. None counts what callers pay by themselves.
    pub fn money(&self, at: &ModelAt) -> Option<&Limit> {
        if self.policy.providers[at.provider].caller_credential {
            return None;
        }
        self.limits(at).find(|limit| limit.unit == Unit::Money)
    }

    /// The providers to which a request of a key for a model may go. The name is as a caller would write it.
    pub fn serving(&self, key: KeyIndex, model: &str) -> Vec<ModelAt> {
        let request = Request {
            key,
            request_type: RequestType::ChatCompletion,
            model: Some(model),
            provider: None,
            fallbacks: None,
            credential: None,
            headers: &[],
            params: &[],
            draw: Draw::Session(0),
            stay: None,
            state: &HealthyState,
        };
        let serves = |skipped: &Option<Skip>| matches!(skipped, None | Some(Skip::Unpriced));
        decide(&self.plain, &request)
            .candidates
            .into_iter()
            .filter(|candidate| serves(&candidate.skipped))
            .filter_map(|one| {
                Some(ModelAt { key, entry: one.entry?, provider: one.provider?, model: one.model.to_string() })
            })
            .collect()
    }

    /// Whether a key may use the model, if a request names the provider.
    pub fn allowed(&self, at: &ModelAt) -> bool {
        let Some(entry) = self.policy.keys[at.key].providers.get(at.entry) else { return false };
        self.serving(at.key, &format!("{}/{}", entry.name, at.model)).iter().any(|one| one.entry == at.entry)
    }

    /// The part after a provider's name, if the model begins with one: a threshold compares the whole name, and matches
    /// nothing. Some models have a slash in their own name.
    pub fn model_after_provider<'m>(&self, model: &'m str) -> Option<&'m str> {
        let (provider, bare) = model.split_once('/')?;
        let is_provider = self.policy.providers.iter().any(|one| one.id.name == provider)
            || self.policy.keys.iter().any(|key| key.provider(provider).is_some());
        let is_model =
            self.policy.providers.iter().any(|one| {
                one.model(model).is_some() || (!one.exclusive && catalogue::lookup(&one.kind, model).is_some())
            }) || self.policy.keys.iter().flat_map(|key| &key.providers).any(|entry| entry.names(model));
        (is_provider && !is_model && !bare.is_empty()).then_some(bare)
    }

    /// The models that are named in a key's lists, or in those of its providers. [`CountedPolicy::allowed`] tells
    /// whether the key may use them.
    pub fn named(&self) -> Vec<NamedModel> {
        let document = &self.policy.document;
        let mut named = Vec::new();
        for ((key, of_key), doc) in self.policy.keys.iter_enumerated().zip(&document.keys) {
            for ((entry, resolved), listed) in of_key.providers.iter_enumerated().zip(&doc.providers) {
                let provider = &self.policy.providers[resolved.provider];
                let at = |model: &str| {
                    let model = provider.model(model).map_or(model, |known| &*known.name).to_owned();
                    ModelAt { key, entry, provider: resolved.provider, model }
                };
                let own = provider.models.iter().enumerate();
                named.extend(
                    own.map(|(index, model)| NamedModel { at: at(&model.name), by: NamedBy::Provider { index } }),
                );
                let listed = listed.models.iter().enumerate().filter(|(_, model)| is_name(model));
                named.extend(listed.map(|(index, model)| NamedModel { at: at(model), by: NamedBy::Entry { index } }));
            }
            for (index, model) in doc.allow.iter().enumerate().filter(|(_, model)| is_name(model)) {
                let by = NamedBy::Key { index };
                named.extend(self.serving(key, model).into_iter().map(|at| NamedModel { at, by }));
            }
        }
        named
    }
}

/// A model that is named in an object, and where.
#[derive(Clone, Debug)]
pub(crate) struct NamedModel {
    pub at: ModelAt,
    pub by: NamedBy,
}

/// The list that names a model, and the index in it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum NamedBy {
    /// `spec.models` of the LLMProvider.
    Provider { index: usize },
    /// `spec.providers[…].models` of the VirtualKey.
    Entry { index: usize },
    /// `spec.models.allow` of the VirtualKey.
    Key { index: usize },
}

fn is_name(glob: &str) -> bool {
    !glob.contains(['*', '?'])
}
