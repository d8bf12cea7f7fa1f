//! A policy that is ready to use: names are resolved to indexes, globs and expressions are compiled.

mod build;
mod key;
mod model_facts;
mod provider;

use std::collections::HashMap;

use sha2::{Digest, Sha256};
use typed_index_collections::TiVec;

pub use key::{Key, KeyProvider};
pub use provider::{Credential, Provider};

use crate::catalogue::custom::Catalogues;
use crate::document::Document;
use crate::index::{KeyIndex, ProviderIndex, RuleIndex};
use crate::limits::limit::Limits;
use crate::rules::rule::Rule;

/// The policy of a gateway.
#[derive(Debug)]
pub struct Policy {
    pub revision: Revision,
    pub providers: TiVec<ProviderIndex, Provider>,
    pub keys: TiVec<KeyIndex, Key>,
    pub rules: TiVec<RuleIndex, Rule>,
    pub default_key: Option<KeyIndex>,
    pub limits: Limits,
    /// The document that it was built from.
    pub document: Document,
    pub(crate) catalogues: Catalogues,
    by_name: HashMap<String, KeyIndex>,
    by_alias: HashMap<String, KeyIndex>,
}

/// Identifies a policy: `12-9f3ce4a1`, its sequence and the first eight characters of its digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revision {
    pub sequence: u64,
    /// SHA-256 of the document, hex.
    pub digest: String,
}

impl std::fmt::Display for Revision {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.sequence, self.digest.get(..8).unwrap_or(&self.digest))
    }
}

impl Policy {
    /// The key with this name: `search`, `vk-search` or `team-a/search`.
    #[must_use]
    pub fn key_named(&self, name: &str) -> Option<KeyIndex> {
        let bare = || name.strip_prefix("vk-").and_then(|rest| self.by_name.get(rest));
        self.by_name.get(name).or_else(bare).copied()
    }

    /// The key of a token, by the token's hash.
    #[must_use]
    pub fn key_of_token(&self, token: &str) -> Option<KeyIndex> {
        if self.by_alias.is_empty() {
            return None;
        }
        self.by_alias.get(&hex(&Sha256::digest(token.as_bytes()))).copied()
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
