//! The operator's generated ConfigMaps: the part of each that shows whether it must be written again.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use parking_lot::{Mutex, MutexGuard};
use sha2::{Digest, Sha256};

use crate::certs::fingerprints;
use crate::names;
use crate::objects::binding::Binding;
use crate::seal::Seal;

/// A generated ConfigMap as stored in the cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GeneratedConfigMap {
    pub uid: String,
    pub resource_version: String,
    /// `None` if the annotation is missing or invalid.
    pub sequence: Option<u64>,
    pub digest: String,
    /// The annotation: see [`crate::seal`].
    pub seal: String,
    /// SHA-256 of the policy's file. It need not match the annotations.
    pub policy: [u8; 32],
    /// The file of signatures.
    pub signatures: String,
    /// SHA-256 of the authorities' file.
    pub authorities: [u8; 32],
    /// The fingerprint of each authority.
    pub trusted: Vec<String>,
    /// The uids of its owners.
    pub owners: BTreeSet<String>,
    /// It has the label that makes the watch include it.
    pub labelled: bool,
    /// A Secret of the same name belongs to it.
    pub has_secret: bool,
    /// The operator has written fields of it.
    pub managed: bool,
    /// It is marked as immutable.
    pub immutable: bool,
    pub sources: Bytes,
}

impl GeneratedConfigMap {
    #[must_use]
    pub fn of(object: &ConfigMap) -> Self {
        let meta = &object.metadata;
        let annotation = |name: &str| meta.annotations.as_ref().and_then(|annotations| annotations.get(name)).cloned();
        let file = |name: &str| object.data.as_ref().and_then(|data| data.get(name)).map_or("", String::as_str);
        let owners = meta.owner_references.iter().flatten().map(|owner| owner.uid.clone());
        let sources = object.binary_data.as_ref().and_then(|data| data.get(names::SOURCES_FILE));
        GeneratedConfigMap {
            uid: meta.uid.clone().unwrap_or_default(),
            resource_version: meta.resource_version.clone().unwrap_or_default(),
            sequence: annotation(names::SEQUENCE).and_then(|sequence| sequence.parse().ok()),
            digest: annotation(names::DIGEST).unwrap_or_default(),
            seal: annotation(names::SEALED).unwrap_or_default(),
            policy: hash(file(names::POLICY_FILE)),
            signatures: file(names::SIGNATURES_FILE).to_owned(),
            authorities: hash(file(names::AUTHORITIES_FILE)),
            trusted: fingerprints(file(names::AUTHORITIES_FILE)),
            owners: owners.collect(),
            labelled: is_ours(meta),
            managed: is_managed(meta),
            immutable: object.immutable == Some(true),
            has_secret: annotation(names::HAS_SECRET).is_some(),
            sources: sources.map(|sources| Bytes::copy_from_slice(&sources.0)).unwrap_or_default(),
        }
    }
}

impl GeneratedConfigMap {
    /// Whether the operator wrote it for this binding, as it is now.
    #[must_use]
    pub fn is_sealed(&self, seal: &Seal, binding: &Binding) -> bool {
        seal.holds(binding, &self.seal, &self.policy, &self.sources)
    }

    /// Whether its signatures are valid for gateways.
    #[must_use]
    pub fn is_signed(&self, seal: &Seal, binding: &Binding) -> bool {
        self.signatures == seal.signatures(binding, &self.policy, &self.authorities)
    }

    /// Whether nothing of it is the operator's: no label, no sequence, and no field that it wrote. Removing label and
    /// sequence alone does not stop the operator from updating it.
    #[must_use]
    pub fn is_foreign(&self) -> bool {
        !self.labelled && self.sequence.is_none() && !self.managed
    }
}

/// Whether an object has the operator's label.
#[must_use]
pub fn is_ours(meta: &ObjectMeta) -> bool {
    let label = meta.labels.as_ref().and_then(|labels| labels.get(names::MANAGED_BY));
    label.is_some_and(|value| value == names::MANAGED_BY_VALUE)
}

/// Whether the operator has written fields of an object. Watches do not report this.
#[must_use]
pub fn is_managed(meta: &ObjectMeta) -> bool {
    meta.managed_fields.iter().flatten().any(|one| one.manager.as_deref() == Some(names::FIELD_MANAGER))
}

#[must_use]
pub fn hash(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

/// All generated ConfigMaps, by binding.
#[derive(Debug, Default)]
pub struct Generated(Mutex<BTreeMap<Binding, GeneratedConfigMap>>);

impl Generated {
    /// Stores a ConfigMap. Returns whether it changed.
    pub fn put(&self, binding: Binding, existing: Option<GeneratedConfigMap>) -> bool {
        let mut all = self.lock();
        match existing {
            // The response of a write may arrive before the watch reports an earlier one.
            Some(existing) if all.get(&binding).is_some_and(|known| is_newer(known, &existing)) => false,
            Some(mut existing) => {
                // Watches do not report this field, and it never becomes false.
                existing.managed |= all.get(&binding).is_some_and(|known| known.uid == existing.uid && known.managed);
                all.insert(binding, existing.clone()).as_ref() != Some(&existing)
            }
            None => all.remove(&binding).is_some(),
        }
    }

    #[must_use]
    pub fn get(&self, binding: &Binding) -> Option<GeneratedConfigMap> {
        self.lock().get(binding).cloned()
    }

    #[must_use]
    pub fn bindings(&self) -> Vec<Binding> {
        self.lock().keys().cloned().collect()
    }

    /// The bindings of one namespace.
    #[must_use]
    pub fn of(&self, namespace: &str) -> Vec<Binding> {
        self.lock().keys().filter(|binding| binding.namespace == namespace).cloned().collect()
    }

    /// Whether every ConfigMap has this authority.
    #[must_use]
    pub fn trusts(&self, fingerprint: &str) -> bool {
        self.lock().values().all(|existing| existing.trusted.iter().any(|trusted| trusted == fingerprint))
    }

    /// The sources of each policy that the operator wrote, and the number of policies that somebody else wrote.
    #[must_use]
    pub fn sources(&self, seal: &Seal) -> (Vec<(Binding, Bytes)>, usize) {
        let all = self.lock();
        let (own, others): (Vec<_>, Vec<_>) = (all.iter())
            .filter(|(_, existing)| !existing.sources.is_empty())
            .partition(|(binding, existing)| existing.is_sealed(seal, binding));
        (own.into_iter().map(|(binding, existing)| (binding.clone(), existing.sources.clone())).collect(), others.len())
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Binding, GeneratedConfigMap>> {
        self.0.lock()
    }
}

/// Resource versions of one object are growing numbers in every Kubernetes release so far.
fn is_newer(known: &GeneratedConfigMap, existing: &GeneratedConfigMap) -> bool {
    let number = |existing: &GeneratedConfigMap| existing.resource_version.parse::<u64>().ok();
    known.uid == existing.uid && number(known).zip(number(existing)).is_some_and(|(known, existing)| known > existing)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn existing(version: &str) -> GeneratedConfigMap {
        let object = json!({
            "metadata": {
                "name": "outrigger-a", "namespace": "n", "uid": "u", "resourceVersion": version,
                "labels": {"app.kubernetes.io/managed-by": "outrigger"},
                "annotations": {"outrigger.dev/sequence": "7", "outrigger.dev/digest": "d"},
            },
            "data": {"policy.v1.json": "{}"},
            "binaryData": {"sources.v1.json.gz": "AQI="},
        });
        GeneratedConfigMap::of(&serde_json::from_value(object).unwrap())
    }

    #[test]
    fn a_config_map_is_parsed() {
        let existing = existing("5");
        assert_eq!(
            (existing.sequence, existing.digest.as_str(), existing.labelled, existing.has_secret),
            (Some(7), "d", true, false)
        );
        assert_eq!(existing.policy, hash("{}"));
        assert_eq!(&*existing.sources, [1, 2]);
    }

    #[test]
    fn an_older_version_does_not_replace_a_newer_one() {
        let (generated, binding) = (Generated::default(), Binding::of("n", "a"));
        assert!(generated.put(binding.clone(), Some(existing("10"))));
        assert!(!generated.put(binding.clone(), Some(existing("9"))));
        assert!(!generated.put(binding.clone(), Some(existing("10"))));
        assert_eq!(generated.get(&binding).unwrap().resource_version, "10");
        let recreated = GeneratedConfigMap { uid: "v".to_owned(), ..existing("3") };
        assert!(generated.put(binding.clone(), Some(recreated.clone())), "a new uid is another object");
        let seal = Seal::of(&[7; 32]).unwrap();
        assert_eq!(generated.sources(&seal), (vec![], 1), "it has no valid seal");
        let mark = seal.mark(&binding, &hash("{}"), &[1, 2]);
        generated.put(
            binding.clone(),
            Some(GeneratedConfigMap { seal: mark, resource_version: "4".to_owned(), ..recreated }),
        );
        assert_eq!(generated.sources(&seal), (vec![(binding.clone(), Bytes::from_static(&[1, 2]))], 0));
        assert!(generated.put(binding.clone(), None));
        assert!(!generated.put(binding, None));
    }
}
