//! What the operator knows its own writing by.
//!
//! Policies lie where others may write, too. What is read back of them says which version of an object serves while the
//! present one is broken, and so where a credential goes: only what bears the seal counts. Its key is in a Secret of the
//! operator's own namespace, and all replicas have the same.

mod store;

use std::fmt;

use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};

use crate::binding::Binding;

pub use store::{SealError, load};

/// Bytes of a key.
const KEY: usize = 32;

/// Marks what is written, and tells whether something was.
#[derive(Clone)]
pub struct Seal(Hmac<Sha256>);

impl Seal {
    /// With a key of 32 bytes; `None`: these are not.
    #[must_use]
    pub fn of(key: &[u8]) -> Option<Self> {
        (key.len() == KEY).then(|| Hmac::new_from_slice(key).ok().map(Seal)).flatten()
    }

    /// The mark of a ConfigMap: lower-case hex. `policy` is the SHA-256 of the policy's file.
    #[must_use]
    pub fn mark(&self, binding: &Binding, policy: &[u8; 32], sources: &[u8]) -> String {
        let mark = self.over(binding, policy, sources).finalize().into_bytes();
        mark.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Whether this is the mark of such a ConfigMap: whoever else may write there can't make it.
    #[must_use]
    pub fn holds(&self, binding: &Binding, mark: &str, policy: &[u8; 32], sources: &[u8]) -> bool {
        let nibbles = mark.as_bytes().chunks(2).map(|two| std::str::from_utf8(two).ok());
        let bytes: Option<Vec<u8>> = nibbles.map(|two| u8::from_str_radix(two?, 16).ok()).collect();
        bytes.is_some_and(|bytes| self.over(binding, policy, sources).verify_slice(&bytes).is_ok())
    }

    fn over(&self, binding: &Binding, policy: &[u8; 32], sources: &[u8]) -> Hmac<Sha256> {
        let mut mac = self.0.clone();
        // Of one length each: neither can be taken for a part of the other.
        mac.update(&Sha256::digest(binding.to_string()));
        mac.update(policy);
        mac.update(&Sha256::digest(sources));
        mac
    }
}

/// Without the key.
impl fmt::Debug for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seal")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_marked_holds_and_only_in_its_place() {
        let (seal, other) = (Seal::of(&[7; 32]).unwrap(), Seal::of(&[8; 32]).unwrap());
        let (search, batch) = (Binding::of("shop", "search"), Binding::of("shop", "batch"));
        let policy = [1; 32];
        let mark = seal.mark(&search, &policy, b"sources");
        assert!(seal.holds(&search, &mark, &policy, b"sources"));
        assert!(!seal.holds(&batch, &mark, &policy, b"sources"), "another's");
        assert!(!other.holds(&search, &mark, &policy, b"sources"), "another key");
        assert!(!seal.holds(&search, &mark, &[2; 32], b"sources"));
        assert!(!seal.holds(&search, &mark, &policy, b"others"));
        for forged in ["", "é7", "zz"] {
            assert!(!seal.holds(&search, forged, &policy, b"sources"), "{forged}");
        }
        assert!(Seal::of(&[7; 31]).is_none());
        assert_eq!(format!("{seal:?}"), "Seal");
    }
}
