//! The operator's signature over what is mounted: Ed25519.
//!
//! A ConfigMap may be written by more people than the operator, and what stands in it says where credentials go. So its
//! files are signed, each for its place: neither another namespace's nor another binding's can be put there.
//!
//! ```text
//! policy.v1.sig        {"policy": [SIGNATURE…], "authorities": [SIGNATURE…]}     of policy.v1.json and ca.crt, by each key
//! credentials.v1.sig   {FILE: [SIGNATURE…], …}                                   of each credential's file beside it
//! ```
//! What is signed is [`Statement::bytes`]: a word for its kind, and a SHA-256 of each part, so that no part can be taken for
//! another. A sequence stands in the policy itself.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use thiserror::Error;

/// The file of [`Signatures`], beside the policy.
pub const SIGNATURES_FILE: &str = "policy.v1.sig";
/// The file of the credentials' signatures, beside them.
pub const CREDENTIALS_FILE: &str = "credentials.v1.sig";
/// Bytes of a seed, and of a public key.
pub const KEY_BYTES: usize = 32;
/// Signatures that are looked at: an operator has a key or two.
const SIGNATURES_MAX: usize = 8;

/// Where something is mounted from: a ConfigMap and a Secret of one name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MountedAt {
    pub namespace: String,
    pub name: String,
}

impl fmt::Display for MountedAt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// What a signature speaks of. Contents are told by their SHA-256.
#[derive(Clone, Copy)]
pub enum Statement<'a> {
    /// The policy's file.
    Policy(&'a [u8; 32]),
    /// The file of the authorities that the operator's certificate is trusted by.
    Authorities(&'a [u8; 32]),
    /// A credential: its file's name, where the policy sends it, and its value.
    Credential { file: &'a str, goes: &'a str, value: &'a [u8] },
}

/// Never the value.
impl fmt::Debug for Statement<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Statement::Policy(_) => f.write_str("Policy"),
            Statement::Authorities(_) => f.write_str("Authorities"),
            Statement::Credential { file, goes, .. } => {
                f.debug_struct("Credential").field("file", file).field("goes", goes).finish_non_exhaustive()
            }
        }
    }
}

impl Statement<'_> {
    /// The words that are signed.
    fn bytes(&self, place: &MountedAt) -> Vec<u8> {
        let (kind, parts): (&str, Vec<[u8; 32]>) = match self {
            Statement::Policy(hash) => ("policy", vec![**hash]),
            Statement::Authorities(hash) => ("authorities", vec![**hash]),
            Statement::Credential { file, goes, value } => {
                ("credential", vec![hash(file.as_bytes()), hash(goes.as_bytes()), hash(value)])
            }
        };
        let place = [hash(place.namespace.as_bytes()), hash(place.name.as_bytes())];
        let mut bytes = format!("outrigger.dev/v1 {kind}\n").into_bytes();
        place.iter().chain(&parts).for_each(|part| bytes.extend(part));
        bytes
    }
}

/// A file's SHA-256.
#[must_use]
pub fn hash(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// What the signature file beside a policy holds, each by every key that the operator has.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signatures {
    #[serde(default)]
    pub policy: Vec<String>,
    #[serde(default)]
    pub authorities: Vec<String>,
}

/// A key that signs. It is nowhere shown.
pub struct SigningKey(Ed25519KeyPair);

impl SigningKey {
    /// Of a seed.
    #[must_use]
    pub fn of(seed: &[u8; KEY_BYTES]) -> Option<Self> {
        Ed25519KeyPair::from_seed_unchecked(seed).ok().map(SigningKey)
    }

    /// Its public half.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        let mut bytes = [0; KEY_BYTES];
        bytes.copy_from_slice(self.0.public_key().as_ref());
        PublicKey(bytes)
    }

    /// A signature, as files have it.
    #[must_use]
    pub fn sign(&self, statement: &Statement<'_>, place: &MountedAt) -> String {
        URL_SAFE_NO_PAD.encode(self.0.sign(&statement.bytes(place)))
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.public())
    }
}

/// A key that signatures are verified by: base64url of its 32 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PublicKey([u8; KEY_BYTES]);

/// Why a text is no key.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{0}` is no Ed25519 public key: 43 letters of base64url")]
pub struct NoKey(String);

impl std::str::FromStr for PublicKey {
    type Err = NoKey;

    fn from_str(text: &str) -> Result<Self, NoKey> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok().and_then(|bytes| bytes.try_into().ok());
        bytes.map(PublicKey).ok_or_else(|| NoKey(text.chars().take(60).collect()))
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

/// Whose signatures count, and for which place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trust {
    pub keys: Vec<PublicKey>,
    pub place: MountedAt,
}

impl Trust {
    /// Whether one of the signatures is one of the keys', over this and for this place.
    #[must_use]
    pub fn holds(&self, statement: &Statement<'_>, signatures: &[String]) -> bool {
        let said = statement.bytes(&self.place);
        let signatures = signatures.iter().take(SIGNATURES_MAX).filter_map(|one| URL_SAFE_NO_PAD.decode(one).ok());
        signatures.into_iter().any(|signature| {
            self.keys.iter().any(|key| UnparsedPublicKey::new(&ED25519, key.0).verify(&said, &signature).is_ok())
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(seed: u8) -> SigningKey {
        SigningKey::of(&[seed; 32]).unwrap()
    }

    fn place() -> MountedAt {
        MountedAt { namespace: "shop".to_owned(), name: "outrigger-search".to_owned() }
    }

    fn trust(seeds: &[u8]) -> Trust {
        Trust { keys: seeds.iter().map(|seed| key(*seed).public()).collect(), place: place() }
    }

    const DOCUMENT: &[u8] = br#"{"format":1,"sequence":7,"providers":[{"endpoint":"https://models.test/v1"}]}"#;

    #[test]
    fn it_holds_for_its_bytes_in_its_place_by_one_of_the_keys() {
        let policy = hash(DOCUMENT);
        let signed = vec![key(1).sign(&Statement::Policy(&policy), &place())];
        assert!(trust(&[1]).holds(&Statement::Policy(&policy), &signed));
        assert!(trust(&[9, 1]).holds(&Statement::Policy(&policy), &signed), "the key before, or after");
        assert!(!trust(&[2]).holds(&Statement::Policy(&policy), &signed), "another key");
        assert!(!trust(&[]).holds(&Statement::Policy(&policy), &signed));
        assert!(!trust(&[1]).holds(&Statement::Policy(&policy), &[]), "none");
        assert!(!trust(&[1]).holds(&Statement::Authorities(&policy), &signed), "of another kind");
        for (namespace, name) in
            [("shop2", "outrigger-search"), ("shop", "outrigger-batch"), ("outrigger-search", "shop")]
        {
            let elsewhere = MountedAt { namespace: namespace.to_owned(), name: name.to_owned() };
            let there = Trust { place: elsewhere, ..trust(&[1]) };
            assert!(!there.holds(&Statement::Policy(&policy), &signed), "{namespace}/{name}");
        }
        // By two keys, as while one follows the other.
        let both: Vec<String> =
            [1, 2].iter().map(|seed| key(*seed).sign(&Statement::Policy(&policy), &place())).collect();
        assert!([1, 2].iter().all(|seed| trust(&[*seed]).holds(&Statement::Policy(&policy), &both)));
    }

    #[test]
    fn a_byte_of_the_document_or_of_the_signature_is_all_it_takes() {
        let signed = key(1).sign(&Statement::Policy(&hash(DOCUMENT)), &place());
        for at in 0..DOCUMENT.len() {
            for bit in 0..8 {
                let mut changed = DOCUMENT.to_vec();
                changed[at] ^= 1 << bit;
                assert!(!trust(&[1]).holds(&Statement::Policy(&hash(&changed)), std::slice::from_ref(&signed)), "{at}");
            }
        }
        let signature = URL_SAFE_NO_PAD.decode(&signed).unwrap();
        for at in 0..signature.len() {
            let mut changed = signature.clone();
            changed[at] ^= 1;
            assert!(
                !trust(&[1]).holds(&Statement::Policy(&hash(DOCUMENT)), &[URL_SAFE_NO_PAD.encode(changed)]),
                "{at}"
            );
        }
    }

    #[test]
    fn a_credential_is_bound_to_its_file_its_way_and_its_value() {
        let statement = |file, goes, value| Statement::Credential { file, goes, value };
        let signed = [key(1).sign(&statement("a_b_c", "https://models.test", b"sk-1"), &place())];
        assert!(trust(&[1]).holds(&statement("a_b_c", "https://models.test", b"sk-1"), &signed));
        for other in [
            statement("a_b_d", "https://models.test", b"sk-1"),
            statement("a_b_c", "https://evil.test", b"sk-1"),
            statement("a_b_c", "https://models.test", b"sk-2"),
            // What is cut elsewhere is not the same.
            statement("a_b_chttps://", "models.test", b"sk-1"),
        ] {
            assert!(!trust(&[1]).holds(&other, &signed), "{other:?}");
        }
    }

    #[test]
    fn keys_are_text_and_come_back() {
        let public = key(3).public();
        assert_eq!(public.to_string().parse(), Ok(public));
        assert_eq!(public.to_string().len(), 43);
        for none in ["", "x", "é", &"A".repeat(42), &"A".repeat(44), &"/".repeat(43)] {
            assert!(none.parse::<PublicKey>().is_err(), "{none}");
        }
        assert!(!format!("{:?}", key(3)).contains("seed"));
    }

    proptest! {
        #[test]
        fn no_text_is_taken_for_a_signature(texts in prop::collection::vec(any::<String>(), 0..12), bytes in any::<Vec<u8>>()) {
            prop_assert!(!trust(&[1]).holds(&Statement::Policy(&hash(&bytes)), &texts));
        }
    }
}
