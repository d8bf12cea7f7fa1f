//! The digest of a binding's policy: of the document, the version of each credential's Secret, how each is delivered,
//! and who may have it.

use std::collections::{BTreeMap, BTreeSet};

use outrigger_core::SecretRef;
use sha2::{Digest, Sha256};

use super::delivery::ReachedCredential;
use crate::plan::revision::Delivery;
use crate::plan::sources::SecretVersion;

/// SHA-256 in lower-case hex. If a Secret is gone, the version that was read last counts, because gateways still have
/// its value. A Secret's disappearance alone makes no new policy.
pub(super) fn of<'a>(
    json: &[u8],
    reached: &[ReachedCredential],
    allowed: &BTreeMap<String, BTreeSet<String>>,
    version: &dyn Fn(&SecretRef) -> Option<&'a SecretVersion>,
) -> String {
    let mut hash = Sha256::new();
    hash.update(json);
    for one in reached {
        let version = version(&one.secret);
        let delivery = match one.delivery {
            Delivery::Stream => "Stream",
            Delivery::Secret => "Secret",
        };
        let at = &one.secret;
        let (namespace, name, key) = (at.namespace(), at.name(), at.key());
        let (uid, resource_version) = version.map_or(("", ""), |seen| (&*seen.uid, &*seen.resource_version));
        [namespace, name, key, uid, resource_version, delivery].into_iter().for_each(|part| add(&mut hash, part));
    }
    for (key, accounts) in allowed {
        add(&mut hash, &format!("{key} {}", accounts.len()));
        accounts.iter().for_each(|account| add(&mut hash, account));
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Adds the length first, so that different lists never give the same bytes.
fn add(hash: &mut Sha256, part: &str) {
    hash.update((part.len() as u64).to_le_bytes());
    hash.update(part);
}
