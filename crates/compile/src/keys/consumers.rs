//! What providers require of keys of other namespaces: a budget in money.

use outrigger_policy::{CompiledConditions, Document, LimitOwner};

use crate::checks::counted::{CountedPolicy, ModelAt};
use crate::findings::finding::{Cause, Finding};
use crate::objects::id::id;
use crate::objects::sorted::SortedObjects;

/// Removes providers from keys that do not meet their requirements.
pub(crate) fn enforce(sorted: &SortedObjects<'_>, document: &mut Document, findings: &mut Vec<Finding>) {
    let requiring: Vec<bool> = document
        .providers
        .iter()
        .map(|provider| requires_budget(sorted, provider.namespace.as_str(), &provider.name))
        .collect();
    if !requiring.contains(&true) {
        return;
    }
    let counted = CountedPolicy::of(document, &CompiledConditions::new());
    let mut taken: Vec<(usize, usize)> = Vec::new();
    for (key, doc) in document.keys.iter().enumerate() {
        for (entry, of_key) in doc.providers.iter().enumerate() {
            let Some(provider) = document.providers.iter().position(|one| crate::keys::id(one) == of_key.provider)
            else {
                continue;
            };
            let in_other_namespace = document.providers[provider].namespace != doc.namespace;
            // A budget for some models only leaves the others without one: checked with a model that has no name.
            let at = ModelAt { key: key.into(), entry: entry.into(), provider: provider.into(), model: String::new() };
            if in_other_namespace
                && requiring[provider]
                && !counted.as_ref().is_some_and(|counted| has_budget(counted, &at))
            {
                taken.push((key, entry));
                let Some(read) = sorted.keys.get(&id(&doc.namespace, &doc.name)) else { continue };
                let index = read.typed.spec.providers.iter().position(|one| one.name == of_key.name);
                let path = index.map_or("spec.providers".to_owned(), |index| format!("spec.providers[{index}]"));
                let message = format!(
                    "LLMProvider {} asks keys of other namespaces for a budget in money (its spec.consumers.requireBudget), \
                     and nothing counts what this key spends there: give it limits.budgets, or budgetRefs",
                    of_key.provider
                );
                findings.push(read.object.error(&path, message).because(Cause::RefNotPermitted));
            }
        }
    }
    for (key, entry) in taken.into_iter().rev() {
        document.keys[key].providers.remove(entry);
    }
}

fn requires_budget(sorted: &SortedObjects<'_>, namespace: &str, name: &str) -> bool {
    let consumers = sorted.providers.get(&id(namespace, name)).and_then(|read| read.typed.spec.consumers);
    consumers.is_some_and(|consumers| consumers.require_budget)
}

/// The provider's own limits are not a budget of the key.
fn has_budget(counted: &CountedPolicy, at: &ModelAt) -> bool {
    let own = counted.limits(at).filter(|limit| limit.id.kind != LimitOwner::Provider);
    own.into_iter().any(|limit| limit.unit == outrigger_policy::Unit::Money)
}
