//! The operator's signature of mounted files: Ed25519.
//!
//! More people than the operator may be able to write a ConfigMap, and its policy decides where credentials are sent.
//! So its files are signed for the object that they are mounted from: files of another namespace or another binding are
//! not accepted.
//!
//! ```text
//! policy.v1.sig        {"policy": [SIGNATURE…], "authorities": [SIGNATURE…]}     of policy.v1.json and ca.crt, by each key
//! credentials.v1.sig   {FILE: [SIGNATURE…], …}                                   of each credential's file beside it
//! ```
//! The signed bytes are [`Statement::bytes`]: a word for the kind, and a SHA-256 of each part, so that no part can be
//! taken for another. The policy itself contains the sequence.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use thiserror::Error;

/// The file with the [`Signatures`] of the policy.
pub const SIGNATURES_FILE: &str = "policy.v1.sig";
/// The file with the signatures of the credentials.
pub const CREDENTIALS_FILE: &str = "credentials.v1.sig";
/// The length of a seed and of a public key, in bytes.
pub const KEY_BYTES: usize = 32;
/// How many signatures are verified at most: an operator has one or two keys.
const SIGNATURES_MAX: usize = 8;

/// The object that files are mounted from: a ConfigMap and a Secret with the same name.
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

/// What a signature is for. Contents are represented by their SHA-256.
#[derive(Clone, Copy)]
pub enum Statement<'a> {
    /// The file of the policy.
    Policy(&'a [u8; 32]),
    /// The file of the authorities that are trusted for the operator's certificate.
    Authorities(&'a [u8; 32]),
    /// A credential: the name of its file, where the policy sends it, and its value.
    Credential { file: &'a str, goes: &'a str, value: &'a [u8] },
}

/// Hides the value.
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
    /// The signed bytes.
    fn bytes(&self, mount: &MountedAt) -> Vec<u8> {
        let (kind, parts): (&str, Vec<[u8; 32]>) = match self {
            Statement::Policy(hash) => ("policy", vec![**hash]),
            Statement::Authorities(hash) => ("authorities", vec![**hash]),
            Statement::Credential { file, goes, value } => {
                ("credential", vec![hash(file.as_bytes()), hash(goes.as_bytes()), hash(value)])
            }
        };
        let mount = [hash(mount.namespace.as_bytes()), hash(mount.name.as_bytes())];
        let mut bytes = format!("outrigger.dev/v1 {kind}\n").into_bytes();
        mount.iter().chain(&parts).for_each(|part| bytes.extend(part));
        bytes
    }
}

/// The SHA-256 of a file.
#[must_use]
pub fn hash(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// The content of the signature file of a policy. Each file is signed by every key of the operator.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signatures {
    #[serde(default)]
    pub policy: Vec<String>,
    #[serde(default)]
    pub authorities: Vec<String>,
}

/// A key that signs. It is never shown.
pub struct SigningKey(Ed25519KeyPair);

impl SigningKey {
    /// The key of a seed.
    #[must_use]
    pub fn from_seed(seed: &[u8; KEY_BYTES]) -> Option<Self> {
        Ed25519KeyPair::from_seed_unchecked(seed).ok().map(SigningKey)
    }

    /// The public key.
    #[must_use]
    pub fn public_key(&self) -> PublicKey {
        let mut bytes = [0; KEY_BYTES];
        bytes.copy_from_slice(self.0.public_key().as_ref());
        PublicKey(bytes)
    }

    /// A signature, as written in files.
    #[must_use]
    pub fn sign(&self, statement: &Statement<'_>, mount: &MountedAt) -> String {
        URL_SAFE_NO_PAD.encode(self.0.sign(&statement.bytes(mount)))
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.public_key())
    }
}

/// A key that verifies signatures: base64url of its 32 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PublicKey([u8; KEY_BYTES]);

/// Why a text is not a key.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{0}` is no Ed25519 public key: 43 letters of base64url")]
pub struct PublicKeyError(String);

impl std::str::FromStr for PublicKey {
    type Err = PublicKeyError;

    fn from_str(text: &str) -> Result<Self, PublicKeyError> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok().and_then(|bytes| bytes.try_into().ok());
        bytes.map(PublicKey).ok_or_else(|| PublicKeyError(text.chars().take(60).collect()))
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

/// The keys whose signatures are trusted, and the mount that they must be for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trust {
    pub keys: Vec<PublicKey>,
    pub mount: MountedAt,
}

impl Trust {
    /// Whether one of the signatures is valid: by one of the keys, for this statement and this mount.
    #[must_use]
    pub fn verifies(&self, statement: &Statement<'_>, signatures: &[String]) -> bool {
        let signed_bytes = statement.bytes(&self.mount);
        let signatures = signatures.iter().take(SIGNATURES_MAX).filter_map(|one| URL_SAFE_NO_PAD.decode(one).ok());
        signatures.into_iter().any(|signature| {
            self.keys
                .iter()
                .any(|key| UnparsedPublicKey::new(&ED25519, key.0).verify(&signed_bytes, &signature).is_ok())
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_seed(&[seed; 32]).unwrap()
    }

    fn mount() -> MountedAt {
        MountedAt { namespace: "shop".to_owned(), name: "outrigger-search".to_owned() }
    }

    fn trust(seeds: &[u8]) -> Trust {
        Trust { keys: seeds.iter().map(|seed| key(*seed).public_key()).collect(), mount: mount() }
    }

    const DOCUMENT: &[u8] = br#"{"format":1,"sequence":7,"providers":[{"endpoint":"https://models.test/v1"}]}"#;

    #[test]
    fn verifies_the_signed_bytes_and_mount_by_one_of_the_keys() {
        let policy = hash(DOCUMENT);
        let signed = vec![key(1).sign(&Statement::Policy(&policy), &mount())];
        assert!(trust(&[1]).verifies(&Statement::Policy(&policy), &signed));
        assert!(trust(&[9, 1]).verifies(&Statement::Policy(&policy), &signed), "the key before, or after");
        assert!(!trust(&[2]).verifies(&Statement::Policy(&policy), &signed), "another key");
        assert!(!trust(&[]).verifies(&Statement::Policy(&policy), &signed));
        assert!(!trust(&[1]).verifies(&Statement::Policy(&policy), &[]), "none");
        assert!(!trust(&[1]).verifies(&Statement::Authorities(&policy), &signed), "of another kind");
        for (namespace, name) in
            [("shop2", "outrigger-search"), ("shop", "outrigger-batch"), ("outrigger-search", "shop")]
        {
            let elsewhere = MountedAt { namespace: namespace.to_owned(), name: name.to_owned() };
            let there = Trust { mount: elsewhere, ..trust(&[1]) };
            assert!(!there.verifies(&Statement::Policy(&policy), &signed), "{namespace}/{name}");
        }
        // Signed by two keys, as during a rotation.
        let both: Vec<String> =
            [1, 2].iter().map(|seed| key(*seed).sign(&Statement::Policy(&policy), &mount())).collect();
        assert!([1, 2].iter().all(|seed| trust(&[*seed]).verifies(&Statement::Policy(&policy), &both)));
    }

    #[test]
    fn one_changed_byte_invalidates_a_signature() {
        let signed = key(1).sign(&Statement::Policy(&hash(DOCUMENT)), &mount());
        for at in 0..DOCUMENT.len() {
            for bit in 0..8 {
                let mut changed = DOCUMENT.to_vec();
                changed[at] ^= 1 << bit;
                assert!(
                    !trust(&[1]).verifies(&Statement::Policy(&hash(&changed)), std::slice::from_ref(&signed)),
                    "{at}"
                );
            }
        }
        let signature = URL_SAFE_NO_PAD.decode(&signed).unwrap();
        for at in 0..signature.len() {
            let mut changed = signature.clone();
            changed[at] ^= 1;
            assert!(
                !trust(&[1]).verifies(&Statement::Policy(&hash(DOCUMENT)), &[URL_SAFE_NO_PAD.encode(changed)]),
                "{at}"
            );
        }
    }

    #[test]
    fn a_credential_is_signed_with_its_file_destination_and_value() {
        let statement = |file, goes, value| Statement::Credential { file, goes, value };
        let signed = [key(1).sign(&statement("a_b_c", "https://models.test", b"sk-1"), &mount())];
        assert!(trust(&[1]).verifies(&statement("a_b_c", "https://models.test", b"sk-1"), &signed));
        for other in [
            statement("a_b_d", "https://models.test", b"sk-1"),
            statement("a_b_c", "https://evil.test", b"sk-1"),
            statement("a_b_c", "https://models.test", b"sk-2"),
            // Parts that are split elsewhere are different.
            statement("a_b_chttps://", "models.test", b"sk-1"),
        ] {
            assert!(!trust(&[1]).verifies(&other, &signed), "{other:?}");
        }
    }

    #[test]
    fn keys_are_parsed_from_their_text() {
        let public_key = key(3).public_key();
        assert_eq!(public_key.to_string().parse(), Ok(public_key));
        assert_eq!(public_key.to_string().len(), 43);
        for none in ["", "x", "é", &"A".repeat(42), &"A".repeat(44), &"/".repeat(43)] {
            assert!(none.parse::<PublicKey>().is_err(), "{none}");
        }
        assert!(!format!("{:?}", key(3)).contains("seed"));
    }

    proptest! {
        #[test]
        fn no_other_text_is_a_signature(texts in prop::collection::vec(any::<String>(), 0..12), bytes in any::<Vec<u8>>()) {
            prop_assert!(!trust(&[1]).verifies(&Statement::Policy(&hash(&bytes)), &texts));
        }
    }
}
