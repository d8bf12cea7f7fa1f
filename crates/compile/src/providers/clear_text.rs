//! Credentials in clear text. Whoever creates a pod controls name resolution in it (`hostAliases`, `dnsConfig`), and
//! without TLS a server does not have to prove its identity. So over `http://` a credential stays in its provider's
//! namespace, unless the provider allows it. Gateways enforce the same.

use std::net::IpAddr;

use outrigger_crds::NamespacesFrom;
use outrigger_policy::{Document, ProviderDoc};

use crate::findings::finding::{Cause, Finding};
use crate::objects::id::id;
use crate::objects::sorted::SortedObjects;

/// The default endpoint of the only type that has no TLS by default and may have credentials.
const OLLAMA: &str = "http://127.0.0.1:11434/v1";

/// Removes providers from keys of other namespaces if their credentials would be sent in clear text. `on_this_machine`:
/// the policy is for this machine only, whose loopback belongs to nobody else.
pub(crate) fn enforce(
    sorted: &SortedObjects<'_>,
    on_this_machine: bool,
    document: &mut Document,
    findings: &mut Vec<Finding>,
) {
    let bound: Vec<&ProviderDoc> =
        document.providers.iter().filter(|provider| must_stay(provider, on_this_machine)).collect();
    if bound.is_empty() {
        return;
    }
    for provider in &bound {
        let Some(read) = sorted.providers.get(&id(&provider.namespace, &provider.name)) else { continue };
        let shared =
            read.typed.spec.allowed_namespaces.as_ref().is_some_and(|allowed| allowed.from != NamespacesFrom::Same);
        if shared {
            let message = "credentials go over http:// here, so no key of another namespace may use it: use https://, or, if \
                           you trust whoever makes pods there with them, set spec.clearTextCredentials: Allow";
            findings.push(read.object.warning("spec.endpoint", message));
        }
    }
    let bound: Vec<_> = bound.into_iter().map(|provider| id(&provider.namespace, &provider.name)).collect();
    for doc in &mut document.keys {
        let in_other_namespace = |entry: &outrigger_policy::KeyProviderDoc| {
            entry.provider.namespace != doc.namespace && bound.contains(&entry.provider)
        };
        if let Some(read) = sorted.keys.get(&id(&doc.namespace, &doc.name)) {
            for entry in doc.providers.iter().filter(|entry| in_other_namespace(entry)) {
                let index = read.typed.spec.providers.iter().position(|one| one.name == entry.name);
                let path = index.map_or("spec.providers".to_owned(), |index| format!("spec.providers[{index}]"));
                let message = format!(
                    "LLMProvider {} has credentials and an http:// endpoint, and does not send them from other namespaces: use \
                     https:// there, or set its spec.clearTextCredentials: Allow",
                    entry.provider
                );
                findings.push(read.object.error(&path, message).because(Cause::RefNotPermitted));
            }
        }
        let allowed = doc.providers.iter().filter(|entry| !in_other_namespace(entry)).cloned().collect();
        doc.providers = allowed;
    }
}

/// Whether the credentials must not leave the provider's namespace.
fn must_stay(provider: &ProviderDoc, on_this_machine: bool) -> bool {
    let default = || (provider.kind == "Ollama").then_some(OLLAMA);
    let endpoint = provider.endpoint.as_deref().or_else(default);
    let mut hosts = [endpoint, provider.token_server()].into_iter().flatten().filter_map(clear_text_host);
    !provider.credentials.is_empty()
        && !provider.clear_text_credentials
        && hosts.any(|host| !(on_this_machine && is_loopback(host)))
}

/// The host of an `http://` URL; `None` for other URLs.
fn clear_text_host(url: &str) -> Option<&str> {
    let (scheme, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = match authority.strip_prefix('[') {
        Some(rest) => rest.split_once(']').map_or(rest, |(host, _)| host),
        None => authority.rsplit_once(':').map_or(authority, |(host, _)| host),
    };
    scheme.eq_ignore_ascii_case("http").then_some(host)
}

fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recognizes_clear_text_and_loopback() {
        for (url, host, home) in [
            ("http://vllm.models:8000/v1", Some("vllm.models"), false),
            ("HTTP://models", Some("models"), false),
            ("https://vllm.models", None, false),
            ("http://127.0.0.1:1/v1", Some("127.0.0.1"), true),
            ("http://127.9.9.9", Some("127.9.9.9"), true),
            ("http://[::1]:80/", Some("::1"), true),
            ("http://[fd00::1]/", Some("fd00::1"), false),
            ("http://LocalHost/", Some("LocalHost"), true),
            ("http://localhost.evil.test/", Some("localhost.evil.test"), false),
            ("http://127.0.0.1.evil.test/", Some("127.0.0.1.evil.test"), false),
        ] {
            assert_eq!(clear_text_host(url), host, "{url}");
            assert_eq!(host.is_some_and(is_loopback), home, "{url}");
        }
    }
}
