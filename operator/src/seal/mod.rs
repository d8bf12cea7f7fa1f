//! The key with which the operator recognizes what it wrote, and with which gateways verify it.
//!
//! Other users may write ConfigMaps too. What the operator reads back decides which version of an object serves while
//! the present one is broken, and so where a credential goes. So it counts only if it carries the seal. Gateways verify
//! mounted files by a signature ([`outrigger_sync::Trust`]) whose key is derived from the seal's key, so that there is
//! one secret to protect. The key is in a Secret of the operator's namespace, and all replicas have the same one.

mod store;
mod verifying_keys;

use std::fmt;
use std::sync::Arc;

use hmac::{Hmac, Mac};
use outrigger_sync::{KEY_BYTES, MountedAt, Signatures, SigningKey, Statement};
use sha2::{Digest, Sha256};

use crate::objects::binding::Binding;

pub use store::{SealError, load};
pub use verifying_keys::{VerifyingKey, VerifyingKeys};

/// The length of a key in bytes.
const KEY: usize = 32;
/// Derives the signing key from the seal's key.
const SIGNS: &[u8] = b"outrigger.dev/v1 signing key";

/// Marks and signs what the operator writes, and verifies marks. The first key is in use; the others were used before.
#[derive(Clone)]
pub struct Seal {
    keys: Arc<[SealKey]>,
    /// All pods with this key were created with gateways that verify signatures.
    required: bool,
}

struct SealKey {
    marks: Hmac<Sha256>,
    signs: SigningKey,
}

impl SealKey {
    fn of(key: &[u8]) -> Option<Self> {
        let marks = (key.len() == KEY).then(|| Hmac::new_from_slice(key).ok()).flatten()?;
        let mut seed: Hmac<Sha256> = marks.clone();
        seed.update(SIGNS);
        let seed: [u8; KEY_BYTES] = seed.finalize().into_bytes().into();
        Some(SealKey { marks, signs: SigningKey::from_seed(&seed)? })
    }

    fn over(&self, binding: &Binding, policy: &[u8; 32], sources: &[u8]) -> Hmac<Sha256> {
        let mut mac = self.marks.clone();
        // All parts have a fixed length, so none can be taken for a part of another.
        mac.update(&Sha256::digest(binding.to_string()));
        mac.update(policy);
        mac.update(&Sha256::digest(sources));
        mac
    }
}

impl Seal {
    /// A seal with one key. `None` if it does not have 32 bytes.
    #[must_use]
    pub fn of(key: &[u8]) -> Option<Self> {
        Self::with(key, &[], false)
    }

    /// A seal with a key and the previous ones. Marks of previous keys stay valid, and previous keys sign too, for
    /// gateways that know only those.
    #[must_use]
    pub fn with(key: &[u8], before: &[&[u8]], required: bool) -> Option<Self> {
        let keys: Option<Vec<SealKey>> = std::iter::once(&key).chain(before).map(|key| SealKey::of(key)).collect();
        Some(Seal { keys: keys?.into(), required })
    }

    /// The mark of a ConfigMap, as lower-case hex. `policy` is the SHA-256 of the policy's file.
    #[must_use]
    pub fn mark(&self, binding: &Binding, policy: &[u8; 32], sources: &[u8]) -> String {
        let marks = self.keys.first().map(|key| key.over(binding, policy, sources).finalize().into_bytes());
        marks.iter().flatten().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Whether the mark belongs to this ConfigMap. Other writers cannot create a valid one.
    #[must_use]
    pub fn holds(&self, binding: &Binding, mark: &str, policy: &[u8; 32], sources: &[u8]) -> bool {
        let nibbles = mark.as_bytes().chunks(2).map(|two| std::str::from_utf8(two).ok());
        let bytes: Option<Vec<u8>> = nibbles.map(|two| u8::from_str_radix(two?, 16).ok()).collect();
        bytes.is_some_and(|bytes| {
            self.keys.iter().any(|key| key.over(binding, policy, sources).verify_slice(&bytes).is_ok())
        })
    }

    /// Signs a ConfigMap. `policy` and `authorities` are the SHA-256 of its two files.
    #[must_use]
    pub fn signatures(&self, binding: &Binding, policy: &[u8; 32], authorities: &[u8; 32]) -> String {
        let place = place(binding);
        let of = |statement| self.sign(&statement, &place);
        let signatures =
            Signatures { policy: of(Statement::Policy(policy)), authorities: of(Statement::Authorities(authorities)) };
        // The structure holds only lists of strings, so writing it cannot fail.
        serde_json::to_string(&signatures).unwrap_or_default()
    }

    /// Signs one entry of a binding's Secret.
    #[must_use]
    pub fn credential(&self, binding: &Binding, file: &str, goes: &str, value: &[u8]) -> Vec<String> {
        self.sign(&Statement::Credential { file, goes, value }, &place(binding))
    }

    fn sign(&self, statement: &Statement<'_>, place: &MountedAt) -> Vec<String> {
        self.keys.iter().map(|key| key.signs.sign(statement, place)).collect()
    }

    /// The public keys with which gateways verify signatures.
    #[must_use]
    pub fn verifying(&self) -> VerifyingKey {
        VerifyingKey { keys: self.keys.iter().map(|key| key.signs.public_key()).collect(), required: self.required }
    }
}

/// The ConfigMap that a binding's policy is mounted from, as signatures name it.
#[must_use]
pub fn place(binding: &Binding) -> MountedAt {
    MountedAt { namespace: binding.namespace.clone(), name: binding.object_name() }
}

/// Does not show the keys.
impl fmt::Debug for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seal")
    }
}

#[cfg(test)]
mod tests {
    use outrigger_sync::{Trust, hash};

    use super::*;

    #[test]
    fn a_mark_is_valid_only_for_its_content_and_binding() {
        let (seal, other) = (Seal::of(&[7; 32]).unwrap(), Seal::of(&[8; 32]).unwrap());
        let (search, batch) = (Binding::of("shop", "search"), Binding::of("shop", "batch"));
        let policy = [1; 32];
        let mark = seal.mark(&search, &policy, b"sources");
        assert!(seal.holds(&search, &mark, &policy, b"sources"));
        assert!(!seal.holds(&batch, &mark, &policy, b"sources"), "another binding");
        assert!(!other.holds(&search, &mark, &policy, b"sources"), "another key");
        assert!(!seal.holds(&search, &mark, &[2; 32], b"sources"));
        assert!(!seal.holds(&search, &mark, &policy, b"others"));
        for forged in ["", "é7", "zz"] {
            assert!(!seal.holds(&search, forged, &policy, b"sources"), "{forged}");
        }
        assert!(Seal::of(&[7; 31]).is_none());
        assert_eq!(format!("{seal:?}"), "Seal");
    }

    #[test]
    fn previous_keys_stay_valid() {
        let (old, new) = (Seal::of(&[7; 32]).unwrap(), Seal::with(&[8; 32], &[&[7; 32]], true).unwrap());
        let binding = Binding::of("shop", "search");
        let (policy, authorities) = (hash(b"policy"), hash(b"authorities"));
        assert!(new.holds(&binding, &old.mark(&binding, &policy, b""), &policy, b""));
        assert!(!old.holds(&binding, &new.mark(&binding, &policy, b""), &policy, b""));
        // Pods that know the old key, the new one, or both.
        let signatures: Signatures = serde_json::from_str(&new.signatures(&binding, &policy, &authorities)).unwrap();
        let (old, new) = (old.verifying().keys, new.verifying().keys);
        assert_eq!(new[1..], old);
        for keys in [old, new[..1].to_vec(), new.clone()] {
            let trust = Trust { keys, mount: place(&binding) };
            assert!(trust.verifies(&Statement::Policy(&policy), &signatures.policy));
            assert!(trust.verifies(&Statement::Authorities(&authorities), &signatures.authorities));
            assert!(!trust.verifies(&Statement::Policy(&authorities), &signatures.policy));
        }
        assert!(Seal::with(&[8; 32], &[&[7; 3]], true).is_none());
    }
}
