//! Revocations take effect at once, even if the rest of the object's new version cannot be used. The last good version
//! then serves without what was revoked.
//!
//! | field | of | in force at once |
//! |---|---|---|
//! | `suspended: true` | LLMProvider, each of its credentials, VirtualKey | suspended |
//! | `expiresAt` | VirtualKey | the earlier of the two |
//! | `allowedWorkloads` | VirtualKey | the new list |
//! | `allowedNamespaces` | LLMProvider, Budget | the narrower of the two |
//!
//! Removing a credential from the list takes effect only with a usable version. A credential is usually replaced by
//! another one, whose Secret may appear a moment later. To revoke a credential at once, suspend it.

use std::sync::Arc;

use outrigger_crds::virtual_key::AllowedWorkloads;
use outrigger_crds::{AllowedNamespaces, NamespacesFrom};
use serde_json::{Map, Value, json};

use crate::objects::fields::{UnreadableField, read, time};
use crate::objects::version::ObjectVersion;

/// Returns the last good version without what the present version revokes.
pub(crate) fn without_revoked(last_good: &Arc<ObjectVersion>, now: &ObjectVersion) -> Arc<ObjectVersion> {
    let mut value = last_good.value().clone();
    let Some(spec) = value.get_mut("spec").and_then(Value::as_object_mut) else { return last_good.clone() };
    if now.is_suspended() {
        spec.insert("suspended".to_owned(), json!(true));
    }
    credentials(spec, now);
    expiry(spec, now);
    if let Some(workloads) = now.field("allowedWorkloads")
        && read::<AllowedWorkloads>(workloads).is_some_and(|allowed| !allowed.service_accounts.is_empty())
    {
        spec.insert("allowedWorkloads".to_owned(), workloads.clone());
    }
    namespaces(spec, now);
    match value == *last_good.value() {
        true => last_good.clone(),
        false => Arc::new(last_good.with(value)),
    }
}

fn credentials(spec: &mut Map<String, Value>, now: &ObjectVersion) {
    let suspended = now.suspended_credentials();
    for credential in spec.get_mut("credentials").and_then(Value::as_array_mut).into_iter().flatten() {
        if credential.get("name").and_then(Value::as_str).is_some_and(|name| suspended.contains(name))
            && let Some(fields) = credential.as_object_mut()
        {
            fields.insert("suspended".to_owned(), json!(true));
        }
    }
}

/// The earlier of the two.
fn expiry(spec: &mut Map<String, Value>, now: &ObjectVersion) {
    let before = spec.get("expiresAt").and_then(time);
    if let (Some(at), Some(new)) = (now.expires_at(), now.field("expiresAt"))
        && before.is_none_or(|before| at < before)
    {
        spec.insert("expiresAt".to_owned(), new.clone());
    }
}

/// If both are selectors, the new one applies, because it is unknown which one allows fewer namespaces.
fn namespaces(spec: &mut Map<String, Value>, now: &ObjectVersion) {
    let width = |allowed: Option<AllowedNamespaces>| match allowed.map(|allowed| allowed.from) {
        None | Some(NamespacesFrom::Same) => 0,
        Some(NamespacesFrom::Selector) => 1,
        Some(NamespacesFrom::All) => 2,
    };
    let before = spec.get("allowedNamespaces").map_or(Ok(None), |value| read(value).map(Some).ok_or(UnreadableField));
    let new = now.field("allowedNamespaces");
    if let (Ok(before), Ok(after)) = (before.map(width), now.allowed_namespaces().map(width))
        && after <= before
    {
        match new {
            Some(new) => drop(spec.insert("allowedNamespaces".to_owned(), new.clone())),
            None => drop(spec.shift_remove("allowedNamespaces")),
        }
    }
}
