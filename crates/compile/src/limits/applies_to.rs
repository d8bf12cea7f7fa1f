//! Which keys a Budget counts without their consent: selected by labels of their namespaces and their own labels.

use std::collections::HashSet;

use outrigger_core::ObjectRef;
use outrigger_crds::budget::{AppliesTo, BudgetRef};
use outrigger_crds::selector::{LabelSelector, NamespacesFrom};
use outrigger_policy::{AppliesDoc, BudgetDoc, KeyDoc};

use crate::findings::finding::{Cause, Finding};
use crate::findings::hint::hint;
use crate::objects::kind::PolicyKind;
use crate::objects::namespaces::{label, selects};
use crate::objects::sorted::{ReadObject, SortedObjects};
use crate::read::source::Object;

/// Sets the keys that Budgets apply to, after the keys are compiled.
pub(crate) fn compile(
    sorted: &SortedObjects<'_>,
    operator_namespace: &str,
    keys: &[KeyDoc],
    budgets: &mut [BudgetDoc],
    findings: &mut Vec<Finding>,
) {
    // A key that was left out may be the one that is selected, and its own problem is already reported.
    let whole = !sorted.has_unusable(PolicyKind::VirtualKey, |_| true) && !sorted.may_miss_keyless(|_| true);
    for budget in budgets.iter_mut() {
        let Some(ReadObject { object, typed }) = sorted.budgets.get(&budget.id()) else { continue };
        let Some(applies) = &typed.spec.applies_to else { continue };
        providers(sorted, object, &applies.providers, findings);
        let operators = object.namespace == operator_namespace;
        if applies.namespaces.is_some() && !operators {
            let message = format!(
                "only a Budget in the operator's namespace, {operator_namespace}, reaches beyond its own: remove it, or move \
                 the Budget there"
            );
            findings.push(object.error("spec.appliesTo.namespaces", message));
        }
        // Without permission for other namespaces, it still counts the keys of its own namespace.
        let namespaces = applies.namespaces.as_ref().filter(|_| operators);
        let everyone = namespaces.is_some_and(is_empty) && applies.virtual_keys.as_ref().is_none_or(is_empty);
        let found: Vec<ObjectRef> = keys
            .iter()
            .filter(|key| counts(sorted, object, applies, namespaces, key))
            .map(|key| ObjectRef { namespace: key.namespace.clone(), name: key.name.clone() })
            .collect();
        if found.is_empty() && whole {
            findings.push(object.warning("spec.appliesTo", applies_to_no_key(object, applies, namespaces)));
        }
        budget.applies_to = Some(AppliesDoc {
            keys: (!everyone).then_some(found),
            providers: applies.providers.clone(),
            models: applies.models.clone(),
        });
    }
    if !sorted.has_unusable(PolicyKind::VirtualKey, |_| true) && !sorted.has_unusable(PolicyKind::Budget, |_| true) {
        unused(sorted, findings);
    }
}

fn is_empty(selector: &LabelSelector) -> bool {
    selector.match_labels.is_empty() && selector.match_expressions.is_empty()
}

/// Callers without a key have no labels of their own, and can't opt out either.
fn counts(
    sorted: &SortedObjects<'_>,
    object: &Object,
    applies: &AppliesTo,
    namespaces: Option<&LabelSelector>,
    key: &KeyDoc,
) -> bool {
    let near = match namespaces {
        None => key.namespace == object.namespace,
        Some(selector) => selects(selector, &|name| label(sorted, &key.namespace, name)),
    };
    let id = ObjectRef { namespace: key.namespace.clone(), name: key.name.clone() };
    let own = sorted.keys.get(&id).filter(|_| !key.keyless).map(|read| read.object);
    let of_key = |name: &str| own?.labels().find(|(known, _)| *known == name).map(|(_, value)| value);
    near && applies.virtual_keys.as_ref().is_none_or(|selector| selects(selector, &of_key))
}

fn applies_to_no_key(object: &Object, applies: &AppliesTo, namespaces: Option<&LabelSelector>) -> String {
    let where_to = match namespaces {
        Some(_) => "in the namespaces that it selects".to_owned(),
        None => format!("in namespace {}", object.namespace),
    };
    let which = if applies.virtual_keys.is_some() { "no VirtualKey with these labels" } else { "no key" };
    let advice = match namespaces {
        Some(selector) if !is_empty(selector) => ". Labels are read off the Namespace objects that are here",
        _ => "",
    };
    format!("{which} is {where_to}, so it applies to no key{advice}")
}

fn providers(sorted: &SortedObjects<'_>, object: &Object, names: &[String], findings: &mut Vec<Finding>) {
    let mut known: Vec<&str> = sorted.providers.keys().map(|id| id.name.as_str()).collect();
    known.dedup();
    for (index, name) in names.iter().enumerate() {
        let unusable = sorted.has_unusable(PolicyKind::LlmProvider, |id| id.name == *name);
        if !known.contains(&name.as_str()) && !unusable {
            let message = format!("there is no LLMProvider `{name}`{}", hint(name, &known));
            let finding = object.error(&format!("spec.appliesTo.providers[{index}]"), message);
            findings.push(finding.because(Cause::RefNotFound));
        }
    }
}

/// Warns about a Budget that counts no key, and so limits nothing. If it is shared, keys that refer to it may be
/// elsewhere.
fn unused(sorted: &SortedObjects<'_>, findings: &mut Vec<Finding>) {
    let mut named: HashSet<ObjectRef> = HashSet::new();
    let mut name = |object: &Object, reference: &BudgetRef| {
        let namespace = reference.namespace.as_ref().unwrap_or(&object.namespace);
        named.insert(ObjectRef { namespace: namespace.clone(), name: reference.name.clone() });
    };
    for ReadObject { object, typed } in sorted.keys.values() {
        typed.spec.budget_refs.iter().for_each(|reference| name(object, reference));
    }
    for ReadObject { object, typed } in sorted.budgets.values() {
        typed.spec.parent_ref.iter().for_each(|reference| name(object, reference));
    }
    for (id, ReadObject { object, typed }) in &sorted.budgets {
        let shared = typed.spec.allowed_namespaces.as_ref().is_some_and(|allowed| allowed.from != NamespacesFrom::Same);
        if !named.contains(id) && typed.spec.applies_to.is_none() && !shared {
            let message = "no key names it, no Budget is under it, and it applies to no key, so it limits nothing: name it in \
                           budgetRefs of a VirtualKey, or give it appliesTo";
            findings.push(object.warning("spec", message));
        }
    }
}
