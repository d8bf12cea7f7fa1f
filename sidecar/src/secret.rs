//! Credentials in memory.

use std::collections::HashMap;
use std::fmt;

use outrigger_policy::SecretAt;

/// A credential's value. It has no `Display`, and its `Debug` says nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Trims what editors and shells leave at the end of a file.
    #[must_use]
    pub fn new(value: &str) -> Self {
        Secret(value.trim().to_owned())
    }

    /// The value itself, for the one place that sends it.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// The credentials that a policy refers to, by where they are kept.
pub type Secrets = HashMap<SecretAt, Secret>;
