//! What of a policy that was written is still wanted, where the one to follow can't be written: it is too large.
//!
//! Nothing new comes in, and what was taken away goes at once. What refers to something goes on referring to it, so that
//! the result is a policy: a provider that is no more is there, suspended.

use std::collections::BTreeMap;

use outrigger_policy::{CredentialDoc, Document, KeyDoc, KeyProviderDoc, ProviderDoc, RuleDoc};

/// `before`, as far as `wanted` still has it.
#[must_use]
pub(super) fn narrow(before: &Document, wanted: &Document) -> Document {
    let providers: BTreeMap<_, _> =
        wanted.providers.iter().map(|one| ((one.namespace.as_str(), one.name.as_str()), one)).collect();
    let keys: BTreeMap<_, _> =
        wanted.keys.iter().map(|one| ((one.namespace.as_str(), one.name.as_str()), one)).collect();
    let kept = |key: &KeyDoc| Some(self::key(key, keys.get(&(key.namespace.as_str(), key.name.as_str()))?));
    let kept: Vec<KeyDoc> = before.keys.iter().filter_map(kept).collect();
    let is_kept = |id: &String| kept.iter().any(|key| *id == format!("{}/{}", key.namespace, key.name));
    let is_wanted =
        |rule: &&RuleDoc| wanted.rules.iter().any(|one| (&one.namespace, &one.name) == (&rule.namespace, &rule.name));
    Document {
        providers: (before.providers.iter())
            .map(|one| provider(one, providers.get(&(one.namespace.as_str(), one.name.as_str())).copied()))
            .collect(),
        default_key: before.default_key.clone().filter(is_kept),
        rules: before.rules.iter().filter(is_wanted).cloned().collect(),
        keys: kept,
        ..before.clone()
    }
}

/// As it is wanted now, without what the policy does not have. Its limits stay beside the new ones.
fn key(before: &KeyDoc, wanted: &KeyDoc) -> KeyDoc {
    let entry = |entry: &KeyProviderDoc| {
        let now = wanted.providers.iter().find(|now| now.provider == entry.provider)?;
        let credentials = match (entry.credentials.is_empty(), now.credentials.is_empty()) {
            (_, true) => entry.credentials.clone(),
            (true, false) => now.credentials.clone(),
            (false, false) => {
                let both: Vec<String> =
                    entry.credentials.iter().filter(|name| now.credentials.contains(*name)).cloned().collect();
                if both.is_empty() {
                    return None;
                }
                both
            }
        };
        Some(KeyProviderDoc { credentials, ..entry.clone() })
    };
    KeyDoc {
        providers: before.providers.iter().filter_map(entry).collect(),
        suspended: before.suspended || wanted.suspended,
        expires_at: wanted.expires_at,
        aliases: before.aliases.iter().filter(|alias| wanted.aliases.contains(alias)).cloned().collect(),
        service_accounts: wanted.service_accounts.clone(),
        deny: before.deny.iter().chain(wanted.deny.iter().filter(|one| !before.deny.contains(one))).cloned().collect(),
        ..before.clone()
    }
}

/// A provider without credentials would be called without: those that are no more are suspended.
fn provider(before: &ProviderDoc, wanted: Option<&ProviderDoc>) -> ProviderDoc {
    let Some(wanted) = wanted.filter(|wanted| !wanted.suspended) else {
        return ProviderDoc { suspended: true, credentials: Vec::new(), ..before.clone() };
    };
    let credential = |one: &CredentialDoc| {
        let is = |now: &&CredentialDoc| now.name == one.name && now.secret == one.secret;
        let suspended = wanted.credentials.iter().find(is).is_none_or(|now| now.suspended);
        CredentialDoc { suspended: one.suspended || suspended, ..one.clone() }
    };
    ProviderDoc { credentials: before.credentials.iter().map(credential).collect(), ..before.clone() }
}
