//! Narrows the last written policy if the next one is too large to write.
//!
//! No provider, rule or model is added. What was revoked is removed at once, and the new limits apply. References stay
//! valid: a deleted provider remains in the document, suspended.

use std::collections::BTreeMap;

use outrigger_core::ObjectRef;
use outrigger_policy::{AppliesDoc, BudgetDoc, CredentialDoc, Document, KeyDoc, KeyProviderDoc, ProviderDoc, RuleDoc};

/// Returns `before`, reduced to what `wanted` still has.
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
        // The limits are new, so the document's version and ledger mode are too.
        format: wanted.format,
        ledger: wanted.ledger,
        concurrency: wanted.concurrency,
        filters: wanted.filters.clone(),
        sequence: 0,
        providers: (before.providers.iter())
            .map(|one| provider(one, providers.get(&(one.namespace.as_str(), one.name.as_str())).copied()))
            .collect(),
        default_key: before.default_key.clone().filter(is_kept),
        rules: before.rules.iter().filter(is_wanted).cloned().collect(),
        budgets: wanted.budgets.iter().map(|one| budget(one, &kept)).collect(),
        keys: kept,
        ..before.clone()
    }
}

/// The wanted key, without what the previous policy does not have.
fn key(before: &KeyDoc, wanted: &KeyDoc) -> KeyDoc {
    let entry = |entry: &KeyProviderDoc| {
        let now = wanted.providers.iter().find(|now| now.provider == entry.provider)?;
        Some(KeyProviderDoc {
            models: common(&entry.models, &now.models)?,
            credentials: common(&entry.credentials, &now.credentials)?,
            limits: now.limits.clone(),
            ..entry.clone()
        })
    };
    let allow = common(&before.allow, &wanted.allow);
    let deny = before.deny.iter().chain(wanted.deny.iter().filter(|one| !before.deny.contains(one)));
    KeyDoc {
        // A key that may use no model gets no provider, because an empty list of models means all.
        providers: match allow {
            Some(_) => before.providers.iter().filter_map(entry).collect(),
            None => Vec::new(),
        },
        allow: allow.unwrap_or_default(),
        deny: deny.cloned().collect(),
        aliases: before.aliases.iter().filter(|alias| wanted.aliases.contains(alias)).cloned().collect(),
        suspended: before.suspended || wanted.suspended,
        ..wanted.clone()
    }
}

/// The intersection of two lists, where an empty list means all. `None` if nothing is certainly in both.
fn common(before: &[String], wanted: &[String]) -> Option<Vec<String>> {
    match (before.is_empty(), wanted.is_empty()) {
        (true, _) => Some(wanted.to_vec()),
        (_, true) => Some(before.to_vec()),
        _ => {
            let both: Vec<String> = before.iter().filter(|one| wanted.contains(one)).cloned().collect();
            (!both.is_empty()).then_some(both)
        }
    }
}

/// Suspends removed credentials instead of deleting them, because a provider without credentials is called without any.
fn provider(before: &ProviderDoc, wanted: Option<&ProviderDoc>) -> ProviderDoc {
    let same_source = |wanted: &&ProviderDoc| wanted.caller_credential == before.caller_credential;
    let Some(wanted) = wanted.filter(|wanted| !wanted.suspended).filter(same_source) else {
        return ProviderDoc { suspended: true, credentials: Vec::new(), ..before.clone() };
    };
    let credential = |one: &CredentialDoc| {
        let is = |now: &&CredentialDoc| now.name == one.name && now.secret == one.secret;
        let now = wanted.credentials.iter().find(is).filter(|now| !now.suspended);
        let models = now.and_then(|now| common(&one.models, &now.models));
        CredentialDoc {
            suspended: one.suspended || models.is_none(),
            models: models.unwrap_or_default(),
            ..one.clone()
        }
    };
    ProviderDoc {
        credentials: before.credentials.iter().map(credential).collect(),
        limits: wanted.limits.clone(),
        fail_open: wanted.fail_open.clone(),
        clear_text_credentials: before.clear_text_credentials && wanted.clear_text_credentials,
        ..before.clone()
    }
}

/// Only keys that remain are counted.
fn budget(wanted: &BudgetDoc, kept: &[KeyDoc]) -> BudgetDoc {
    let is_there = |id: &&ObjectRef| kept.iter().any(|key| (&key.namespace, &key.name) == (&id.namespace, &id.name));
    let narrowed = |applies: &AppliesDoc| AppliesDoc {
        keys: applies.keys.as_ref().map(|keys| keys.iter().filter(is_there).cloned().collect()),
        ..applies.clone()
    };
    BudgetDoc { applies_to: wanted.applies_to.as_ref().map(narrowed), ..wanted.clone() }
}

#[cfg(test)]
mod tests {
    use outrigger_core::SecretRef;
    use outrigger_policy::LimitsDoc;

    use super::*;

    fn strings(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn common_is_an_intersection_where_an_empty_list_means_all() {
        let both = |before: &[&str], wanted: &[&str]| common(&strings(before), &strings(wanted));
        assert_eq!(both(&[], &[]), Some(Vec::new()));
        assert_eq!(both(&[], &["a"]), Some(strings(&["a"])));
        assert_eq!(both(&["a"], &[]), Some(strings(&["a"])));
        assert_eq!(both(&["a", "b"], &["b", "c"]), Some(strings(&["b"])));
        assert_eq!(both(&["a"], &["b"]), None, "it must not become everything");
    }

    fn entry(models: &[&str]) -> KeyProviderDoc {
        KeyProviderDoc {
            name: "p".to_owned(),
            provider: ObjectRef { namespace: "shop".to_owned(), name: "p".to_owned() },
            weight: 1,
            models: strings(models),
            credentials: Vec::new(),
            limits: LimitsDoc::default(),
        }
    }

    #[test]
    fn a_narrowed_key_has_fewer_permissions_and_the_new_limits() {
        let before = KeyDoc { allow: strings(&["a"]), providers: vec![entry(&[])], ..KeyDoc::default() };
        let wanted = KeyDoc { max_output_tokens: Some(7), providers: vec![entry(&["m"])], ..KeyDoc::default() };
        let narrowed = key(&before, &wanted);
        assert_eq!((narrowed.max_output_tokens, &narrowed.allow), (Some(7), &strings(&["a"])));
        assert_eq!(narrowed.providers[0].models, strings(&["m"]));
        let other = KeyDoc { allow: strings(&["b"]), ..wanted };
        assert!(key(&before, &other).providers.is_empty(), "no model is certainly allowed");
    }

    #[test]
    fn a_credential_for_no_certain_model_is_suspended() {
        let credential = |models: &[&str]| CredentialDoc {
            name: "c".to_owned(),
            weight: 1,
            models: strings(models),
            suspended: false,
            secret: SecretRef::new("shop", "s", "k").unwrap(),
        };
        let with = |models: &[&str]| ProviderDoc { credentials: vec![credential(models)], ..ProviderDoc::default() };
        assert!(provider(&with(&["a"]), Some(&with(&["b"]))).credentials[0].suspended);
        assert!(!provider(&with(&["a"]), Some(&with(&["a", "b"]))).credentials[0].suspended);
    }

    #[test]
    fn a_provider_that_no_longer_takes_the_callers_credentials_is_suspended() {
        let caller = |caller_credential| ProviderDoc { caller_credential, ..ProviderDoc::default() };
        for (before, now, suspended) in [(true, true, false), (true, false, true), (false, true, true)] {
            assert_eq!(provider(&caller(before), Some(&caller(now))).suspended, suspended, "{before} {now}");
        }
    }
}
