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
use crate::generated::Held;

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

    /// Whether a ConfigMap is as the operator wrote it for this binding, whoever else may write there.
    #[must_use]
    pub fn holds(&self, binding: &Binding, held: &Held) -> bool {
        let nibbles = held.seal.as_bytes().chunks(2).map(|two| std::str::from_utf8(two).ok());
        let bytes: Option<Vec<u8>> = nibbles.map(|two| u8::from_str_radix(two?, 16).ok()).collect();
        bytes.is_some_and(|bytes| self.over(binding, &held.policy, &held.sources).verify_slice(&bytes).is_ok())
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
    use bytes::Bytes;

    use super::*;
    use crate::generated::hash;

    #[test]
    fn only_what_was_marked_holds_and_only_in_its_place() {
        let (seal, other) = (Seal::of(&[7; 32]).unwrap(), Seal::of(&[8; 32]).unwrap());
        let (search, batch) = (Binding::of("shop", "search"), Binding::of("shop", "batch"));
        let mark = seal.mark(&search, &hash("{}"), b"sources");
        let written =
            Held { policy: hash("{}"), sources: Bytes::from_static(b"sources"), seal: mark, ..Held::default() };
        assert!(seal.holds(&search, &written));
        assert!(!seal.holds(&batch, &written), "another's");
        assert!(!other.holds(&search, &written), "another key");
        let forged = [
            Held { policy: hash("{ }"), ..written.clone() },
            Held { sources: Bytes::from_static(b"others"), ..written.clone() },
            Held { seal: String::new(), ..written.clone() },
            Held { seal: "é7".to_owned(), ..written.clone() },
            Held { seal: "zz".to_owned(), ..written },
        ];
        assert!(!forged.iter().any(|held| seal.holds(&search, held)));
        assert!(Seal::of(&[7; 31]).is_none());
        assert_eq!(format!("{seal:?}"), "Seal");
    }
}
