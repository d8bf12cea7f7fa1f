//! Credentials in memory.

use std::collections::HashMap;
use std::fmt;

use outrigger_core::SecretRef;

/// A credential's value. It has no `Display`, and `Debug` hides it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret {
    value: String,
    /// The environment variable that it was read from; `None` for a Secret of the cluster.
    variable: Option<String>,
}

impl Secret {
    /// Trims white space, which editors and shells add at the end of a file.
    #[must_use]
    pub fn new(value: &str) -> Self {
        Secret { value: value.trim().to_owned(), variable: None }
    }

    /// The same for an environment variable. Messages name the variable.
    #[must_use]
    pub fn of_variable(value: &str, variable: String) -> Self {
        Secret { variable: Some(variable), ..Secret::new(value) }
    }

    /// The value itself, to send it.
    pub(crate) fn expose(&self) -> &str {
        &self.value
    }

    /// The source of the value for messages: `key apiKey of Secret shop/openai`.
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

/// The credentials of a policy, by their references.
pub type Secrets = HashMap<SecretRef, Secret>;
