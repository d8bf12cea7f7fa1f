//! VirtualKeys: their providers, and whether they may use them.

pub(crate) mod consumers;
pub(crate) mod default_key;

use std::collections::HashMap;

use outrigger_core::ObjectRef;
use outrigger_crds::virtual_key::{
    KeyProviderSpec, KeylessCallers, OnHangUpPolicy, OnLimitPolicy, UncountedPolicy, VirtualKey,
};
use outrigger_policy::{
    BudgetDoc, KeyDoc, KeyProviderDoc, OnHangUp as OnHangUpDoc, OnLimit as OnLimitDoc, ProviderDoc, UnknownCostPolicy,
};

use crate::findings::finding::{Cause, Finding};
use crate::findings::hint::hint;
use crate::limits::{self, budgets, fail_open};
use crate::objects::kind::PolicyKind;
use crate::objects::number::count;
use crate::objects::sorted::{ReadObject, SortedObjects};
use crate::objects::{namespaces, unusable};
use crate::providers::{all_zero, balance};
use crate::read::source::Object;

/// A key whose limits or budgets can't be counted is left out: otherwise it would be unlimited.
pub(crate) fn compile(
    sorted: &SortedObjects<'_>,
    providers: &[ProviderDoc],
    budgets: &[BudgetDoc],
    findings: &mut Vec<Finding>,
) -> Vec<KeyDoc> {
    let mut tokens: HashMap<&str, &Object> = HashMap::new();
    let mut keys = Vec::new();
    for key in sorted.keys.values() {
        let ReadObject { object, typed } = key;
        let spec = &typed.spec;
        let team = owner(sorted, object, "team", spec.team.as_deref(), findings);
        let customer = owner(sorted, object, "customer", spec.customer.as_deref(), findings);
        let mut aliases = Vec::new();
        for (index, alias) in spec.aliases.iter().enumerate() {
            match tokens.get(alias.sha256.as_str()) {
                Some(first) => {
                    let path = format!("spec.aliases[{index}].sha256");
                    let message = format!(
                        "the same token belongs to {}: a token can belong to one key only",
                        first.label_and_location()
                    );
                    findings.push(object.error(&path, message));
                }
                None => {
                    tokens.insert(&alias.sha256, object);
                    aliases.push(alias.sha256.clone());
                }
            }
        }
        let entries = entries(sorted, providers, key, findings);
        let own = spec.limits.as_ref();
        let limits = limits::compile(object, "spec.limits", own.map(|own| &own.limits), findings);
        let session = match own.and_then(|own| own.session.as_ref()) {
            None => Some(None),
            Some(session) => limits::of_sessions(object, session, findings).map(Some),
        };
        let budgets = named(sorted, budgets, key, findings);
        let (Ok(team), Ok(customer), Some(limits), Some(session), Some(budgets)) =
            (team, customer, limits, session, budgets)
        else {
            continue;
        };
        let mut all = fail_open::own("spec.limits", &limits).to_vec();
        for entry in &entries {
            all.extend(fail_open::own(&format!("spec.providers[{}].limits", entry.name), &entry.limits));
        }
        let fail_open = fail_open::compile(object, spec.on_ledger_unavailable.as_ref(), &all, findings);
        let access = spec.models.clone().unwrap_or_default();
        keys.push(KeyDoc {
            namespace: object.namespace.clone(),
            name: object.name.clone(),
            providers: entries,
            balance: balance(spec.balance),
            allow: access.allow,
            deny: access.deny,
            extra_fields: spec.extra_fields,
            aliases,
            limits,
            fail_open,
            session,
            budgets,
            max_output_tokens: own.and_then(|own| own.max_output_tokens).map(count),
            min_output_tokens: own.and_then(|own| own.min_output_tokens).map(count),
            cap_output: own.is_none_or(|own| own.cap_output),
            on_limit: match spec.on_limit {
                OnLimitPolicy::NextProvider => OnLimitDoc::NextProvider,
                OnLimitPolicy::Reject => OnLimitDoc::Reject,
            },
            unpriced: unknown(spec.unpriced),
            unmetered: unknown(spec.unmetered),
            on_hang_up: match spec.on_hang_up {
                OnHangUpPolicy::Cancel => OnHangUpDoc::Cancel,
                OnHangUpPolicy::Drain => OnHangUpDoc::Drain,
            },
            must_be_named: spec.without_key == KeylessCallers::Refuse,
            suspended: spec.suspended,
            expires_at: spec.expires_at.as_ref().map(|time| time.0.as_second()),
            team,
            customer,
            service_accounts: spec.allowed_workloads.as_ref().map(|workloads| workloads.service_accounts.clone()),
            ..KeyDoc::default()
        });
    }
    keys
}

fn unknown(uncounted: UncountedPolicy) -> UnknownCostPolicy {
    match uncounted {
        UncountedPolicy::Refuse => UnknownCostPolicy::Refuse,
        UncountedPolicy::Allow => UnknownCostPolicy::Allow,
    }
}

/// The Budgets that a key refers to; `None` if one of them can't be counted.
fn named(
    sorted: &SortedObjects<'_>,
    budgets: &[BudgetDoc],
    ReadObject { object, typed }: &ReadObject<'_, VirtualKey>,
    findings: &mut Vec<Finding>,
) -> Option<Vec<ObjectRef>> {
    let mut named: Vec<Option<ObjectRef>> = Vec::new();
    for (index, reference) in typed.spec.budget_refs.iter().enumerate() {
        let path = format!("spec.budgetRefs[{index}]");
        let budget =
            budgets::resolve(sorted, budgets, object, &path, reference).map_err(|finding| findings.push(finding)).ok();
        if let Some(first) = named.iter().position(|other| other.is_some() && *other == budget) {
            findings.push(object.error(&path, format!("is listed twice: it is also spec.budgetRefs[{first}]")));
        } else {
            named.push(budget);
        }
    }
    named.into_iter().collect()
}

/// The team or customer of a key. The namespace's label overrides the key's field; if both are set and differ, the key
/// is refused.
fn owner(
    sorted: &SortedObjects<'_>,
    object: &Object,
    field: &str,
    own: Option<&str>,
    findings: &mut Vec<Finding>,
) -> Result<Option<String>, ()> {
    let label = format!("outrigger.dev/{field}");
    match (namespaces::label(sorted, &object.namespace, &label), own) {
        (Some(value), Some(own)) if value != own => {
            findings.push(object.error(
                &format!("spec.{field}"),
                format!("namespace {} is labelled {label}: {value}, which outranks this: remove it", object.namespace),
            ));
            Err(())
        }
        (Some(value), _) => Ok(Some(value.to_owned())),
        (None, own) => Ok(own.map(str::to_owned)),
    }
}

/// The providers of a key that it may use.
fn entries(
    sorted: &SortedObjects<'_>,
    providers: &[ProviderDoc],
    ReadObject { object, typed }: &ReadObject<'_, VirtualKey>,
    findings: &mut Vec<Finding>,
) -> Vec<KeyProviderDoc> {
    let spec = &typed.spec;
    if spec.providers.is_empty() {
        let all = all_of(providers, &object.namespace);
        let any = sorted.has_unusable(PolicyKind::LlmProvider, |id| id.namespace == object.namespace);
        if all.is_empty() && !any {
            let message = format!(
                "without spec.providers a key has every LLMProvider of its namespace, and {} has none: add one, or name \
                 those of other namespaces",
                object.namespace
            );
            findings.push(object.error("spec", message).because(Cause::RefNotFound));
        }
        return all;
    }
    if spec.providers.len() > 1 && spec.providers.iter().all(|entry| entry.weight == 0) {
        findings.push(object.warning("spec.providers", all_zero("providers")));
    }
    spec.providers
        .iter()
        .enumerate()
        .filter_map(|(index, entry)| resolve(sorted, providers, object, index, entry, findings))
        .collect()
}

/// Every provider of a namespace, with equal weights.
pub(crate) fn all_of(providers: &[ProviderDoc], namespace: &str) -> Vec<KeyProviderDoc> {
    providers
        .iter()
        .filter(|provider| provider.namespace == namespace)
        .map(|provider| KeyProviderDoc {
            name: provider.name.clone(),
            provider: id(provider),
            weight: 1,
            ..KeyProviderDoc::default()
        })
        .collect()
}

pub(crate) fn id(provider: &ProviderDoc) -> ObjectRef {
    ObjectRef { namespace: provider.namespace.clone(), name: provider.name.clone() }
}

fn resolve(
    sorted: &SortedObjects<'_>,
    providers: &[ProviderDoc],
    object: &Object,
    index: usize,
    entry: &KeyProviderSpec,
    findings: &mut Vec<Finding>,
) -> Option<KeyProviderDoc> {
    let reference = entry.provider_ref.as_ref();
    let id = ObjectRef {
        namespace: reference.and_then(|r| r.namespace.clone()).unwrap_or_else(|| object.namespace.clone()),
        name: reference.map_or(&entry.name, |r| &r.name).clone(),
    };
    let field = if reference.is_some() { "providerRef" } else { "name" };
    let path = format!("spec.providers[{index}].{field}");
    let Some(provider) = sorted.providers.get(&id) else {
        findings.push(match sorted.unusable.contains(&(PolicyKind::LlmProvider, id.clone())) {
            true => unusable(object, &path, &id),
            false if sorted.unread => {
                object.warning(&path, unusable::in_unread_text(PolicyKind::LlmProvider, &id)).because(Cause::Dependency)
            }
            false => object
                .error(&path, format!("there is no LLMProvider {id}{}", elsewhere(sorted, &id, &object.namespace)))
                .because(Cause::RefNotFound),
        });
        return None;
    };
    let allowed = provider.typed.spec.allowed_namespaces.as_ref();
    if let Some(refusal) = namespaces::refusal(sorted, &id.namespace, allowed, &object.namespace) {
        findings.push(object.error(&path, format!("LLMProvider {id} {refusal}")).because(Cause::RefNotPermitted));
        return None;
    }
    if !providers.iter().any(|document| document.namespace == id.namespace && document.name == id.name) {
        findings.push(unusable(object, &path, &id));
        return None;
    }
    let known: Vec<&str> = provider.typed.spec.credentials.iter().map(|credential| credential.name.as_str()).collect();
    let mut credentials = Vec::new();
    for (at, name) in entry.credentials.iter().enumerate() {
        if known.contains(&name.as_str()) {
            credentials.push(name.clone());
        } else {
            let path = format!("spec.providers[{index}].credentials[{at}]");
            let message = format!("LLMProvider {id} has no credential `{name}`{}", hint(name, &known));
            findings.push(object.error(&path, message).because(Cause::RefNotFound));
        }
    }
    let limits = limits::compile(object, &format!("spec.providers[{index}].limits"), entry.limits.as_ref(), findings)?;
    // An empty list would mean all of them.
    if credentials.is_empty() && !entry.credentials.is_empty() {
        return None;
    }
    Some(KeyProviderDoc {
        name: entry.name.clone(),
        provider: id,
        weight: count(entry.weight),
        models: entry.models.clone(),
        credentials,
        limits,
    })
}

fn unusable(object: &Object, path: &str, id: &ObjectRef) -> Finding {
    object.warning(path, format!("LLMProvider {id} can't be used until it is repaired")).because(Cause::Dependency)
}

/// A hint at where the missing provider might be.
fn elsewhere(sorted: &SortedObjects<'_>, id: &ObjectRef, from: &str) -> String {
    let others: Vec<&str> =
        sorted.providers.keys().filter(|other| other.name == id.name).map(|other| other.namespace.as_str()).collect();
    if let Some(namespace) = others.first() {
        return format!(": there is one in namespace {namespace}, say so in providerRef.namespace");
    }
    let here: Vec<&str> = sorted
        .providers
        .keys()
        .filter(|other| other.namespace == id.namespace)
        .map(|other| other.name.as_str())
        .collect();
    match here.is_empty() && id.namespace != from {
        // The names of providers in another namespace are not disclosed.
        true => format!(": namespace {} has none that may be used here", id.namespace),
        false => hint(&id.name, &here),
    }
}
