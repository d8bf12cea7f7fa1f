//! The Secret beside a policy, with the credentials that may be stored in the namespace. Pure.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use outrigger_core::SecretRef;
use outrigger_sync::CREDENTIALS_FILE;
use serde_json::{Value, json};

use crate::names;
use crate::objects::owner::{KeyOwner, owner_references};
use crate::plan::revision::{Delivery, PolicyRevision};
use crate::seal::Seal;

/// Whether the value of a credential that may be stored there is missing at the moment.
#[must_use]
pub fn has_missing_values(revision: &PolicyRevision) -> bool {
    revision.copied.iter().any(|secret| !is_known(revision, secret))
}

/// Builds the Secret. A missing value and its signatures are copied from `existing`, the stored Secret, if the value
/// may be stored there at all. The old signatures are kept because others may have changed the value.
#[must_use]
pub fn secret(revision: &PolicyRevision, owners: &[KeyOwner], existing: Option<&Secret>, seal: &Seal) -> Value {
    let mut data: BTreeMap<String, String> = BTreeMap::new();
    let mut signed: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for known in revision.credentials.iter().filter(|value| value.delivery == Delivery::Secret) {
        let (file, goes) = (known.secret.file_name(), revision.document.destination(&known.secret));
        let signatures = seal.credential(&revision.binding, &file, &goes, known.value.as_bytes());
        signed.insert(file.clone(), signatures);
        data.insert(file, STANDARD.encode(&known.value));
    }
    let mut before = existing.and_then(signatures).unwrap_or_default();
    for secret in revision.copied.iter().filter(|secret| !is_known(revision, secret)) {
        let file = secret.file_name();
        let Some(value) = existing.and_then(|existing| existing.data.as_ref()?.get(&file)) else { continue };
        data.insert(file.clone(), STANDARD.encode(&value.0));
        signed.extend(before.remove_entry(&file));
    }
    if !signed.is_empty() {
        // A map of strings, so writing it cannot fail.
        let signed = serde_json::to_vec(&signed).unwrap_or_default();
        data.insert(CREDENTIALS_FILE.to_owned(), STANDARD.encode(signed));
    }
    let mut object = json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": revision.binding.object_name(),
            "namespace": revision.binding.namespace,
            "labels": {names::MANAGED_BY: names::MANAGED_BY_VALUE},
            "annotations": {names::DIGEST: revision.digest},
            "ownerReferences": owner_references(owners),
        },
        "type": "Opaque",
        "data": data,
    });
    // If another leader has written since, the write fails instead of overwriting a newer Secret.
    if let Some(version) = existing.and_then(|existing| existing.metadata.resource_version.as_ref()) {
        object["metadata"]["resourceVersion"] = json!(version);
    }
    object
}

fn signatures(existing: &Secret) -> Option<BTreeMap<String, Vec<String>>> {
    serde_json::from_slice(&existing.data.as_ref()?.get(CREDENTIALS_FILE)?.0).ok()
}

/// Whether the stored Secret has exactly the desired data, digest and owners.
#[must_use]
pub fn matches_desired(existing: &Secret, wanted: &Value) -> bool {
    let Ok(wanted) = serde_json::from_value::<Secret>(wanted.clone()) else { return false };
    let (have, want) = (&existing.metadata, &wanted.metadata);
    let owners = |meta: &ObjectMeta| {
        let uids = meta.owner_references.iter().flatten().map(|owner| owner.uid.clone());
        uids.collect::<BTreeSet<String>>()
    };
    let annotation = |meta: &ObjectMeta| meta.annotations.as_ref().and_then(|all| all.get(names::DIGEST).cloned());
    existing.data.clone().unwrap_or_default() == wanted.data.clone().unwrap_or_default()
        && annotation(have) == annotation(want)
        && owners(have) == owners(want)
}

fn is_known(revision: &PolicyRevision, secret: &SecretRef) -> bool {
    revision.credentials.iter().any(|value| value.secret == *secret)
}

#[cfg(test)]
mod tests {
    use k8s_openapi::ByteString;
    use outrigger_policy::Document;
    use outrigger_sync::{Statement, Trust};

    use super::*;
    use crate::objects::binding::Binding;
    use crate::plan::revision::DeliveredCredential as Credential;
    use crate::seal::place;

    fn at(name: &str) -> SecretRef {
        SecretRef::new("llm", name, "apiKey").unwrap()
    }

    fn revision(copied: &[&str], known: &[(&str, Delivery)]) -> PolicyRevision {
        let value = |(name, delivery): &(&str, Delivery)| Credential {
            secret: at(name),
            value: format!("sk-{name}"),
            delivery: *delivery,
            keys: BTreeSet::new(),
        };
        PolicyRevision {
            binding: Binding::of("shop", "search"),
            document: Document::default(),
            digest: "d".to_owned(),
            credentials: known.iter().map(value).collect(),
            copied: copied.iter().map(|name| at(name)).collect(),
            objects: BTreeSet::new(),
            allowed: BTreeMap::new(),
            sources: Vec::new(),
        }
    }

    fn seal() -> Seal {
        Seal::of(&[7; 32]).unwrap()
    }

    /// The data without the signatures, and the signatures.
    fn parts(made: &Value) -> (Value, BTreeMap<String, Vec<String>>) {
        let mut data = made["data"].clone();
        let signed = data.as_object_mut().unwrap().remove(CREDENTIALS_FILE);
        let signed = signed.map(|signed| STANDARD.decode(signed.as_str().unwrap()).unwrap());
        (data, signed.map(|signed| serde_json::from_slice(&signed).unwrap()).unwrap_or_default())
    }

    fn existing(names: &[&str]) -> Secret {
        let data = names.iter().map(|name| (at(name).file_name(), ByteString(b"old".to_vec()))).collect();
        Secret { data: Some(data), ..Secret::default() }
    }

    #[test]
    fn the_secret_holds_only_credentials_that_may_be_stored_there() {
        let revision = revision(&["a"], &[("a", Delivery::Secret), ("b", Delivery::Stream)]);
        assert!(!has_missing_values(&revision));
        let made = secret(&revision, &[], None, &seal());
        let (data, signed) = parts(&made);
        assert_eq!(data, json!({"llm_a_apiKey": STANDARD.encode("sk-a")}));
        assert_eq!(made["metadata"]["name"], json!("outrigger-search"));
        let trust = Trust { keys: seal().verifying().keys, mount: place(&revision.binding) };
        let goes = revision.document.destination(&at("a"));
        let statement = |value| Statement::Credential { file: "llm_a_apiKey", goes: &goes, value };
        assert!(trust.verifies(&statement(b"sk-a"), &signed["llm_a_apiKey"]));
        assert!(!trust.verifies(&statement(b"sk-b"), &signed["llm_a_apiKey"]));
    }

    #[test]
    fn a_secret_as_desired_is_not_written() {
        let made = secret(&revision(&["a"], &[("a", Delivery::Secret)]), &[], None, &seal());
        let existing: Secret = serde_json::from_value(made.clone()).unwrap();
        assert!(matches_desired(&existing, &made));
        let mut more = existing.clone();
        more.data.as_mut().unwrap().insert("b".to_owned(), ByteString(b"x".to_vec()));
        let other =
            Secret { metadata: ObjectMeta { annotations: None, ..existing.metadata.clone() }, ..existing.clone() };
        let owner = KeyOwner { name: "search".to_owned(), uid: "u".to_owned() };
        let owned = secret(&revision(&["a"], &[("a", Delivery::Secret)]), &[owner], None, &seal());
        assert!(
            !matches_desired(&more, &made) && !matches_desired(&other, &made) && !matches_desired(&existing, &owned)
        );
    }

    #[test]
    fn a_missing_value_stays_and_one_that_is_no_longer_allowed_is_removed() {
        let revision = revision(&["a", "b"], &[("a", Delivery::Secret)]);
        assert!(has_missing_values(&revision));
        let made = secret(&revision, &[], Some(&existing(&["a", "b", "c"])), &seal());
        let wanted = json!({"llm_a_apiKey": STANDARD.encode("sk-a"), "llm_b_apiKey": STANDARD.encode("old")});
        let (data, signed) = parts(&made);
        assert_eq!(data, wanted);
        // The old value may come from anybody, so it gets no new signature.
        assert_eq!(signed.keys().collect::<Vec<_>>(), ["llm_a_apiKey"]);
        let mut before = existing(&["a", "b", "c"]);
        let old = BTreeMap::from([("llm_b_apiKey", ["SB"]), ("llm_c_apiKey", ["SC"])]);
        let old = ByteString(serde_json::to_vec(&old).unwrap());
        before.data.as_mut().unwrap().insert(CREDENTIALS_FILE.to_owned(), old);
        let (_, signed) = parts(&secret(&revision, &[], Some(&before), &seal()));
        assert_eq!((signed.len(), &signed["llm_b_apiKey"]), (2, &vec!["SB".to_owned()]));
        let (data, _) = parts(&secret(&revision, &[], None, &seal()));
        assert_eq!(data, json!({"llm_a_apiKey": STANDARD.encode("sk-a")}));
    }
}
