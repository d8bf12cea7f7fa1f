//! Budgets: amount, period, thresholds and parent.

use outrigger_core::ObjectRef;
use outrigger_crds::BudgetRef;
use outrigger_crds::budget::{BudgetAction, BudgetSpec, Threshold};
use outrigger_policy::{BudgetDoc, ThresholdAction as ActionDoc, ThresholdDoc, Unit};

use crate::findings::finding::{Cause, Finding};
use crate::findings::hint::hint;
use crate::limits::{fail_open, whole, window};
use crate::objects::kind::PolicyKind;
use crate::objects::number::count;
use crate::objects::sorted::{ReadObject, SortedObjects};
use crate::objects::{namespaces, unusable};
use crate::read::source::Object;

/// All budgets with a valid period. A budget whose parent is missing stays: its own limit still applies.
pub(crate) fn compile(sorted: &SortedObjects<'_>, findings: &mut Vec<Finding>) -> Vec<BudgetDoc> {
    let mut budgets: Vec<BudgetDoc> = Vec::new();
    for ReadObject { object, typed } in sorted.budgets.values() {
        let spec = &typed.spec;
        let Some(window) = window(object, "spec", &spec.period, findings) else { continue };
        let (unit, max) = size(spec);
        let field = if unit == Unit::Money { "spec.amount" } else { "spec.tokens" };
        let own = [(field.to_owned(), unit, vec![("", max)])];
        budgets.push(BudgetDoc {
            namespace: object.namespace.clone(),
            name: object.name.clone(),
            unit,
            max,
            window,
            parent: None,
            thresholds: thresholds(object, &spec.thresholds, findings),
            applies_to: None,
            fail_open: fail_open::compile(object, spec.on_ledger_unavailable.as_ref(), &own, findings),
        });
    }
    let parents: Vec<Option<ObjectRef>> =
        budgets.iter().map(|budget| parent(sorted, &budgets, budget, findings)).collect();
    for (budget, parent) in budgets.iter_mut().zip(parents) {
        budget.parent = parent;
    }
    rings(sorted, &budgets, findings);
    budgets
}

/// The schema ensures that exactly one of the two is set.
fn size(spec: &BudgetSpec) -> (Unit, u64) {
    match (spec.amount, spec.tokens) {
        (Some(amount), _) => (Unit::Money, amount.nanos()),
        (None, tokens) => (Unit::Tokens, tokens.map_or(0, whole)),
    }
}

/// Ordered by percent; those of the same percent in the order of the list.
fn thresholds(object: &Object, thresholds: &[Threshold], findings: &mut Vec<Finding>) -> Vec<ThresholdDoc> {
    for (index, threshold) in thresholds.iter().enumerate() {
        let threshold_path = |index: usize| format!("spec.thresholds[{index}]");
        let same = |other: &Threshold| (other.percent, other.action) == (threshold.percent, threshold.action);
        if let Some(first) = thresholds.iter().take(index).position(same) {
            let message = format!(
                "{:?} at {} % is listed twice: it is also {}",
                threshold.action,
                threshold.percent,
                threshold_path(first)
            );
            findings.push(object.error(&threshold_path(index), message));
        }
        let rejects = |other: &&Threshold| other.action == BudgetAction::Reject && other.percent <= threshold.percent;
        if threshold.action != BudgetAction::Reject
            && let Some(first) = thresholds.iter().find(rejects)
        {
            let message =
                format!("everything is rejected from {} % on, so this comes too late: lower it", first.percent);
            findings.push(object.warning(&format!("{}.percent", threshold_path(index)), message));
        }
    }
    let mut documents: Vec<ThresholdDoc> = thresholds
        .iter()
        .map(|threshold| ThresholdDoc {
            percent: count(threshold.percent),
            action: match (threshold.action, &threshold.model) {
                (BudgetAction::Notify, _) => ActionDoc::Notify,
                (BudgetAction::Reject, _) => ActionDoc::Reject,
                (BudgetAction::Downgrade, model) => ActionDoc::Downgrade { model: model.clone().unwrap_or_default() },
            },
        })
        .collect();
    documents.sort_by_key(|threshold| threshold.percent);
    documents
}

fn parent(
    sorted: &SortedObjects<'_>,
    budgets: &[BudgetDoc],
    budget: &BudgetDoc,
    findings: &mut Vec<Finding>,
) -> Option<ObjectRef> {
    let ReadObject { object, typed } = sorted.budgets.get(&budget.id())?;
    let parent = resolve(sorted, budgets, object, "spec.parentRef", typed.spec.parent_ref.as_ref()?)
        .map_err(|finding| findings.push(finding))
        .ok()?;
    let above = budgets.iter().find(|other| other.id() == parent)?;
    if above.unit != budget.unit {
        let message = format!(
            "Budget {parent} counts {} and this one {}, so usage here cannot be counted there: both must have the same unit",
            unit(above.unit),
            unit(budget.unit)
        );
        findings.push(object.error("spec.parentRef", message));
        return None;
    }
    Some(parent)
}

pub(crate) fn unit(unit: Unit) -> &'static str {
    match unit {
        Unit::Money => "money",
        Unit::Tokens => "tokens",
        Unit::Requests => "requests",
    }
}

/// The Budget that `path` of an object refers to.
///
/// # Errors
/// Why it can't be used. It is a warning if the problem is in the Budget, where it is reported.
pub(crate) fn resolve(
    sorted: &SortedObjects<'_>,
    budgets: &[BudgetDoc],
    object: &Object,
    path: &str,
    reference: &BudgetRef,
) -> Result<ObjectRef, Finding> {
    let namespace = reference.namespace.as_ref().unwrap_or(&object.namespace);
    let id = ObjectRef { namespace: namespace.clone(), name: reference.name.clone() };
    let unusable = || {
        // A key without its budget would be unlimited.
        let so = if object.kind == PolicyKind::VirtualKey.name() { ", nor this key without it" } else { "" };
        object.warning(path, format!("Budget {id} can't be used until it is repaired{so}")).because(Cause::Dependency)
    };
    let Some(budget) = sorted.budgets.get(&id) else {
        if sorted.unusable.contains(&(PolicyKind::Budget, id.clone())) {
            return Err(unusable());
        }
        if sorted.unread {
            return Err(object
                .warning(path, unusable::in_unread_text(PolicyKind::Budget, &id))
                .because(Cause::Dependency));
        }
        let message = format!("there is no Budget {id}{}", elsewhere(sorted, &id));
        return Err(object.error(path, message).because(Cause::RefNotFound));
    };
    let allowed = budget.typed.spec.allowed_namespaces.as_ref();
    if let Some(refusal) = namespaces::refusal(sorted, &id.namespace, allowed, &object.namespace) {
        return Err(object.error(path, format!("Budget {id} {refusal}")).because(Cause::RefNotPermitted));
    }
    if !budgets.iter().any(|document| document.id() == id) {
        return Err(unusable());
    }
    Ok(id)
}

/// A hint at where the missing Budget might be.
fn elsewhere(sorted: &SortedObjects<'_>, id: &ObjectRef) -> String {
    if let Some(other) = sorted.budgets.keys().find(|other| other.name == id.name) {
        return format!(": there is one in another namespace, write namespace: {}", other.namespace);
    }
    let here = sorted.budgets.keys().filter(|other| other.namespace == id.namespace);
    hint(&id.name, &here.map(|other| other.name.as_str()).collect::<Vec<_>>())
}

/// Reports each cycle of parents once, at the first of its budgets by name. The limits of all of them apply.
fn rings(sorted: &SortedObjects<'_>, budgets: &[BudgetDoc], findings: &mut Vec<Finding>) {
    let parent = |id: &ObjectRef| budgets.iter().find(|budget| budget.id() == *id)?.parent.clone();
    for start in budgets.iter().map(BudgetDoc::id) {
        let mut way = vec![start.clone()];
        while let Some(next) = way.last().and_then(parent) {
            if next == start {
                let first = way.iter().min() == Some(&start);
                let object = sorted.budgets.get(&start).map(|read| read.object);
                if let Some(object) = object.filter(|_| first) {
                    let names: Vec<String> = way.iter().chain([&start]).map(ToString::to_string).collect();
                    let message =
                        format!("is its own ancestor, by way of {}: take one parentRef out", names.join(" -> "));
                    findings.push(object.error("spec.parentRef", message));
                }
                break;
            }
            // It leads into a cycle without being part of it.
            if way.contains(&next) {
                break;
            }
            way.push(next);
        }
    }
}
