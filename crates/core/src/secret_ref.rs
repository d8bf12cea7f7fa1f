//! A reference to the value of a credential. Gateways derive file names from it, so it must not contain a path.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use thiserror::Error;

/// The longest name of a namespace: a DNS label.
const NAMESPACE_MAX: usize = 63;
/// The longest name of a Secret, and the longest key in one. The name of a mounted file is a key of a Secret.
const NAME_MAX: usize = 253;
/// How many characters of an invalid name an error shows.
const SHOWN_MAX: usize = 60;

/// A Secret and a key in it. Each part is a valid Kubernetes name: it can't contain a separator, a `..` or a NUL,
/// whatever the document contains.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "UncheckedSecretRef")]
pub struct SecretRef {
    namespace: String,
    name: String,
    key: String,
}

/// Why a reference is invalid.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SecretRefError {
    #[error("`{0}` is not a namespace's name: lower-case letters, digits and `-`, at most {NAMESPACE_MAX}")]
    Namespace(String),
    #[error("`{0}` is not a Secret's name: lower-case letters, digits, `-` and `.`, at most {NAME_MAX}")]
    Name(String),
    #[error(
        "`{0}` is no key of a Secret: letters, digits, `-`, `_` and `.`, at most {NAME_MAX}, not beginning with `..`"
    )]
    Key(String),
}

/// A reference as it is written, before it is validated.
#[derive(Deserialize)]
struct UncheckedSecretRef {
    namespace: String,
    name: String,
    key: String,
}

impl TryFrom<UncheckedSecretRef> for SecretRef {
    type Error = SecretRefError;

    fn try_from(UncheckedSecretRef { namespace, name, key }: UncheckedSecretRef) -> Result<Self, SecretRefError> {
        SecretRef::new(namespace, name, key)
    }
}

impl SecretRef {
    /// A validated reference.
    ///
    /// # Errors
    /// [`SecretRefError`], with the invalid name.
    pub fn new(
        namespace: impl Into<String>,
        name: impl Into<String>,
        key: impl Into<String>,
    ) -> Result<Self, SecretRefError> {
        let (namespace, name, key) = (namespace.into(), name.into(), key.into());
        if namespace.len() > NAMESPACE_MAX || !is_label(&namespace) {
            return Err(SecretRefError::Namespace(shortened(&namespace)));
        }
        if name.len() > NAME_MAX || !name.split('.').all(is_label) {
            return Err(SecretRefError::Name(shortened(&name)));
        }
        if key.len() > NAME_MAX || !is_key(&key) {
            return Err(SecretRefError::Key(shortened(&key)));
        }
        Ok(SecretRef { namespace, name, key })
    }

    /// The Secret's namespace.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The Secret's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The key in its data.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The name of the file that holds its value: `NAMESPACE_SECRET_KEY`, or `NAMESPACE_` with a SHA-256 if that is
    /// longer than a key of a Secret may be. Names are unique: names of namespaces and Secrets contain no underscore,
    /// and dots may occur in both names and keys.
    #[must_use]
    pub fn file_name(&self) -> String {
        let SecretRef { namespace, name, key } = self;
        let whole = format!("{namespace}_{name}_{key}");
        if whole.len() <= NAME_MAX {
            return whole;
        }
        let hash = Sha256::digest(&whole).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        format!("{namespace}_{hash}")
    }
}

impl fmt::Display for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}[{}]", self.namespace, self.name, self.key)
    }
}

fn is_label(text: &str) -> bool {
    let bytes = text.as_bytes();
    let alphanumeric = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    bytes.iter().all(|byte| alphanumeric(byte) || *byte == b'-')
        && bytes.first().is_some_and(alphanumeric)
        && bytes.last().is_some_and(alphanumeric)
}

/// Whether the API server accepts the key: `.dockerconfigjson` is valid.
fn is_key(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    !text.is_empty() && text.bytes().all(inner) && text != "." && !text.starts_with("..")
}

fn shortened(name: &str) -> String {
    name.chars().take(SHOWN_MAX).flat_map(char::escape_debug).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// None of these may be part of a file name, in any of the three parts.
    const HOSTILE: [&str; 24] = [
        "",
        ".",
        "..",
        "../x",
        "..x",
        "a/b",
        "/lib/x86",
        "64-linux-gnu/../x86",
        "a\\b",
        "a\0b",
        "a\nb",
        "a b",
        "a:b",
        "a%2fb",
        "%2e%2e",
        "a\u{2215}b",
        "a\u{2044}b",
        "a\u{ff0f}b",
        "\u{2024}\u{2024}",
        "\u{202e}txt",
        "é",
        "~",
        "*",
        "a\u{1b}[2Jb",
    ];

    #[test]
    fn refuses_names_that_could_be_paths() {
        let long = "a".repeat(300);
        for hostile in HOSTILE.into_iter().chain([long.as_str()]) {
            for part in 0..3 {
                let mut parts = ["a", "b", "c"];
                parts[part] = hostile;
                let [namespace, name, key] = parts;
                let written = json!({"namespace": namespace, "name": name, "key": key});
                let error = serde_json::from_value::<SecretRef>(written).expect_err(hostile).to_string();
                assert!(error.contains("is not a ") || error.contains("is no key of a"), "{error}");
                assert!(error.len() < 400 && !error.contains(['\0', '\n', '\u{1b}']), "{error:?}");
                assert!(SecretRef::new(namespace, name, key).is_err(), "{parts:?}");
            }
        }
    }

    #[test]
    fn refuses_names_of_another_kind() {
        for (namespace, name, key) in [
            ("a.b", "b", "c"),
            ("a", "B", "c"),
            ("a", "b_c", "c"),
            ("-a", "b", "c"),
            ("a", "b-", "c"),
            ("a", "b..c", "c"),
        ] {
            assert!(SecretRef::new(namespace, name, key).is_err(), "{namespace} {name} {key}");
        }
    }

    #[test]
    fn accepts_what_kubernetes_accepts() {
        let (long, label) = ("a".repeat(253), "a".repeat(63));
        for (namespace, name, key) in [
            ("default", "openai", "apiKey"),
            ("a", "a.b-c.d", ".dockerconfigjson"),
            ("0", "1", "tls.crt"),
            (label.as_str(), long.as_str(), "API_KEY-2..x"),
        ] {
            let at = SecretRef::new(namespace, name, key).unwrap();
            let written = serde_json::to_value(&at).unwrap();
            assert_eq!(written, json!({"namespace": namespace, "name": name, "key": key}));
            assert_eq!(serde_json::from_value::<SecretRef>(written).unwrap(), at);
        }
    }

    #[test]
    fn file_names_are_valid_keys_of_a_secret() {
        let at = |namespace: &str, name: &str, key: &str| SecretRef::new(namespace, name, key).unwrap().file_name();
        assert_eq!(at("shop", "openai", "apiKey"), "shop_openai_apiKey");
        let long = "a".repeat(253);
        let (one, two) = (at("shop", &long, "a"), at("shop", &long, "b"));
        assert!(one.len() <= 253 && one.starts_with("shop_") && one != two, "{one} {two}");
        // The single underscore makes it different from all others.
        assert_eq!(one.matches('_').count(), 1);
    }
}
