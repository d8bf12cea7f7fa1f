//! Who serves a model that is asked for by its bare name.

use serde::Serialize;

use crate::catalogue;
use crate::policy::{Key, KeyProvider, Policy, Provider};

/// Types that pass on any name, because nobody can know what they serve.
const ANY_NAME: [&str; 5] = ["OpenAICompatible", "vLLM", "Ollama", "OpenRouter", "Mock"];

/// How a provider comes to serve a bare name: the first of these that any of the key's providers
/// matches decides, and only those that match it are drawn from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Tier {
    /// The key's own list for the provider has it.
    KeyModels,
    /// The provider's list has it, as a name or an alias.
    ProviderModels,
    /// The catalogue has it for the provider's type.
    Catalogue,
    /// The type takes any name.
    AnyName,
}

impl Tier {
    const ALL: [Self; 4] = [Self::KeyModels, Self::ProviderModels, Self::Catalogue, Self::AnyName];

    fn has(self, entry: &KeyProvider, provider: &Provider, model: &str) -> bool {
        match self {
            Self::KeyModels => entry.models.matches(model) || entry.models.matches(provider.own_name(model)),
            Self::ProviderModels => provider.model(model).is_some(),
            Self::Catalogue => !provider.exclusive && catalogue::lookup(&provider.kind, model).is_some(),
            Self::AnyName => !provider.exclusive && ANY_NAME.contains(&provider.kind.as_str()),
        }
    }
}

/// Indexes in [`Key::providers`] of those that serve `model`. Empty: nobody does.
pub(crate) fn serving(policy: &Policy, key: &Key, model: &str) -> Vec<usize> {
    tier(policy, key, model).map(|(_, entries)| entries).unwrap_or_default()
}

/// The same, with what makes them serve it.
pub(crate) fn tier(policy: &Policy, key: &Key, model: &str) -> Option<(Tier, Vec<usize>)> {
    Tier::ALL.into_iter().find_map(|tier| {
        let matching: Vec<usize> = (0..key.providers.len())
            .filter(|index| {
                let entry = &key.providers[*index];
                let provider = &policy.providers[entry.provider];
                lists(entry, provider, model) && tier.has(entry, provider, model)
            })
            .collect();
        (!matching.is_empty()).then_some((tier, matching))
    })
}

/// Whether a key's entry serves `model`, whoever else does: by any of the ways.
pub(crate) fn serves(policy: &Policy, key: &Key, entry: usize, model: &str) -> bool {
    let entry = &key.providers[entry];
    let provider = &policy.providers[entry.provider];
    lists(entry, provider, model) && Tier::ALL.iter().any(|tier| tier.has(entry, provider, model))
}

/// Whether `name` stands to the letter in a list of one of the key's providers.
pub(crate) fn is_exact(policy: &Policy, key: &Key, name: &str) -> bool {
    key.providers.iter().any(|entry| entry.models.names(name) || policy.providers[entry.provider].model(name).is_some())
}

/// Whether the key's entry for a provider lets a model through, by either of its names.
fn lists(entry: &KeyProvider, provider: &Provider, model: &str) -> bool {
    entry.models.allows(model) || entry.models.allows(provider.own_name(model))
}

/// Whether a key may have a model of a provider: by the key's own lists, those of its entry for the
/// provider, and the provider's if that is exclusive.
pub(crate) fn permits(key: &Key, entry: &KeyProvider, provider: &Provider, model: &str) -> bool {
    key.permits(&[model, provider.own_name(model)]) && lists(entry, provider, model) && !provider.excludes(model)
}

/// The models that a key can name, as `provider/model`, without asking anybody.
#[must_use]
pub fn list_models(policy: &Policy, key: &Key) -> Vec<(String, String)> {
    let mut listed = Vec::new();
    for entry in &key.providers {
        let provider = &policy.providers[entry.provider];
        if provider.suspended {
            continue;
        }
        let mut names: Vec<String> = entry.models.literals().collect();
        names.extend(provider.models.iter().map(|model| model.name.to_string()));
        if !provider.exclusive {
            names.extend(catalogue::models(&provider.kind).iter().map(|model| model.name.to_owned()));
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
