//! Finds keys that cannot call any provider: their providers exist, but none of their credentials has a value.
//!
//! This changes only the status. The key's present version serves, gateways keep the values that they have, and the first new
//! value is used at once.

use std::collections::{BTreeMap, BTreeSet};

use outrigger_compile::Compiled;
use outrigger_core::SecretRef;
use outrigger_policy::{KeyDoc, KeyProviderDoc, ProviderDoc};

use crate::status::reason::ConditionReason;
use crate::status::verdict::{ObjectProblem, ObjectVerdict};

/// The credentials with values, and the keys and providers that use them.
pub(super) struct AvailableCredentials<'a> {
    providers: BTreeMap<(&'a str, &'a str), &'a ProviderDoc>,
    keys: BTreeMap<(&'a str, &'a str), &'a KeyDoc>,
    values: BTreeSet<&'a SecretRef>,
}

impl<'a> AvailableCredentials<'a> {
    pub fn of(compiled: &'a Compiled) -> Self {
        let Compiled { document, secrets, .. } = compiled;
        let providers = document.providers.iter().map(|one| ((one.namespace.as_str(), one.name.as_str()), one));
        let keys = document.keys.iter().filter(|key| !key.keyless);
        AvailableCredentials {
            providers: providers.collect(),
            keys: keys.map(|one| ((one.namespace.as_str(), one.name.as_str()), one)).collect(),
            values: secrets.iter().map(|(at, _)| at).collect(),
        }
    }

    /// Adds missing credentials to the verdict on a key.
    pub fn add_missing(&self, namespace: &str, name: &str, verdict: &mut ObjectVerdict) {
        let Some(key) = self.keys.get(&(namespace, name)) else { return };
        let lacking = key.providers.iter().filter(|entry| self.lacks(entry));
        let lacking: Vec<String> = lacking.map(|entry| format!("LLMProvider {}", entry.provider)).collect();
        let names = lacking.join(", ");
        match lacking.len() {
            0 => {}
            all if all == key.providers.len() => verdict.unresolved.push(ObjectProblem {
                reason: ConditionReason::DependencyInvalid,
                path: String::new(),
                message: format!(
                    "none of its providers has a usable credential: the status of {names} says what is missing"
                ),
            }),
            _ => verdict
                .warnings
                .push(format!("there is no usable credential for {names}: its status says what is missing")),
        }
    }

    /// Whether all of the provider's credentials that a key may use have no value. Suspended credentials do not count,
    /// and a provider without credentials needs none.
    fn lacks(&self, entry: &KeyProviderDoc) -> bool {
        let id = &entry.provider;
        let Some(provider) = self.providers.get(&(id.namespace.as_str(), id.name.as_str())) else { return false };
        let mine = |name: &String| entry.credentials.is_empty() || entry.credentials.contains(name);
        if provider.suspended {
            return false;
        }
        let mut live = provider.credentials.iter().filter(|one| !one.suspended && mine(&one.name)).peekable();
        live.peek().is_some() && !live.any(|one| self.values.contains(&one.secret))
    }
}
