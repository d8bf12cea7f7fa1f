//! What the keys in a rule's scope may use. A target outside of it would never be chosen.

use outrigger_crds::routing_rule::RuleTarget;
use outrigger_policy::{Globs, KeyDoc, KeyProviderDoc, ModelDoc, ProviderDoc, catalogue};

use crate::findings::hint::hint;

/// The field of a target that no key may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TargetField {
    Provider,
    Credential,
    Model,
}

impl TargetField {
    /// The field's name in objects.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Provider => "provider",
            Self::Credential => "credential",
            Self::Model => "model",
        }
    }
}

/// What the keys in a rule's scope may use.
pub(crate) struct ScopeAccess<'a> {
    pub providers: &'a [ProviderDoc],
    pub keys: Vec<&'a KeyDoc>,
    /// Names of providers of these keys that can't be used until they are fixed.
    pub missing: Vec<&'a str>,
}

impl<'a> ScopeAccess<'a> {
    /// The keys' entries with this local name, each with the provider that it refers to.
    fn entries(&self, name: &str) -> Vec<(&'a KeyDoc, &'a KeyProviderDoc, &'a ProviderDoc)> {
        let of = |key: &'a KeyDoc| {
            let entry = key.providers.iter().find(|entry| entry.name == name)?;
            let provider = self.providers.iter().find(|provider| crate::keys::id(provider) == entry.provider)?;
            Some((key, entry, provider))
        };
        self.keys.iter().filter_map(|key| of(key)).collect()
    }

    fn subject(&self) -> String {
        match self.keys.as_slice() {
            [one] => format!("VirtualKey {}/{}", one.namespace, one.name),
            _ => "no key in the rule's scope".to_owned(),
        }
    }

    /// `VirtualKey a/b has no provider …`, `no key in the rule's scope has a provider …`
    fn no_provider(&self, name: &str) -> String {
        let mut known: Vec<&str> =
            self.keys.iter().flat_map(|key| key.providers.iter().map(|entry| entry.name.as_str())).collect();
        known.sort_unstable();
        known.dedup();
        let has = if self.keys.len() == 1 { "has no" } else { "has a" };
        format!("{} {has} provider `{name}`{}", self.subject(), hint(name, &known))
    }

    /// # Errors
    /// The invalid field of the target, and why no key may use it.
    pub fn target(&self, target: &RuleTarget) -> Result<(), (TargetField, String)> {
        if self.missing.contains(&target.provider.as_str()) {
            return Ok(());
        }
        let mut entries = self.entries(&target.provider);
        if entries.is_empty() {
            return Err((TargetField::Provider, self.no_provider(&target.provider)));
        }
        if let Some(name) = &target.credential {
            let known: Vec<&str> = entries.iter().flat_map(|(_, entry, provider)| usable(entry, provider)).collect();
            if !known.contains(&name.as_str()) {
                let provider = &target.provider;
                return Err((
                    TargetField::Credential,
                    format!(
                        "of provider `{provider}`, no key in the rule's scope may use a credential `{name}`{}",
                        hint(name, &known)
                    ),
                ));
            }
            entries.retain(|(_, entry, provider)| usable(entry, provider).any(|one| one == name));
        }
        match &target.model {
            Some(model) => self.model(&entries, model).map_err(|message| (TargetField::Model, message)),
            None => Ok(()),
        }
    }

    /// # Errors
    /// Why no key may use the model at any of these entries.
    fn model(&self, entries: &[(&KeyDoc, &KeyProviderDoc, &ProviderDoc)], model: &str) -> Result<(), String> {
        let mut first = None;
        for (key, entry, provider) in entries {
            match model_refusal(key, entry, provider, model) {
                None => return Ok(()),
                Some(why) => drop(first.get_or_insert(why)),
            }
        }
        let why = first.unwrap_or_default();
        Err(format!("no key in the rule's scope may use `{model}` there: {why}"))
    }

    /// # Errors
    /// Why the text refers to nothing.
    pub fn fallback(&self, text: &str) -> Result<(), String> {
        let whole = self.entries(text);
        if !whole.is_empty() || self.is_model(text) {
            return Ok(());
        }
        match text.split_once('/') {
            // It may be a model of a provider that can't be used.
            None if !self.missing.is_empty() => Ok(()),
            None => Err(self.no_provider(text)),
            Some((provider, _)) if self.missing.contains(&provider) => Ok(()),
            Some((provider, model)) => {
                let entries = self.entries(provider);
                if entries.is_empty() {
                    return Err(self.no_provider(provider));
                }
                self.model(&entries, model)
            }
        }
    }

    /// Whether a name without a provider is a known model of one of the providers.
    fn is_model(&self, name: &str) -> bool {
        self.keys.iter().any(|key| {
            key.providers.iter().any(|entry| {
                let provider = self.providers.iter().find(|provider| crate::keys::id(provider) == entry.provider);
                provider.is_some_and(|provider| {
                    let known = entry.models.iter().any(|one| one == name)
                        || has(provider, name)
                        || (!provider.exclusive && catalogue::lookup(&provider.kind, name).is_some());
                    known && model_refusal(key, entry, provider, name).is_none()
                })
            })
        })
    }
}

/// The credentials of a provider that a key may use.
fn usable<'a>(entry: &'a KeyProviderDoc, provider: &'a ProviderDoc) -> impl Iterator<Item = &'a str> {
    let names = provider.credentials.iter().map(|credential| credential.name.as_str());
    names.filter(|name| entry.credentials.is_empty() || entry.credentials.iter().any(|one| one == name))
}

fn has(provider: &ProviderDoc, name: &str) -> bool {
    let pattern = |model: &str| model.contains(['*', '?']) && Globs::new(&[model.to_owned()]).matches(name);
    let is = |model: &ModelDoc| model.name == name || model.aliases.iter().any(|alias| alias == name);
    provider.models.iter().any(|model| is(model) || pattern(&model.name))
}

/// The list that excludes a model.
fn model_refusal(key: &KeyDoc, entry: &KeyProviderDoc, provider: &ProviderDoc, model: &str) -> Option<String> {
    let key_name = format!("VirtualKey {}/{}", key.namespace, key.name);
    if Globs::new(&key.deny).matches(model) {
        return Some(format!("{key_name} denies it in spec.models.deny"));
    }
    if !Globs::new(&key.allow).allows(model) {
        return Some(format!("{key_name} does not list it in spec.models.allow"));
    }
    if !Globs::new(&entry.models).allows(model) {
        return Some(format!("{key_name} does not list it in the models of provider `{}`", entry.name));
    }
    if provider.exclusive && !has(provider, model) {
        return Some(format!("LLMProvider {} is exclusive and does not list it", entry.provider));
    }
    None
}
