//! Models that a budget in money counts, and whose price nobody knows: told when the policy is written, not when the
//! first request is refused.

use std::collections::HashSet;

use outrigger_policy::Unknown;

use crate::counted::{At, By, Counted, Named, id};
use crate::finding::Finding;
use crate::source::Object;
use crate::validate::Folder;

/// Each model once, where it is named first: by its provider, by a key, by a rule.
pub(crate) fn check(folder: &Folder<'_>, counted: &Counted, findings: &mut Vec<Finding>) {
    let mut told: HashSet<(usize, String)> = HashSet::new();
    let mut tell = |object: &Object, path: String, at: &At| {
        let Some(message) = message(counted, at) else { return };
        if told.insert((at.provider, at.model.clone())) {
            findings.push(object.warning(&path, message));
        }
    };
    let mut named = counted.named();
    named.sort_by_key(|named| !matches!(named.by, By::Provider { .. }));
    for Named { at, by } in &named {
        let document = &counted.policy().document;
        let (key, provider) = (&document.keys[at.key], &document.providers[at.provider]);
        let of_key = folder.keys.get(&id(&key.namespace, &key.name)).map(|read| (read.object, &read.typed.spec));
        match (by, of_key) {
            (By::Provider { index }, _) => {
                if let Some(read) = folder.providers.get(&id(&provider.namespace, &provider.name)) {
                    tell(read.object, format!("spec.models[{index}]"), at);
                }
            }
            (By::Entry { index }, Some((object, spec))) => {
                let name = key.providers.get(at.entry).map(|entry| entry.name.as_str());
                if let Some(entry) = spec.providers.iter().position(|entry| Some(entry.name.as_str()) == name) {
                    tell(object, format!("spec.providers[{entry}].models[{index}]"), at);
                }
            }
            (By::Key { index }, Some((object, _))) => tell(object, format!("spec.models.allow[{index}]"), at),
            // Callers without a key have no object whose lists could name one.
            (By::Entry { .. } | By::Key { .. }, None) => {}
        }
    }
    let policy = counted.policy();
    for rule in &policy.rules {
        let Some(read) = folder.rules.get(&rule.id) else { continue };
        for (index, target) in read.typed.spec.targets.iter().enumerate() {
            let Some(model) = &target.model else { continue };
            for key in (0..policy.keys.len()).filter(|key| rule.concerns(&policy.keys[*key])) {
                for at in counted.serving(key, &format!("{}/{model}", target.provider)) {
                    tell(read.object, format!("spec.targets[{index}].model"), &at);
                }
            }
        }
    }
}

/// Why requests for the model are refused, and what would mend it; `None` if they are not.
fn message(counted: &Counted, at: &At) -> Option<String> {
    let policy = counted.policy();
    let (key, provider) = (&policy.document.keys[at.key], &policy.providers[at.provider]);
    if key.suspended || provider.suspended || key.unpriced == Unknown::Allow {
        return None;
    }
    if policy.price(at.provider, &at.model).is_some() {
        return None;
    }
    let limit = counted.money(at)?;
    if !counted.allowed(at) {
        return None;
    }
    Some(format!(
        "nobody knows what `{}` costs, and a budget counts it ({}), so it is refused: give it a price (in spec.models of \
         LLMProvider {}, or in a ModelCatalog), give that provider a defaultPrice, or say unpriced: Allow in VirtualKey {}/{}",
        at.model, limit.id, provider.id, key.namespace, key.name,
    ))
}
