//! Decides whether a policy must be written, and with which content. Pure.
//!
//! Only a new policy gets a new sequence. Authorities and owners change without one, because gateways read the file of
//! authorities by themselves.

use std::collections::BTreeSet;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use outrigger_sync::AHEAD_MAX;
use serde_json::{Value, json};

use super::secret::has_missing_values;
use crate::names;
use crate::objects::owner::{KeyOwner, owner_references};
use crate::plan::revision::{Delivery, PolicyRevision};
use crate::seal::Seal;
use crate::state::generated::{GeneratedConfigMap, hash};

/// The most that a ConfigMap may hold, less the room for its metadata. If the policy and its sources together are
/// larger, the ConfigMap is written without the sources.
const DATA_MAX: usize = 1_000_000;

/// The desired content of a ConfigMap, and what the decision depends on.
#[derive(Clone, Copy, Debug)]
pub struct DesiredConfigMap<'a> {
    pub revision: &'a PolicyRevision,
    /// PEM.
    pub authorities: &'a str,
    /// The keys of the binding that exist.
    pub owners: &'a [KeyOwner],
    /// The highest sequence that a gateway of the binding reports.
    pub highest: Option<u64>,
    /// Seconds since 1970.
    pub now: u64,
    /// Signs the ConfigMap, and recognizes what the operator wrote.
    pub seal: &'a Seal,
    /// Credential values became known after the last write. A new sequence makes gateways load them.
    pub new_values: bool,
    /// The ConfigMap must still mention a Secret that could not be deleted, so that the next leader deletes it.
    pub secret_remains: bool,
}

/// An object for server-side apply.
#[derive(Clone, Debug, PartialEq)]
pub struct ConfigMapWrite {
    pub sequence: u64,
    pub object: Value,
}

/// Returns the write that is needed. `None` if the stored ConfigMap is right.
#[must_use]
pub fn decide(desired: DesiredConfigMap<'_>, existing: Option<&GeneratedConfigMap>) -> Option<ConfigMapWrite> {
    let current = existing.and_then(|existing| current(desired, existing));
    let authorities = existing.is_some_and(|existing| existing.authorities == hash(desired.authorities));
    let owned = existing.is_some_and(|existing| existing.owners.iter().eq(uids(desired.owners)));
    let labels_match = existing
        .is_some_and(|existing| existing.labelled && existing.has_secret == mentions_secret(desired, Some(existing)));
    let sealed = existing.is_some_and(|existing| existing.is_sealed(desired.seal, &desired.revision.binding));
    let signed = || existing.is_some_and(|existing| existing.is_signed(desired.seal, &desired.revision.binding));
    if current.is_some() && authorities && owned && labels_match && sealed && signed() {
        return None;
    }
    let sequence = current.unwrap_or_else(|| next(desired, existing));
    Some(ConfigMapWrite { sequence, object: object(desired, existing, sequence) })
}

/// The stored sequence, if the stored policy is the desired one and no gateway is ahead of it.
fn current(desired: DesiredConfigMap<'_>, existing: &GeneratedConfigMap) -> Option<u64> {
    let sequence = existing.sequence.filter(|sequence| is_plausible(desired, *sequence))?;
    let behind = plausible_report(desired).is_some_and(|highest| highest > sequence);
    let same = !behind && !desired.new_values && existing.digest == desired.revision.digest;
    // The hash is the most expensive check, so it is last.
    (same && existing.policy == hash(&policy(desired.revision, sequence))).then_some(sequence)
}

/// A sequence above every sequence that a gateway may have: the last written one, and the reported ones. If the
/// ConfigMap was deleted and its last sequence is lost, the time in seconds is higher.
fn next(desired: DesiredConfigMap<'_>, existing: Option<&GeneratedConfigMap>) -> u64 {
    let sequence =
        match existing.and_then(|existing| existing.sequence).filter(|sequence| is_plausible(desired, *sequence)) {
            Some(sequence) => sequence + 1,
            None => desired.now,
        };
    sequence.max(plausible_report(desired).map_or(0, |highest| highest + 1))
}

/// The highest reported sequence, unless it is implausible. A gateway may report anything, and must not block updates
/// for others.
fn plausible_report(desired: DesiredConfigMap<'_>) -> Option<u64> {
    desired.highest.filter(|highest| is_plausible(desired, *highest))
}

/// Whether a sequence is not too far ahead of the time to be genuine.
fn is_plausible(desired: DesiredConfigMap<'_>, sequence: u64) -> bool {
    sequence < desired.now.saturating_add(AHEAD_MAX)
}

fn uids(owners: &[KeyOwner]) -> impl Iterator<Item = &String> {
    owners.iter().map(|owner| &owner.uid).collect::<BTreeSet<_>>().into_iter()
}

/// The content of the policy's file.
fn policy(revision: &PolicyRevision, sequence: u64) -> String {
    let mut document = revision.document.clone();
    document.sequence = sequence;
    // The document holds only strings and numbers, so writing it cannot fail.
    serde_json::to_string(&document).unwrap_or_default()
}

fn mentions_secret(desired: DesiredConfigMap<'_>, existing: Option<&GeneratedConfigMap>) -> bool {
    desired.secret_remains || has_secret(desired.revision, existing)
}

/// Whether the namespace may hold a Secret with some of the credentials. While values are missing, the existing Secret
/// stays.
#[must_use]
pub fn has_secret(revision: &PolicyRevision, existing: Option<&GeneratedConfigMap>) -> bool {
    revision.credentials.iter().any(|value| value.delivery == Delivery::Secret)
        || (existing.is_some_and(|existing| existing.has_secret) && has_missing_values(revision))
}

fn object(desired: DesiredConfigMap<'_>, existing: Option<&GeneratedConfigMap>, sequence: u64) -> Value {
    let DesiredConfigMap { revision, authorities, owners, seal, .. } = desired;
    let policy = policy(revision, sequence);
    let fits = policy.len() + authorities.len() + revision.sources.len() <= DATA_MAX;
    let sources = if fits { revision.sources.as_slice() } else { &[] };
    let mut object = json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": revision.binding.object_name(),
            "namespace": revision.binding.namespace,
            "labels": {names::MANAGED_BY: names::MANAGED_BY_VALUE},
            "annotations": {
                names::SEQUENCE: sequence.to_string(),
                names::DIGEST: revision.digest,
                names::SEALED: seal.mark(&revision.binding, &hash(&policy), sources),
            },
            "ownerReferences": owner_references(owners),
        },
    });
    if fits {
        object["binaryData"] = json!({names::SOURCES_FILE: STANDARD.encode(sources)});
    }
    let signatures = seal.signatures(&revision.binding, &hash(&policy), &hash(authorities));
    object["data"] = json!({
        names::POLICY_FILE: policy,
        names::AUTHORITIES_FILE: authorities,
        names::SIGNATURES_FILE: signatures,
    });
    if mentions_secret(desired, existing) {
        object["metadata"]["annotations"][names::HAS_SECRET] = json!("true");
    }
    if let Some(existing) = existing.filter(|existing| !existing.immutable) {
        // The write fails if another writer came in between, because its sequence is not known here.
        object["metadata"]["resourceVersion"] = json!(existing.resource_version);
    }
    object
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use bytes::Bytes;
    use outrigger_core::SecretRef;
    use outrigger_policy::Document;
    use outrigger_sync::{Signatures, Statement, Trust, hash as sha256};

    use super::*;
    use crate::objects::binding::Binding;
    use crate::plan::revision::DeliveredCredential as Credential;
    use crate::seal::place;

    const NOW: u64 = 1_800_000_000;

    static SEAL: LazyLock<Seal> = LazyLock::new(|| Seal::of(&[7; 32]).unwrap());

    fn revision(digest: &str) -> PolicyRevision {
        PolicyRevision {
            binding: Binding::of("shop", "search"),
            document: Document { format: 1, ..Document::default() },
            digest: digest.to_owned(),
            credentials: Vec::new(),
            copied: BTreeSet::new(),
            objects: BTreeSet::new(),
            allowed: std::collections::BTreeMap::new(),
            sources: vec![1, 2, 3],
        }
    }

    fn owners() -> Vec<KeyOwner> {
        vec![KeyOwner { name: "search".to_owned(), uid: "uid-1".to_owned() }]
    }

    fn desired<'a>(revision: &'a PolicyRevision, owners: &'a [KeyOwner]) -> DesiredConfigMap<'a> {
        DesiredConfigMap {
            revision,
            authorities: "PEM",
            owners,
            highest: None,
            now: NOW,
            seal: &SEAL,
            new_values: false,
            secret_remains: false,
        }
    }

    /// The ConfigMap as the cluster would store it after the write.
    fn existing(write: &ConfigMapWrite) -> GeneratedConfigMap {
        let mut object = write.object.clone();
        object["metadata"]["resourceVersion"] = json!("17");
        object["metadata"]["uid"] = json!("u");
        GeneratedConfigMap::of(&serde_json::from_value(object).unwrap())
    }

    #[test]
    fn the_first_sequence_is_the_time_and_a_right_config_map_is_not_written() {
        let (revision, owners) = (revision("d"), owners());
        let first = decide(desired(&revision, &owners), None).unwrap();
        assert_eq!(first.sequence, NOW);
        assert_eq!(first.object["metadata"]["resourceVersion"], Value::Null);
        assert_eq!(decide(desired(&revision, &owners), Some(&existing(&first))), None);
        let later = DesiredConfigMap { now: NOW + 100, highest: Some(NOW), ..desired(&revision, &owners) };
        assert_eq!(decide(later, Some(&existing(&first))), None);
    }

    #[test]
    fn a_new_policy_has_the_next_sequence_and_the_version_that_it_replaces() {
        let (old, new, owners) = (revision("d"), revision("e"), owners());
        let first = decide(desired(&old, &owners), None).unwrap();
        let second = decide(desired(&new, &owners), Some(&existing(&first))).unwrap();
        assert_eq!(second.sequence, NOW + 1);
        assert_eq!(second.object["metadata"]["resourceVersion"], json!("17"));
        assert_eq!(second.object["metadata"]["annotations"]["outrigger.dev/digest"], json!("e"));
        let document: Value = serde_json::from_str(second.object["data"]["policy.v1.json"].as_str().unwrap()).unwrap();
        assert_eq!(document["sequence"], json!(NOW + 1));
    }

    #[test]
    fn new_credential_values_get_a_new_sequence() {
        let (revision, owners) = (revision("d"), owners());
        let first = existing(&decide(desired(&revision, &owners), None).unwrap());
        let changed = DesiredConfigMap { new_values: true, ..desired(&revision, &owners) };
        assert_eq!(decide(changed, Some(&first)).unwrap().sequence, NOW + 1);
    }

    #[test]
    fn authorities_and_owners_change_without_a_new_sequence() {
        let (revision, owners) = (revision("d"), owners());
        let first = existing(&decide(desired(&revision, &owners), None).unwrap());
        let authorities = DesiredConfigMap { authorities: "PEM and PEM", ..desired(&revision, &owners) };
        assert_eq!(decide(authorities, Some(&first)).unwrap().sequence, NOW);
        let other = [KeyOwner { name: "search".to_owned(), uid: "uid-2".to_owned() }];
        let write = decide(desired(&revision, &other), Some(&first)).unwrap();
        assert_eq!((write.sequence, &write.object["metadata"]["ownerReferences"][0]["uid"]), (NOW, &json!("uid-2")));
        let without_owners = decide(desired(&revision, &[]), Some(&first)).unwrap();
        assert_eq!(without_owners.object["metadata"]["ownerReferences"], json!([]));
    }

    #[test]
    fn the_sequence_exceeds_every_plausible_report() {
        let (revision, owners) = (revision("d"), owners());
        let first = existing(&decide(desired(&revision, &owners), None).unwrap());
        let highest = |highest| DesiredConfigMap { highest: Some(highest), ..desired(&revision, &owners) };
        assert_eq!(decide(highest(NOW + 41), Some(&first)).unwrap().sequence, NOW + 42);
        assert_eq!(decide(highest(NOW + 41), None).unwrap().sequence, NOW + 42);
        assert_eq!(decide(highest(u64::MAX), Some(&first)), None);
        assert_eq!(decide(highest(u64::MAX), None).unwrap().sequence, NOW);
    }

    #[test]
    fn manual_changes_are_corrected() {
        let (revision, owners) = (revision("d"), owners());
        let first = existing(&decide(desired(&revision, &owners), None).unwrap());
        let edited = GeneratedConfigMap { policy: hash("{}"), ..first.clone() };
        assert_eq!(decide(desired(&revision, &owners), Some(&edited)).unwrap().sequence, NOW + 1);
        let made_up = GeneratedConfigMap { sequence: Some(u64::MAX), ..first.clone() };
        assert_eq!(decide(desired(&revision, &owners), Some(&made_up)).unwrap().sequence, NOW);
        let frozen = GeneratedConfigMap { immutable: true, policy: hash("{}"), ..first.clone() };
        let replaced = decide(desired(&revision, &owners), Some(&frozen)).unwrap();
        assert_eq!((replaced.sequence, &replaced.object["metadata"]["resourceVersion"]), (NOW + 1, &Value::Null));
        let unnumbered = GeneratedConfigMap { sequence: None, ..first.clone() };
        assert_eq!(decide(desired(&revision, &owners), Some(&unnumbered)).unwrap().sequence, NOW);
        let unlabelled = GeneratedConfigMap { labelled: false, ..first };
        assert_eq!(decide(desired(&revision, &owners), Some(&unlabelled)).unwrap().sequence, NOW);
    }

    #[test]
    fn a_forged_config_map_is_written_again() {
        let (revision, owners) = (revision("d"), owners());
        let first = existing(&decide(desired(&revision, &owners), None).unwrap());
        let forged = GeneratedConfigMap { sources: Bytes::from_static(b"forged"), ..first.clone() };
        let write = decide(desired(&revision, &owners), Some(&forged)).unwrap();
        assert_eq!((write.sequence, existing(&write)), (NOW, first), "with the same sequence");
    }

    #[test]
    fn gateways_can_verify_what_the_operator_wrote() {
        let (revision, owners) = (revision("d"), owners());
        let write = decide(desired(&revision, &owners), None).unwrap();
        let file = |name: &str| write.object["data"][name].as_str().unwrap().as_bytes();
        let signatures: Signatures = serde_json::from_slice(file("policy.v1.sig")).unwrap();
        let trust = Trust { keys: SEAL.verifying().keys, mount: place(&revision.binding) };
        assert!(trust.verifies(&Statement::Policy(&sha256(file("policy.v1.json"))), &signatures.policy));
        assert!(trust.verifies(&Statement::Authorities(&sha256(file("ca.crt"))), &signatures.authorities));
        // An unsigned ConfigMap of an older operator, or a changed one, is signed under the same sequence.
        let first = existing(&write);
        for signatures in ["", "{}", "nonsense"] {
            let unsigned = GeneratedConfigMap { signatures: signatures.to_owned(), ..first.clone() };
            let again = decide(desired(&revision, &owners), Some(&unsigned)).unwrap();
            assert_eq!((again.sequence, existing(&again)), (NOW, first.clone()));
        }
        // So is one that was signed with a key that is no longer the first.
        let seal = Seal::with(&[8; 32], &[&[7; 32]], true).unwrap();
        let followed = DesiredConfigMap { seal: &seal, ..desired(&revision, &owners) };
        assert_eq!(decide(followed, Some(&first)).unwrap().sequence, NOW);
    }

    #[test]
    fn the_config_map_records_whether_it_has_a_secret() {
        let mut revision = revision("d");
        let secret = SecretRef::new("shop", "openai", "apiKey").unwrap();
        revision.copied.insert(secret.clone());
        revision.credentials.push(Credential {
            secret,
            value: "sk".to_owned(),
            delivery: Delivery::Secret,
            keys: BTreeSet::new(),
        });
        let write = decide(desired(&revision, &[]), None).unwrap();
        assert!(existing(&write).has_secret);
        assert!(!write.object.to_string().contains("sk\""), "the value leaked");
        let mut missing = revision.clone();
        missing.credentials.clear();
        assert_eq!(decide(desired(&missing, &[]), Some(&existing(&write))), None, "its Secret is gone for the moment");
        missing.copied.clear();
        assert!(
            !existing(&decide(desired(&missing, &[]), Some(&existing(&write))).unwrap()).has_secret,
            "the credential may no longer be stored there"
        );
        revision.copied.clear();
        revision.credentials[0].delivery = Delivery::Stream;
        let write = decide(desired(&revision, &[]), Some(&existing(&write))).unwrap();
        assert!(!existing(&write).has_secret);
    }

    #[test]
    fn sources_that_do_not_fit_are_left_out() {
        let mut revision = revision("d");
        revision.sources = vec![0; DATA_MAX];
        let write = decide(desired(&revision, &[]), None).unwrap();
        assert_eq!(write.object.get("binaryData"), None);
        assert_eq!(decide(desired(&revision, &[]), Some(&existing(&write))), None);
    }
}
