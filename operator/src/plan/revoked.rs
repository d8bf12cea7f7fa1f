//! What an object takes away is in force at once, even where the rest of it can't be used: the last good version serves on
//! without it.
//!
//! | field | of | in force at once |
//! |---|---|---|
//! | `suspended: true` | LLMProvider, each of its credentials, VirtualKey | off |
//! | `expiresAt` | VirtualKey | the earlier of the two |
//! | `allowedWorkloads` | VirtualKey | the new list |
//! | `allowedNamespaces` | LLMProvider, Budget | the narrower of the two |
//!
//! A credential that is taken out of the list is withdrawn by a version that can be used, not by one that can't: a key is
//! mostly exchanged for another, whose Secret may come a moment later. To revoke it, suspend it.

use std::sync::Arc;

use outrigger_crds::{AllowedNamespaces, NamespacesFrom};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use crate::objects::version::ObjectVersion;

/// The last good version of an object, less what its present version takes away.
pub(crate) fn less(last_good: &Arc<ObjectVersion>, now: &ObjectVersion) -> Arc<ObjectVersion> {
    let mut value = last_good.value().clone();
    let Some(spec) = value.get_mut("spec").and_then(Value::as_object_mut) else { return last_good.clone() };
    if is_true(now.get("/spec/suspended")) {
        spec.insert("suspended".to_owned(), json!(true));
    }
    credentials(spec, now);
    if let Some(expires) = earlier(spec.get("expiresAt"), now.get("/spec/expiresAt")) {
        spec.insert("expiresAt".to_owned(), expires.clone());
    }
    if let Some(workloads) = now.get("/spec/allowedWorkloads")
        && workloads.pointer("/serviceAccounts").is_some_and(is_list_of_names)
    {
        spec.insert("allowedWorkloads".to_owned(), workloads.clone());
    }
    namespaces(spec, now);
    match value == *last_good.value() {
        true => last_good.clone(),
        false => Arc::new(last_good.with(value)),
    }
}

fn is_true(value: Option<&Value>) -> bool {
    value == Some(&Value::Bool(true))
}

fn credentials(spec: &mut Map<String, Value>, now: &ObjectVersion) {
    let suspended: Vec<&Value> = now
        .get("/spec/credentials")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter(|credential| is_true(credential.get("suspended")))
        .filter_map(|credential| credential.get("name"))
        .collect();
    for credential in spec.get_mut("credentials").and_then(Value::as_array_mut).into_iter().flatten() {
        if credential.get("name").is_some_and(|name| suspended.contains(&name))
            && let Some(fields) = credential.as_object_mut()
        {
            fields.insert("suspended".to_owned(), json!(true));
        }
    }
}

fn earlier<'a>(last_good: Option<&Value>, now: Option<&'a Value>) -> Option<&'a Value> {
    let time = |value: &Value| value.as_str()?.parse::<jiff::Timestamp>().ok();
    let at = now.and_then(time)?;
    let sooner = last_good.and_then(time).is_none_or(|last_good| at < last_good);
    now.filter(|_| sooner)
}

fn is_list_of_names(value: &Value) -> bool {
    value.as_array().is_some_and(|list| !list.is_empty() && list.iter().all(Value::is_string))
}

/// Of two selectors the new one: which of them lets in fewer can't be told.
fn namespaces(spec: &mut Map<String, Value>, now: &ObjectVersion) {
    let width = |allowed: Option<&Value>| match allowed {
        None => Some(0),
        Some(allowed) => read::<AllowedNamespaces>(allowed).map(|allowed| match allowed.from {
            NamespacesFrom::Same => 0,
            NamespacesFrom::Selector => 1,
            NamespacesFrom::All => 2,
        }),
    };
    let new = now.get("/spec/allowedNamespaces");
    if let (Some(before), Some(after)) = (width(spec.get("allowedNamespaces")), width(new))
        && after <= before
    {
        match new {
            Some(new) => drop(spec.insert("allowedNamespaces".to_owned(), new.clone())),
            None => drop(spec.shift_remove("allowedNamespaces")),
        }
    }
}

fn read<T: DeserializeOwned>(value: &Value) -> Option<T> {
    serde_json::from_value(value.clone()).ok()
}
