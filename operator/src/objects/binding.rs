//! The VirtualKeys that a pod may use. The names are fixed when the pod is admitted. What the keys allow is decided at
//! run time.

use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The key of a pod that names none.
pub const DEFAULT: &str = "default";
/// Keeps the ConfigMap's name under 253 characters.
pub const KEYS_MAX: usize = 4;
const NAME_MAX: usize = 50;

/// A namespace and the names of VirtualKeys in it, of which the first is the default. A binding has one ConfigMap, one
/// policy and one sequence.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Binding {
    pub namespace: String,
    keys: Vec<String>,
}

/// Why the value of `outrigger.dev/virtual-key` is invalid.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum BindingError {
    #[error("names no key: give the name of a VirtualKey, or several with commas between them")]
    Empty,
    #[error("`{0}` is no name of a VirtualKey: lower-case letters, digits and dashes, at most {NAME_MAX} characters")]
    NoName(String),
    #[error("names `{0}` twice")]
    Twice(String),
    #[error("names {0} keys, and a pod may use at most {KEYS_MAX}")]
    TooMany(usize),
}

impl Binding {
    /// Parses the annotation's value.
    ///
    /// # Errors
    /// [`BindingError`]. The caller adds the annotation's name.
    pub fn parse(namespace: &str, value: Option<&str>) -> Result<Self, BindingError> {
        let Some(value) = value else { return Ok(Self::default_of(namespace)) };
        let mut keys: Vec<String> = Vec::new();
        for name in value.split(',').map(str::trim).filter(|name| !name.is_empty()) {
            if !is_name(name) {
                return Err(BindingError::NoName(name.chars().take(60).collect()));
            }
            if keys.iter().any(|key| key == name) {
                return Err(BindingError::Twice(name.to_owned()));
            }
            keys.push(name.to_owned());
        }
        match keys.len() {
            0 => Err(BindingError::Empty),
            many if many > KEYS_MAX => Err(BindingError::TooMany(many)),
            _ => Ok(Binding { namespace: namespace.to_owned(), keys }),
        }
    }

    /// The binding of a pod that names no key.
    #[must_use]
    pub fn default_of(namespace: &str) -> Self {
        Self::of(namespace, DEFAULT)
    }

    /// A binding with one key.
    #[must_use]
    pub fn of(namespace: &str, key: &str) -> Self {
        Binding { namespace: namespace.to_owned(), keys: vec![key.to_owned()] }
    }

    /// The names of the keys. Never empty; the first is the default.
    #[must_use]
    pub fn keys(&self) -> &[String] {
        &self.keys
    }

    #[must_use]
    pub fn first(&self) -> &str {
        self.keys.first().map_or(DEFAULT, String::as_str)
    }

    /// The name of its ConfigMap and its Secret: `outrigger-search`, `outrigger-search.batch`. Names of keys have no
    /// dots, so each binding has its own name.
    #[must_use]
    pub fn object_name(&self) -> String {
        format!("outrigger-{}", self.keys.join("."))
    }

    /// Parses a generated object's name.
    #[must_use]
    pub fn of_object(namespace: &str, name: &str) -> Option<Self> {
        let keys = name.strip_prefix("outrigger-")?.replace('.', ",");
        Self::parse(namespace, Some(&keys)).ok()
    }
}

fn is_name(name: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    name.len() <= NAME_MAX
        && name.bytes().all(inner)
        && name.bytes().next().is_some_and(|byte| byte != b'-')
        && name.bytes().last().is_some_and(|byte| byte != b'-')
}

/// `search/search,batch`.
impl fmt::Display for Binding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.keys.join(","))
    }
}

/// What the webhook writes on a pod under [`crate::names::INJECTED`], for people. The pod's binding comes from its
/// volume, which nobody can change: [`crate::attestation::mounted`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InjectedAnnotation {
    /// The operator's version.
    pub version: String,
    /// The same as [`Binding::keys`].
    pub keys: Vec<String>,
    /// What was left out, and why: `app: OPENAI_API_KEY is already set`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub skipped: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn annotations_name_keys() {
        let parsed = |value| Binding::parse("shop", value).map(|binding| binding.object_name());
        assert_eq!(parsed(None), Ok("outrigger-default".to_owned()));
        assert_eq!(parsed(Some("search")), Ok("outrigger-search".to_owned()));
        assert_eq!(parsed(Some(" search , batch-2,")), Ok("outrigger-search.batch-2".to_owned()));
        assert_eq!(parsed(Some(" ,")), Err(BindingError::Empty));
        assert_eq!(parsed(Some("a,b,a")), Err(BindingError::Twice("a".to_owned())));
        assert_eq!(parsed(Some("a,b,c,d,e")), Err(BindingError::TooMany(5)));
        for bad in ["Search", "a.b", "-a", "a-", "a b", &"a".repeat(51)] {
            assert!(matches!(parsed(Some(bad)), Err(BindingError::NoName(_))), "{bad}");
        }
        assert!(
            Binding::parse("n", Some(&["a".repeat(50), "b".repeat(50), "c".repeat(50), "d".repeat(50)].join(",")))
                .is_ok_and(|binding| binding.object_name().len() <= 253)
        );
    }

    #[test]
    fn an_objects_name_identifies_its_binding() {
        for value in ["search", "a,b-1,c"] {
            let binding = Binding::parse("shop", Some(value)).unwrap();
            assert_eq!(Binding::of_object("shop", &binding.object_name()), Some(binding));
        }
        assert_eq!(Binding::of_object("shop", "kube-root-ca.crt"), None);
    }
}
