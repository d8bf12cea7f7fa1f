//! The destinations of a document's credentials.

use outrigger_core::SecretRef;
use serde_json::{Value, json};

use super::{Document, ProviderDoc};

impl ProviderDoc {
    /// Whether it has all that it needs without a credential of the gateway's.
    #[must_use]
    pub fn has_other_credential(&self) -> bool {
        self.caller_credential || self.uses_identity()
    }

    /// Whether the identity of the gateway's pod serves instead of credentials.
    fn uses_identity(&self) -> bool {
        self.credentials.is_empty()
            && (self.azure.as_ref().is_some_and(|azure| azure.entra.is_some())
                || self.vertex.as_ref().is_some_and(|vertex| vertex.workload_identity.is_some())
                || self.bedrock.as_ref().is_some_and(|bedrock| bedrock.workload_identity.is_some()))
    }

    /// The token server that its object names: credentials go there.
    #[must_use]
    pub fn token_server(&self) -> Option<&str> {
        let authority = self.azure.as_ref().and_then(|azure| azure.entra.as_ref()?.authority.as_deref());
        authority
            .or_else(|| self.vertex.as_ref()?.token_endpoint.as_deref())
            .or_else(|| self.bedrock.as_ref()?.token_endpoint.as_deref())
    }
}

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
            let ProviderDoc { namespace, name, kind, endpoint, ca, headers, azure, vertex, bedrock, .. } = provider;
            let mut way = vec![json!(namespace), json!(name), json!(kind), json!(endpoint), json!(ca), json!(headers)];
            // Only for types that have them: the spelling of older documents is signed already.
            way.extend(azure.iter().map(|azure| json!({ "azure": azure })));
            way.extend(vertex.iter().map(|vertex| json!({ "vertex": vertex })));
            way.extend(bedrock.iter().map(|bedrock| json!({ "bedrock": bedrock })));
            Value::Array(way).to_string()
        };
        let mut ways: Vec<String> = self.providers.iter().filter(sends).map(way).collect();
        ways.sort();
        ways.join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::{AzureDoc, BedrockDoc, CredentialDoc, VertexDoc};

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
        let elsewhere: [Change; 9] = [
            |one| one.endpoint = Some("https://evil.test".to_owned()),
            |one| one.kind = "vLLM".to_owned(),
            |one| one.ca = Some("PEM".to_owned()),
            |one| drop(one.headers.insert("x".to_owned(), "y".to_owned())),
            |one| one.azure = Some(AzureDoc::default()),
            |one| one.vertex = Some(VertexDoc { location: "eu".to_owned(), ..VertexDoc::default() }),
            |one| one.bedrock = Some(BedrockDoc { region: "eu-central-1".to_owned(), ..BedrockDoc::default() }),
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
