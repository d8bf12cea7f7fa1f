//! The providers that serve a model's name without a provider.

use serde::Serialize;

use crate::catalogue;
use crate::index::EntryIndex;
use crate::naming::misnamed::Misnamed;
use crate::policy::{Credential, Key, KeyProvider, Policy, Provider};
use crate::request::Others;
use crate::text::glob::{Globs, is_pattern};

/// Types that accept any name, because their models are unknown.
const ANY_NAME: [&str; 8] =
    ["AzureOpenAI", "OpenAICompatible", "vLLM", "SGLang", "Ollama", "OpenRouter", "HuggingFace", "Mock"];

/// Why a provider serves a name without a provider. The first tier that any of the key's providers matches decides, and
/// only the providers that match it are candidates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum ServingTier {
    /// The key's own list for the provider contains it.
    KeyModels,
    /// The provider's list contains it, as a name or an alias.
    ProviderModels,
    /// The catalogue contains it for the provider's type.
    Catalogue,
    /// The type accepts any name.
    AnyName,
}

impl ServingTier {
    const ALL: [Self; 4] = [Self::KeyModels, Self::ProviderModels, Self::Catalogue, Self::AnyName];

    fn has(self, asked: &Wanted<'_>, entry: &KeyProvider, provider: &Provider) -> bool {
        let model = asked.model;
        match self {
            Self::KeyModels => [model, provider.own_name(model)]
                .into_iter()
                .any(|name| entry.models.matches(name) && asked.may_match(&entry.models, name, provider)),
            Self::ProviderModels => {
                let pattern =
                    || provider.patterns.matches(model) && asked.may_match(&provider.patterns, model, provider);
                provider.model(model).is_some() || pattern()
            }
            // The tables of types that accept any name are incomplete, so they do not decide who serves a name.
            Self::Catalogue => {
                let known = || catalogue::lookup(&provider.kind, model).is_some();
                !provider.exclusive && !accepts_any_name(&provider.kind) && known()
            }
            Self::AnyName => takes_any_name(provider) && asked.may_be_at(provider),
        }
    }
}

/// Whether providers of this type accept names that are not listed.
#[must_use]
pub fn accepts_any_name(provider_type: &str) -> bool {
    ANY_NAME.contains(&provider_type)
}

/// Whether a provider accepts names that are not listed.
fn takes_any_name(provider: &Provider) -> bool {
    provider.accepts_any_name || (!provider.exclusive && accepts_any_name(&provider.kind))
}

/// A name without a provider, and the provider that its first segment may refer to.
struct Wanted<'n> {
    model: &'n str,
    misnamed: Option<Misnamed<'n>>,
}

impl<'n> Wanted<'n> {
    fn of(policy: &Policy, key: &Key, model: &'n str) -> Self {
        Wanted { model, misnamed: Misnamed::of(policy, key, model) }
    }

    /// Whether the provider may have a model of this name, although it is not listed.
    fn may_be_at(&self, provider: &Provider) -> bool {
        self.misnamed.is_none_or(|misnamed| misnamed.is_name_at(&provider.kind))
    }

    /// Whether a pattern in a list covers such a name: `*` does not cover `azure/gpt-4o`, `azure/*` does.
    fn may_match(&self, list: &Globs, name: &str, provider: &Provider) -> bool {
        let spelt = |misnamed: Misnamed<'_>| list.names(name) || list.spells(misnamed.word, name);
        self.misnamed.is_none_or(spelt) || self.may_be_at(provider)
    }
}

/// The providers that serve a name without a provider.
#[derive(Clone, Debug)]
pub(crate) struct Serving {
    pub tier: ServingTier,
    /// Never empty.
    pub entries: Vec<EntryIndex>,
    /// Whether they only accept the name because they accept any.
    pub any_name: bool,
}

/// The providers that serve `model`. `None` if no provider does, or if it is ambiguous.
///
/// A name that is not listed goes to a provider that accepts any name only if it is the only one, or says so in a list:
/// otherwise every such provider would receive the prompt in turn.
pub(crate) fn serving(policy: &Policy, key: &Key, model: &str) -> Option<Serving> {
    let asked = Wanted::of(policy, key, model);
    let of = |tier: ServingTier| {
        let matching = |index: &EntryIndex| {
            let entry = &key.providers[*index];
            let provider = &policy.providers[entry.provider];
            lists(entry, provider, model) && tier.has(&asked, entry, provider)
        };
        key.providers.keys().filter(matching).collect::<Vec<_>>()
    };
    let (tier, mut entries) =
        ServingTier::ALL.into_iter().map(|tier| (tier, of(tier))).find(|(_, entries)| !entries.is_empty())?;
    let mut any_name = false;
    let keep = |entries: &mut Vec<EntryIndex>, wanted: &dyn Fn(&KeyProvider, &Provider) -> bool| {
        let is = |index: &EntryIndex| {
            let entry = &key.providers[*index];
            wanted(entry, &policy.providers[entry.provider])
        };
        let kept: Vec<EntryIndex> = entries.iter().copied().filter(is).collect();
        if !kept.is_empty() {
            *entries = kept;
        }
    };
    match tier {
        ServingTier::Catalogue => {}
        // An exact name takes precedence over a pattern.
        ServingTier::ProviderModels => keep(&mut entries, &|_, provider| provider.model(model).is_some()),
        ServingTier::KeyModels => {
            any_name = entries.iter().all(|index| {
                let entry = &key.providers[*index];
                let known = entry.models.names(model) || policy.providers[entry.provider].model(model).is_some();
                entry.models.matches_anything() && !known
            });
        }
        ServingTier::AnyName => {
            any_name = true;
            keep(&mut entries, &|_, provider| provider.accepts_any_name);
            let accepts = |index: &EntryIndex| policy.providers[key.providers[*index].provider].accepts_any_name;
            if entries.len() > 1 && !entries.iter().all(accepts) {
                return None;
            }
        }
    }
    Some(Serving { tier, entries, any_name })
}

/// The key's entries that would accept a name because they accept any. If there are several, the name is ambiguous.
pub(crate) fn takers<'k>(policy: &Policy, key: &'k Key, model: &str) -> Vec<&'k str> {
    let asked = Wanted::of(policy, key, model);
    let takes = |entry: &&KeyProvider| {
        let provider = &policy.providers[entry.provider];
        lists(entry, provider, model) && ServingTier::AnyName.has(&asked, entry, provider)
    };
    key.providers.iter().filter(takes).map(|entry| &*entry.name).collect()
}

/// Whether a key's entry serves `model` in any tier, regardless of other entries.
pub(crate) fn serves(policy: &Policy, key: &Key, entry: EntryIndex, model: &str) -> bool {
    let asked = Wanted::of(policy, key, model);
    let entry = &key.providers[entry];
    let provider = &policy.providers[entry.provider];
    lists(entry, provider, model) && ServingTier::ALL.iter().any(|tier| tier.has(&asked, entry, provider))
}

/// Whether a list of one of the key's providers contains exactly `name`.
pub(crate) fn is_exact(policy: &Policy, key: &Key, name: &str) -> bool {
    key.providers.iter().any(|entry| entry.models.names(name) || policy.providers[entry.provider].model(name).is_some())
}

/// Whether the key's entry for a provider allows a model, by either of its names.
fn lists(entry: &KeyProvider, provider: &Provider, model: &str) -> bool {
    entry.models.allows(model) || entry.models.allows(provider.own_name(model))
}

/// Whether a key may use a model at a provider: by the key's own lists, those of its entry for the provider, and the
/// provider's if that is exclusive.
pub(crate) fn permits(key: &Key, entry: &KeyProvider, provider: &Provider, model: &str) -> bool {
    key.permits(&[model, provider.own_name(model)]) && lists(entry, provider, model) && !provider.excludes(model)
}

/// Whether a key may use all models with which a provider may answer instead of the requested one. They have the
/// provider's own names.
pub(crate) fn permits_others(key: &Key, entry: &KeyProvider, provider: &Provider, others: Others<'_>) -> bool {
    let named = |name: &String| {
        let ours = provider.models.iter().filter(|model| *provider.upstream_name(&model.name) == **name);
        permits(key, entry, provider, name) && ours.into_iter().all(|model| permits(key, entry, provider, &model.name))
    };
    match others {
        Others::None => true,
        Others::Named(names) => names.iter().all(named),
        Others::Any => {
            let open = entry.models.is_empty() || entry.models.matches_anything();
            key.allows_anything() && open && !provider.exclusive
        }
    }
}

/// The same for what a credential may be used for.
pub(crate) fn serves_others(credential: &Credential, others: Others<'_>) -> bool {
    match others {
        Others::None => true,
        Others::Named(names) => names.iter().all(|name| credential.serves(name, name)),
        Others::Any => credential.serves_anything(),
    }
}

/// The models that a key can name, as `provider/model`, from the policy only.
#[must_use]
pub fn list_models(policy: &Policy, key: &Key) -> Vec<(String, String)> {
    let mut listed = Vec::new();
    for entry in &key.providers {
        let provider = &policy.providers[entry.provider];
        if provider.suspended {
            continue;
        }
        let mut names: Vec<String> = entry.models.literals().collect();
        names.extend(provider.models.iter().map(|model| model.name.to_string()).filter(|name| !is_pattern(name)));
        if !provider.exclusive && catalogue::serves_all(&provider.kind) {
            names.extend(catalogue::models(&provider.kind).map(|model| model.name.to_owned()));
        }
        names.sort_unstable();
        names.dedup();
        listed.extend(
            names
                .into_iter()
                .filter(|name| permits(key, entry, provider, name))
                .map(|name| (entry.name.to_string(), name)),
        );
    }
    listed
}
