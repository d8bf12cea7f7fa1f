//! The destinations of a document's credentials.

use outrigger_core::SecretRef;
use serde_json::json;

use super::{Document, ProviderDoc};

impl Document {
    /// All credentials that the document refers to.
    pub fn secrets(&self) -> impl Iterator<Item = &SecretRef> {
        self.providers.iter().flat_map(|provider| &provider.credentials).map(|credential| &credential.secret)
    }

    /// Where the document sends a credential, and what authenticates the server: the same text for the same
    /// destination, in every version of this program. Values are signed together with it.
    #[must_use]
    pub fn destination(&self, at: &SecretRef) -> String {
        let sends = |provider: &&ProviderDoc| provider.credentials.iter().any(|credential| credential.secret == *at);
        let way = |provider: &ProviderDoc| {
            let ProviderDoc { namespace, name, kind, endpoint, ca, headers, .. } = provider;
            json!([namespace, name, kind, endpoint, ca, headers]).to_string()
        };
        let mut ways: Vec<String> = self.providers.iter().filter(sends).map(way).collect();
        ways.sort();
        ways.join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::CredentialDoc;

    fn provider(name: &str, secret: &str) -> ProviderDoc {
        let secret = SecretRef::new("a", secret, "k").unwrap();
        let credential =
            CredentialDoc { name: "main".to_owned(), weight: 1, models: Vec::new(), suspended: false, secret };
        ProviderDoc {
            namespace: "a".to_owned(),
            name: name.to_owned(),
            kind: "OpenAI".to_owned(),
            credentials: vec![credential],
            ..ProviderDoc::default()
        }
    }

    #[test]
    fn a_destination_contains_everything_that_decides_who_receives_a_credential() {
        type Change = fn(&mut ProviderDoc);
        let document = |change: Change| {
            let mut of = provider("one", "s");
            change(&mut of);
            Document { providers: vec![of, provider("two", "t")], ..Document::default() }
        };
        let at = SecretRef::new("a", "s", "k").unwrap();
        let plain = document(|_| {}).destination(&at);
        // It is signed, so its spelling must not change.
        assert_eq!(plain, r#"["a","one","OpenAI",null,null,{}]"#);
        let elsewhere: [Change; 6] = [
            |one| one.endpoint = Some("https://evil.test".to_owned()),
            |one| one.kind = "vLLM".to_owned(),
            |one| one.ca = Some("PEM".to_owned()),
            |one| drop(one.headers.insert("x".to_owned(), "y".to_owned())),
            |one| one.namespace = "b".to_owned(),
            |one| one.name = "b".to_owned(),
        ];
        for change in elsewhere {
            assert_ne!(document(change).destination(&at), plain);
        }
        assert_eq!(document(|one| one.max_attempts = Some(3)).destination(&at), plain);
        assert_eq!(document(|_| {}).destination(&SecretRef::new("a", "none", "k").unwrap()), "");
    }
}
