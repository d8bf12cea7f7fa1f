//! Credentials in memory.

use std::collections::HashMap;
use std::fmt;

use outrigger_core::SecretRef;

/// A credential's value. It has no `Display`, and its `Debug` says nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret {
    value: String,
    /// The variable that it was read from; `None`: the Secret that the policy names.
    variable: Option<String>,
}

impl Secret {
    /// Trims what editors and shells leave at the end of a file.
    #[must_use]
    pub fn new(value: &str) -> Self {
        Secret { value: value.trim().to_owned(), variable: None }
    }

    /// The same, read from a variable of the environment: people are told of that one.
    #[must_use]
    pub fn of_variable(value: &str, variable: String) -> Self {
        Secret { variable: Some(variable), ..Secret::new(value) }
    }

    /// The value itself, for the one place that sends it.
    pub(crate) fn expose(&self) -> &str {
        &self.value
    }

    /// Where the value is from, for people: `key apiKey of Secret shop/openai`.
    pub(crate) fn origin(&self, at: &SecretRef) -> String {
        match &self.variable {
            Some(variable) => format!("the variable {variable}"),
            None => format!("key {} of Secret {}/{}", at.key(), at.namespace(), at.name()),
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// The credentials that a policy refers to, by where they are kept.
pub type Secrets = HashMap<SecretRef, Secret>;
