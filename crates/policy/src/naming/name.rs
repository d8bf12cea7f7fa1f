//! Parses a model's name: a model at a given provider, or at any provider that serves it.

use crate::index::EntryIndex;
use crate::naming::serving::is_exact;
use crate::policy::{Key, Policy};

/// A parsed name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ModelName {
    /// `openai/gpt-4o`: only at that provider.
    Pinned { provider: EntryIndex, model: String },
    /// A model's name, at any provider that serves it.
    Bare { model: String },
    /// The first segment names a provider that this key may not use.
    Blocked { provider: String, model: String },
}

impl ModelName {
    /// The model's name without a provider.
    #[must_use]
    pub fn model(&self) -> &str {
        match self {
            ModelName::Pinned { model, .. } | ModelName::Bare { model } | ModelName::Blocked { model, .. } => model,
        }
    }
}

/// Tries an exact model name or alias first; then the first segment as a provider's name; then the whole as a model's
/// name. A prefix that is not a provider's name is part of the model's name.
pub(crate) fn parse_model_name(policy: &Policy, key: &Key, name: &str) -> ModelName {
    let bare = || ModelName::Bare { model: name.to_owned() };
    if is_exact(policy, key, name) {
        return bare();
    }
    let Some((first, rest)) = name.split_once('/') else { return bare() };
    if rest.is_empty() {
        return bare();
    }
    if let Some(provider) = key.provider(first) {
        return ModelName::Pinned { provider, model: rest.to_owned() };
    }
    let others = &policy.document.others.providers;
    if policy.providers.iter().any(|provider| provider.id.name == first) || others.iter().any(|name| name == first) {
        return ModelName::Blocked { provider: first.to_owned(), model: rest.to_owned() };
    }
    bare()
}
