//! Who serves a model that is asked for by its bare name.

use crate::catalogue;
use crate::policy::{Key, KeyProvider, Policy, Provider};

/// Types that pass on any name, because nobody can know what they serve.
const ANY_NAME: [&str; 5] = ["OpenAICompatible", "vLLM", "Ollama", "OpenRouter", "Mock"];

/// How a provider comes to serve a model: the first of these that any of the key's providers
/// matches decides, and only those that match it are drawn from.
const TIERS: [fn(&KeyProvider, &Provider, &str) -> bool; 4] = [
    |entry, _, model| entry.models.matches(model),
    |_, provider, model| provider.model(model).is_some(),
    |_, provider, model| !provider.exclusive && catalogue::lookup(&provider.kind, model).is_some(),
    |_, provider, _| !provider.exclusive && ANY_NAME.contains(&provider.kind.as_str()),
];

/// Indexes in [`Key::providers`] of those that serve `model`. Empty: nobody does.
pub(crate) fn serving(policy: &Policy, key: &Key, model: &str) -> Vec<usize> {
    for tier in TIERS {
        let matching: Vec<usize> = (0..key.providers.len())
            .filter(|index| {
                let entry = &key.providers[*index];
                entry.models.allows(model) && tier(entry, &policy.providers[entry.provider], model)
            })
            .collect();
        if !matching.is_empty() {
            return matching;
        }
    }
    Vec::new()
}

/// Whether `name` stands to the letter in a list of one of the key's providers.
pub(crate) fn is_exact(policy: &Policy, key: &Key, name: &str) -> bool {
    key.providers.iter().any(|entry| entry.models.names(name) || policy.providers[entry.provider].model(name).is_some())
}

/// Whether a provider lets a name pass that was asked of it by name.
pub(crate) fn passes(entry: &KeyProvider, provider: &Provider, model: &str) -> bool {
    entry.models.allows(model) && (!provider.exclusive || provider.model(model).is_some())
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
                .filter(|name| key.allows(name) && entry.models.allows(name))
                .map(|name| (entry.name.to_string(), name)),
        );
    }
    listed
}
