//! Models that a budget in money counts, and whose price is unknown. They are reported when the policy is written, not
//! when the first request is refused. Providers for which no price is known are reported too.

use std::collections::HashMap;

use outrigger_policy::{CatalogueDoc, Policy, ProviderIndex, UnknownCostPolicy, accepts_any_name, catalogue};

use crate::checks::counted::{CountedPolicy, ModelAt, NamedBy, NamedModel};
use crate::findings::finding::Finding;
use crate::objects::id::id;
use crate::objects::sorted::SortedObjects;
use crate::read::source::Object;

/// How many limits and keys a finding names.
const NAMED: usize = 3;

/// A model without a price, where it is named first, and what counts it.
struct UnpricedModel<'a> {
    object: &'a Object,
    path: String,
    at: ModelAt,
    limits: Vec<String>,
    keys: Vec<String>,
}

/// Reports each model once, at the first object that names it: its provider, a key or a rule.
pub(crate) fn check(sorted: &SortedObjects<'_>, counted: &CountedPolicy, findings: &mut Vec<Finding>) {
    let mut models: Vec<UnpricedModel<'_>> = Vec::new();
    let mut reported: HashMap<(ProviderIndex, String), usize> = HashMap::new();
    let mut report = |object, path: String, at: &ModelAt| {
        let Some((limit, key)) = counted_by(counted, at) else { return };
        let place = *reported.entry((at.provider, at.model.clone())).or_insert_with(|| {
            models.push(UnpricedModel { object, path, at: at.clone(), limits: Vec::new(), keys: Vec::new() });
            models.len() - 1
        });
        let Some(model) = models.get_mut(place) else { return };
        for (named, name) in [(&mut model.limits, limit), (&mut model.keys, key)] {
            if !named.contains(&name) {
                named.push(name);
            }
        }
    };
    let mut named = counted.named();
    named.sort_by_key(|named| !matches!(named.by, NamedBy::Provider { .. }));
    for NamedModel { at, by } in &named {
        let document = &counted.policy().document;
        let (Some(key), Some(provider)) = (document.key(at.key), document.provider(at.provider)) else { continue };
        let of_key = sorted.keys.get(&id(&key.namespace, &key.name)).map(|read| (read.object, &read.typed.spec));
        match (by, of_key) {
            (NamedBy::Provider { index }, _) => {
                if let Some(read) = sorted.providers.get(&id(&provider.namespace, &provider.name)) {
                    report(read.object, format!("spec.models[{index}]"), at);
                }
            }
            (NamedBy::Entry { index }, Some((object, spec))) => {
                let name = key.entry(at.entry).map(|entry| entry.name.as_str());
                if let Some(entry) = spec.providers.iter().position(|entry| Some(entry.name.as_str()) == name) {
                    report(object, format!("spec.providers[{entry}].models[{index}]"), at);
                }
            }
            (NamedBy::Key { index }, Some((object, _))) => report(object, format!("spec.models.allow[{index}]"), at),
            // Callers without a key have no object that could name a model.
            (NamedBy::Entry { .. } | NamedBy::Key { .. }, None) => {}
        }
    }
    let policy = counted.policy();
    let mut without = Vec::new();
    for rule in &policy.rules {
        let Some(read) = sorted.rules.get(&rule.id) else { continue };
        for (index, target) in read.typed.spec.targets.iter().enumerate() {
            let Some(model) = &target.model else { continue };
            for key in policy.keys.keys().filter(|key| rule.concerns(&policy.keys[*key])) {
                for at in counted.serving(key, &format!("{}/{model}", target.provider)) {
                    report(read.object, format!("spec.targets[{index}].model"), &at);
                }
            }
        }
    }
    findings.extend(models.iter().map(|model| model.object.warning(&model.path, model.message(policy))));
    for ((key, built), document) in policy.keys.iter_enumerated().zip(&policy.document.keys) {
        let of_key = sorted.keys.get(&id(&document.namespace, &document.name)).map(|read| read.object);
        for (entry, resolved) in built.providers.iter_enumerated() {
            let provider = resolved.provider;
            // The models that it lists are reported one by one.
            if reported.keys().any(|(known, _)| *known == provider) {
                continue;
            }
            let at = ModelAt { key, entry, provider, model: "any".to_owned() };
            let Some(message) = any_model(counted, &at) else { continue };
            let name = document.entry(entry).map(|entry| entry.name.as_str());
            let listed = sorted
                .keys
                .get(&id(&document.namespace, &document.name))
                .and_then(|read| read.typed.spec.providers.iter().position(|entry| Some(entry.name.as_str()) == name));
            match (of_key, listed) {
                (Some(object), Some(listed)) => {
                    without.push(object.warning(&format!("spec.providers[{listed}]"), message))
                }
                // A key that names no providers uses all of them.
                (Some(object), None) => without.push(object.warning("spec", message)),
                (None, _) => {}
            }
        }
    }
    findings.append(&mut without);
}

/// Why a provider refuses requests for models that no object names, and how to fix it. `None` if it does not refuse
/// them, or if a price is known there.
fn any_model(counted: &CountedPolicy, at: &ModelAt) -> Option<String> {
    let policy = counted.policy();
    let (key, document) = (policy.document.key(at.key)?, policy.document.provider(at.provider)?);
    let provider = &policy.providers[at.provider];
    let listed = key.entry(at.entry).map(|entry| entry.models.as_slice()).unwrap_or_default();
    let names_alone = !listed.is_empty() && listed.iter().all(|model| !model.contains(['*', '?']));
    let excused = key.suspended || provider.suspended || provider.exclusive || key.unpriced == UnknownCostPolicy::Allow;
    let catalogued = catalogue::models(&provider.kind).len() > 0;
    if excused || names_alone || provider.default_price.is_some() || catalogued && !accepts_any_name(&provider.kind) {
        return None;
    }
    // The models that a catalogue lists are reported one by one.
    let near = |doc: &&CatalogueDoc| doc.everywhere || doc.namespace == document.namespace;
    let mut models = policy.document.catalogues.iter().filter(near).flat_map(|doc| &doc.models);
    if !document.models.is_empty() || models.any(|model| model.price.is_some()) {
        return None;
    }
    let limit = counted.money(at)?;
    let what = match catalogued {
        true => "models that the built-in catalogue does not know have",
        false => "its models have",
    };
    Some(format!(
        "LLMProvider {}: {what} no price, and a budget counts them ({}), so every such request is refused \
         (403 model_unpriced): give that provider a defaultPrice, give its models prices (in its spec.models, or in a \
         ModelCatalog), or say unpriced: Allow in VirtualKey {}/{}",
        provider.id, limit.id, key.namespace, key.name,
    ))
}

impl UnpricedModel<'_> {
    /// Why requests for the model are refused, and how to fix it.
    fn message(&self, policy: &Policy) -> String {
        format!(
            "`{}` has no price, and a budget counts it ({}), so requests for it are refused: give it a price (in spec.models \
             of LLMProvider {}, or in a ModelCatalog), give that provider a defaultPrice, or say unpriced: Allow in \
             VirtualKey {}",
            self.at.model,
            few(&self.limits),
            policy.providers[self.at.provider].id,
            few(&self.keys),
        )
    }
}

/// The first names of a list, and how many more there are.
fn few(names: &[String]) -> String {
    match names.split_at_checked(NAMED) {
        Some((first, more)) if !more.is_empty() => format!("{} and {} more", first.join(", "), more.len()),
        _ => names.join(", "),
    }
}

/// The limit that counts requests of a key for the model and makes the gateway refuse them, and the key. `None` if they are
/// not refused.
fn counted_by(counted: &CountedPolicy, at: &ModelAt) -> Option<(String, String)> {
    let policy = counted.policy();
    let (key, provider) = (policy.document.key(at.key)?, &policy.providers[at.provider]);
    if key.suspended || provider.suspended || key.unpriced == UnknownCostPolicy::Allow {
        return None;
    }
    if policy.price(at.provider, &at.model).is_some() {
        return None;
    }
    let limit = counted.money(at)?;
    if !counted.allowed(at) {
        return None;
    }
    Some((limit.id.to_string(), format!("{}/{}", key.namespace, key.name)))
}
