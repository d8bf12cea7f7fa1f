//! Whether a policy must be written, and with which content. Pure.
//!
//! Only a new policy gets a new sequence. Authorities and owners change without one, because gateways read the file of
//! authorities by themselves.

use std::collections::BTreeSet;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use outrigger_sync::AHEAD_MAX;
use serde_json::{Value, json};

use super::secret::lacks_values;
use crate::apply::owner::{KeyOwner, owner_references};
use crate::names;
use crate::plan::revision::{Delivery, PolicyRevision};
use crate::seal::Seal;
use crate::state::generated::{GeneratedConfigMap, hash};

/// What a ConfigMap may hold, with room for what stands around it. What the policy was compiled from is left out rather
/// than nothing written.
const DATA_MAX: usize = 1_000_000;

/// What shall stand in the cluster, and what bears on it.
#[derive(Clone, Copy, Debug)]
pub struct DesiredConfigMap<'a> {
    pub revision: &'a PolicyRevision,
    /// PEM.
    pub authorities: &'a str,
    /// The keys of the binding that are there.
    pub owners: &'a [KeyOwner],
    /// The highest sequence that a gateway of the binding says it has.
    pub highest: Option<u64>,
    /// Seconds since 1970.
    pub now: u64,
    /// What the operator knows its own writing by.
    pub seal: &'a Seal,
    /// Values have become known since it was written: whoever took it without them takes it once more.
    pub anew: bool,
    /// A Secret that it no longer speaks of could not be taken away: whoever leads next must know of it.
    pub secret_left: bool,
}

/// To be applied on the server.
#[derive(Clone, Debug, PartialEq)]
pub struct ConfigMapWrite {
    pub sequence: u64,
    pub object: Value,
}

/// What to write. `None`: what stands there is right.
#[must_use]
pub fn decide(desired: DesiredConfigMap<'_>, existing: Option<&GeneratedConfigMap>) -> Option<ConfigMapWrite> {
    let current = existing.and_then(|existing| current(desired, existing));
    let authorities = existing.is_some_and(|existing| existing.authorities == hash(desired.authorities));
    let owned = existing.is_some_and(|existing| existing.owners.iter().eq(uids(desired.owners)));
    let marked = existing
        .is_some_and(|existing| existing.labelled && existing.has_secret == speaks_of_secret(desired, Some(existing)));
    let sealed = existing.is_some_and(|existing| existing.is_sealed(desired.seal, &desired.revision.binding));
    let signed = || existing.is_some_and(|existing| existing.is_signed(desired.seal, &desired.revision.binding));
    if current.is_some() && authorities && owned && marked && sealed && signed() {
        return None;
    }
    let sequence = current.unwrap_or_else(|| next(desired, existing));
    Some(ConfigMapWrite { sequence, object: object(desired, existing, sequence) })
}

/// The sequence that stands there, if the policy there is the one that is wished for and no gateway is ahead of it.
fn current(desired: DesiredConfigMap<'_>, existing: &GeneratedConfigMap) -> Option<u64> {
    let sequence = existing.sequence.filter(|sequence| is_likely(desired, *sequence))?;
    let behind = claimed(desired).is_some_and(|highest| highest > sequence);
    let same = !behind && !desired.anew && existing.digest == desired.revision.digest;
    // Last, since it is the only one that costs something.
    (same && existing.policy == hash(&policy(desired.revision, sequence))).then_some(sequence)
}

/// Above everything that a gateway has: one that was written before, and, where the ConfigMap was deleted and its past is
/// forgotten, whatever the time makes of it.
fn next(desired: DesiredConfigMap<'_>, existing: Option<&GeneratedConfigMap>) -> u64 {
    let sequence =
        match existing.and_then(|existing| existing.sequence).filter(|sequence| is_likely(desired, *sequence)) {
            Some(sequence) => sequence + 1,
            None => desired.now,
        };
    sequence.max(claimed(desired).map_or(0, |highest| highest + 1))
}

/// A gateway may say what it likes, and its neighbours must still be able to go forwards.
fn claimed(desired: DesiredConfigMap<'_>) -> Option<u64> {
    desired.highest.filter(|highest| is_likely(desired, *highest))
}

/// Not so far ahead of the time that somebody must have made it up.
fn is_likely(desired: DesiredConfigMap<'_>, sequence: u64) -> bool {
    sequence < desired.now.saturating_add(AHEAD_MAX)
}

fn uids(owners: &[KeyOwner]) -> impl Iterator<Item = &String> {
    owners.iter().map(|owner| &owner.uid).collect::<BTreeSet<_>>().into_iter()
}

/// The policy's file.
fn policy(revision: &PolicyRevision, sequence: u64) -> String {
    let mut document = revision.document.clone();
    document.sequence = sequence;
    // It is made of strings and numbers alone: there is nothing in it that could fail to be written.
    serde_json::to_string(&document).unwrap_or_default()
}

fn speaks_of_secret(desired: DesiredConfigMap<'_>, existing: Option<&GeneratedConfigMap>) -> bool {
    desired.secret_left || has_secret(desired.revision, existing)
}

/// Some of its credentials may lie in the namespace. While values are missing, what lies there stays.
#[must_use]
pub fn has_secret(revision: &PolicyRevision, existing: Option<&GeneratedConfigMap>) -> bool {
    revision.credentials.iter().any(|value| value.delivery == Delivery::Secret)
        || (existing.is_some_and(|existing| existing.has_secret) && lacks_values(revision))
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
    if speaks_of_secret(desired, existing) {
        object["metadata"]["annotations"][names::HAS_SECRET] = json!("true");
    }
    if let Some(existing) = existing.filter(|existing| !existing.immutable) {
        // Whoever wrote in between has a sequence that we do not know of.
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
            anew: false,
            secret_left: false,
        }
    }

    /// As it would stand in the cluster after the write.
    fn existing(write: &ConfigMapWrite) -> GeneratedConfigMap {
        let mut object = write.object.clone();
        object["metadata"]["resourceVersion"] = json!("17");
        object["metadata"]["uid"] = json!("u");
        GeneratedConfigMap::of(&serde_json::from_value(object).unwrap())
    }

    #[test]
    fn the_first_sequence_is_the_time_and_what_is_right_is_left_alone() {
        let (revision, owners) = (revision("d"), owners());
        let first = decide(desired(&revision, &owners), None).unwrap();
        assert_eq!(first.sequence, NOW);
        assert_eq!(first.object["metadata"]["resourceVersion"], Value::Null);
        assert_eq!(decide(desired(&revision, &owners), Some(&existing(&first))), None);
        let later = DesiredConfigMap { now: NOW + 100, highest: Some(NOW), ..desired(&revision, &owners) };
        assert_eq!(decide(later, Some(&existing(&first))), None);
    }

    #[test]
    fn a_new_policy_has_the_next_sequence_and_says_which_version_it_replaces() {
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
    fn values_that_become_known_are_a_new_sequence() {
        let (revision, owners) = (revision("d"), owners());
        let first = existing(&decide(desired(&revision, &owners), None).unwrap());
        let anew = DesiredConfigMap { anew: true, ..desired(&revision, &owners) };
        assert_eq!(decide(anew, Some(&first)).unwrap().sequence, NOW + 1);
    }

    #[test]
    fn authorities_and_owners_change_without_a_new_sequence() {
        let (revision, owners) = (revision("d"), owners());
        let first = existing(&decide(desired(&revision, &owners), None).unwrap());
        let authorities = DesiredConfigMap { authorities: "PEM and PEM", ..desired(&revision, &owners) };
        assert_eq!(decide(authorities, Some(&first)).unwrap().sequence, NOW);
        let anew = [KeyOwner { name: "search".to_owned(), uid: "uid-2".to_owned() }];
        let write = decide(desired(&revision, &anew), Some(&first)).unwrap();
        assert_eq!((write.sequence, &write.object["metadata"]["ownerReferences"][0]["uid"]), (NOW, &json!("uid-2")));
        let nobody = decide(desired(&revision, &[]), Some(&first)).unwrap();
        assert_eq!(nobody.object["metadata"]["ownerReferences"], json!([]));
    }

    #[test]
    fn no_gateway_is_ahead_unless_it_makes_it_up() {
        let (revision, owners) = (revision("d"), owners());
        let first = existing(&decide(desired(&revision, &owners), None).unwrap());
        let highest = |highest| DesiredConfigMap { highest: Some(highest), ..desired(&revision, &owners) };
        assert_eq!(decide(highest(NOW + 41), Some(&first)).unwrap().sequence, NOW + 42);
        assert_eq!(decide(highest(NOW + 41), None).unwrap().sequence, NOW + 42);
        assert_eq!(decide(highest(u64::MAX), Some(&first)), None);
        assert_eq!(decide(highest(u64::MAX), None).unwrap().sequence, NOW);
    }

    #[test]
    fn what_was_changed_by_hand_is_put_right() {
        let (revision, owners) = (revision("d"), owners());
        let first = existing(&decide(desired(&revision, &owners), None).unwrap());
        let edited = GeneratedConfigMap { policy: hash("{}"), ..first.clone() };
        assert_eq!(decide(desired(&revision, &owners), Some(&edited)).unwrap().sequence, NOW + 1);
        let made_up = GeneratedConfigMap { sequence: Some(u64::MAX), ..first.clone() };
        assert_eq!(decide(desired(&revision, &owners), Some(&made_up)).unwrap().sequence, NOW);
        let frozen = GeneratedConfigMap { immutable: true, policy: hash("{}"), ..first.clone() };
        let anew = decide(desired(&revision, &owners), Some(&frozen)).unwrap();
        assert_eq!((anew.sequence, &anew.object["metadata"]["resourceVersion"]), (NOW + 1, &Value::Null));
        let unnumbered = GeneratedConfigMap { sequence: None, ..first.clone() };
        assert_eq!(decide(desired(&revision, &owners), Some(&unnumbered)).unwrap().sequence, NOW);
        let unlabelled = GeneratedConfigMap { labelled: false, ..first };
        assert_eq!(decide(desired(&revision, &owners), Some(&unlabelled)).unwrap().sequence, NOW);
    }

    #[test]
    fn what_somebody_else_wrote_with_the_same_words_is_written_anew() {
        let (revision, owners) = (revision("d"), owners());
        let first = existing(&decide(desired(&revision, &owners), None).unwrap());
        let forged = GeneratedConfigMap { sources: Bytes::from_static(b"forged"), ..first.clone() };
        let write = decide(desired(&revision, &owners), Some(&forged)).unwrap();
        assert_eq!((write.sequence, existing(&write)), (NOW, first), "which no gateway has to notice");
    }

    #[test]
    fn gateways_can_tell_what_is_written_from_what_is_not() {
        let (revision, owners) = (revision("d"), owners());
        let write = decide(desired(&revision, &owners), None).unwrap();
        let file = |name: &str| write.object["data"][name].as_str().unwrap().as_bytes();
        let signatures: Signatures = serde_json::from_slice(file("policy.v1.sig")).unwrap();
        let trust = Trust { keys: SEAL.verifying().keys, mount: place(&revision.binding) };
        assert!(trust.verifies(&Statement::Policy(&sha256(file("policy.v1.json"))), &signatures.policy));
        assert!(trust.verifies(&Statement::Authorities(&sha256(file("ca.crt"))), &signatures.authorities));
        // One that an older operator wrote, or somebody has changed, is signed under the same sequence.
        let first = existing(&write);
        for signatures in ["", "{}", "nonsense"] {
            let unsigned = GeneratedConfigMap { signatures: signatures.to_owned(), ..first.clone() };
            let again = decide(desired(&revision, &owners), Some(&unsigned)).unwrap();
            assert_eq!((again.sequence, existing(&again)), (NOW, first.clone()));
        }
        // And one that a key signed which is not the first any more, too.
        let seal = Seal::with(&[8; 32], &[&[7; 32]], true).unwrap();
        let followed = DesiredConfigMap { seal: &seal, ..desired(&revision, &owners) };
        assert_eq!(decide(followed, Some(&first)).unwrap().sequence, NOW);
    }

    #[test]
    fn it_says_whether_a_secret_belongs_to_it() {
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
        assert!(!write.object.to_string().contains("sk\""), "never the value");
        let mut missing = revision.clone();
        missing.credentials.clear();
        assert_eq!(decide(desired(&missing, &[]), Some(&existing(&write))), None, "its Secret is gone for the moment");
        missing.copied.clear();
        assert!(
            !existing(&decide(desired(&missing, &[]), Some(&existing(&write))).unwrap()).has_secret,
            "it may not lie there any more"
        );
        revision.copied.clear();
        revision.credentials[0].delivery = Delivery::Stream;
        let write = decide(desired(&revision, &[]), Some(&existing(&write))).unwrap();
        assert!(!existing(&write).has_secret);
    }

    #[test]
    fn sources_are_left_out_where_there_is_no_room() {
        let mut revision = revision("d");
        revision.sources = vec![0; DATA_MAX];
        let write = decide(desired(&revision, &[]), None).unwrap();
        assert_eq!(write.object.get("binaryData"), None);
        assert_eq!(decide(desired(&revision, &[]), Some(&existing(&write))), None);
    }
}
