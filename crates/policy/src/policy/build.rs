//! Builds a policy from a document.

use std::collections::HashMap;
use std::sync::Arc;

use outrigger_core::ObjectRef;
use sha2::{Digest, Sha256};
use typed_index_collections::TiVec;

use super::{Key, Policy, Provider, Revision, hex};
use crate::build_error::BuildError;
use crate::catalogue::custom::Catalogues;
use crate::condition::bounds::PATTERNS;
use crate::document::{Document, FORMATS, ReadError, write_json};
use crate::index::{KeyIndex, ProviderIndex, RuleIndex};
use crate::limits::limit::Limits;
use crate::rules::rule::{CompiledConditions, Rule};

impl Policy {
    /// Builds a policy. Everything that can fail fails here.
    ///
    /// # Errors
    /// [`BuildError`], which names the object with the problem.
    pub fn build(document: Document) -> Result<Self, BuildError> {
        Self::build_with(document, &CompiledConditions::new())
    }

    /// Like [`Policy::build`], with conditions that are already compiled.
    ///
    /// # Errors
    /// As [`Policy::build`].
    pub fn build_with(document: Document, known: &CompiledConditions) -> Result<Self, BuildError> {
        if !FORMATS.contains(&document.format) {
            return Err(ReadError::Format { found: document.format }.into());
        }
        let revision = Revision { sequence: document.sequence, digest: digest(&document) };
        let providers: TiVec<ProviderIndex, Provider> = document.providers.iter().map(Provider::of).collect();
        let indexes: HashMap<&ObjectRef, ProviderIndex> =
            providers.iter_enumerated().map(|(index, provider)| (&provider.id, index)).collect();
        let keys =
            document.keys.iter().map(|doc| Key::build(doc, &indexes)).collect::<Result<TiVec<KeyIndex, _>, _>>()?;
        let mut rules =
            document.rules.iter().map(|rule| Rule::build(rule, known)).collect::<Result<TiVec<RuleIndex, _>, _>>()?;
        rules.sort_by(|a, b| a.order().cmp(&b.order()));
        let mut pattern_bytes_left = PATTERNS;
        for when in rules.iter_mut().filter_map(|rule| rule.when.as_mut()) {
            match pattern_bytes_left.checked_sub(when.pattern_size()) {
                Some(left) => pattern_bytes_left = left,
                None => *when = Arc::new(when.left_out()),
            }
        }

        let mut by_name = HashMap::new();
        let mut by_alias = HashMap::new();
        for ((index, key), doc) in keys.iter_enumerated().zip(&document.keys) {
            if !key.keyless {
                by_name.entry(key.id.name.clone()).or_insert(index);
                by_name.insert(key.id.to_string(), index);
            }
            for alias in &doc.aliases {
                by_alias.insert(alias.clone(), index);
            }
        }
        let default_key = match &document.default_key {
            None => None,
            Some(name) => Some(
                keys.position(|key| key.id.to_string() == *name)
                    .ok_or_else(|| BuildError::NoDefaultKey(name.clone()))?,
            ),
        };
        let limits = Limits::of(&document);
        let catalogues = Catalogues::build(&document);
        Ok(Policy { revision, providers, keys, rules, default_key, limits, document, catalogues, by_name, by_alias })
    }
}

fn digest(document: &Document) -> String {
    // The sequence is left out: it counts writes, and the same contents must have the same digest.
    let contents = Document { sequence: 0, ..document.clone() };
    let mut bytes = Vec::new();
    // Writing to memory cannot fail.
    let _ = write_json(&contents, &mut bytes);
    hex(&Sha256::digest(&bytes))
}
