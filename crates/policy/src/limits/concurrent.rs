//! Limits on concurrent requests. Gateways and the operator must agree on their names, so both take them from here.

use outrigger_core::ObjectRef;

use crate::document::Document;

/// So many requests may run at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConcurrentLimit {
    pub name: String,
    pub most: u32,
}

/// Names of the limits that an object sets.
#[must_use]
pub fn of_key(key: &ObjectRef) -> String {
    format!("VirtualKey {key}")
}

/// As a key sets for one of its providers.
#[must_use]
pub fn of_entry(key: &ObjectRef, entry: &str) -> String {
    format!("VirtualKey {key} at {entry}")
}

#[must_use]
pub fn of_provider(provider: &ObjectRef) -> String {
    format!("LLMProvider {provider}")
}

impl Document {
    /// Every limit on concurrent requests.
    #[must_use]
    pub fn concurrent_limits(&self) -> Vec<ConcurrentLimit> {
        let id = |namespace: &str, name: &str| ObjectRef { namespace: namespace.to_owned(), name: name.to_owned() };
        let of_keys = self.keys.iter().flat_map(|key| {
            let key_id = id(&key.namespace, &key.name);
            let own = key.limits.concurrent_requests.map(|most| ConcurrentLimit { name: of_key(&key_id), most });
            let entries = key.providers.iter().filter_map(move |entry| {
                let most = entry.limits.concurrent_requests?;
                Some(ConcurrentLimit { name: of_entry(&key_id, &entry.name), most })
            });
            own.into_iter().chain(entries)
        });
        let of_providers = self.providers.iter().filter_map(|provider| {
            let most = provider.limits.concurrent_requests?;
            Some(ConcurrentLimit { name: of_provider(&id(&provider.namespace, &provider.name)), most })
        });
        of_keys.chain(of_providers).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::{KeyDoc, KeyProviderDoc, LimitsDoc, ProviderDoc};

    #[test]
    fn keys_their_entries_and_providers_have_separate_limits() {
        let limits = |most| LimitsDoc { concurrent_requests: Some(most), ..LimitsDoc::default() };
        let (namespace, name) = ("shop".to_owned(), "search".to_owned());
        let entry = KeyProviderDoc { name: "fast".to_owned(), limits: limits(2), ..KeyProviderDoc::default() };
        let key = KeyDoc {
            namespace: namespace.clone(),
            name: name.clone(),
            providers: vec![entry, KeyProviderDoc::default()],
            limits: limits(3),
            ..KeyDoc::default()
        };
        let provider =
            ProviderDoc { namespace, name: "openai".to_owned(), limits: limits(9), ..ProviderDoc::default() };
        let document = Document { keys: vec![key], providers: vec![provider], ..Document::default() };
        let names: Vec<(String, u32)> =
            document.concurrent_limits().into_iter().map(|limit| (limit.name, limit.most)).collect();
        let expected =
            [("VirtualKey shop/search", 3), ("VirtualKey shop/search at fast", 2), ("LLMProvider shop/openai", 9)];
        assert_eq!(names, expected.map(|(name, most)| (name.to_owned(), most)));
    }
}
