//! The digest of what a binding's pods obey: of the document, and of which version of which Secret its credentials are.

use outrigger_policy::SecretAt;
use sha2::{Digest, Sha256};

use super::delivery::Reached;
use crate::good::SecretVersion;
use crate::revision::Delivery;

/// SHA-256, lower-case hex. One whose Secret is gone counts with the version that was read last: gateways have its value,
/// and its going away alone is no new policy.
pub(super) fn of<'a>(
    json: &[u8],
    reached: &[Reached],
    version: &dyn Fn(&SecretAt) -> Option<&'a SecretVersion>,
) -> String {
    let mut hash = Sha256::new();
    hash.update(json);
    for one in reached {
        let version = version(&one.secret);
        let delivery = match one.delivery {
            Delivery::Stream => "Stream",
            Delivery::Secret => "Secret",
        };
        let SecretAt { namespace, name, key } = &one.secret;
        let (uid, resource_version) = version.map_or(("", ""), |seen| (&seen.uid, &seen.resource_version));
        for part in [namespace, name, key, uid, resource_version, delivery] {
            // With its length in front, so that no two lists look the same.
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
