//! Providers from environment variables, for `run` without a folder; and the environment of the application.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fmt::Write;
use std::net::SocketAddr;

use outrigger_compile::{Object, variable};
use outrigger_core::SecretRef;
use outrigger_llm::capture::{CAPTURES, PLACEHOLDER};
use outrigger_llm::provider::{ProviderType, TYPES};
use outrigger_policy::Document;
use serde_json::Value;

use crate::folder::SourceText;

/// The file name in findings about these objects.
const FILE: &str = "environment";

/// Objects for each provider type whose variable is set. Without any, a mock, so that something answers.
pub(crate) fn objects(environment: &dyn Fn(&str) -> Option<String>) -> SourceText {
    let mut text = String::new();
    for kind in TYPES {
        let set = |name: &&&str| environment(name).is_some_and(|value| !value.trim().is_empty());
        if let Some(secret) = kind.variables.iter().find(set).and_then(|name| secret_of(name)) {
            provider(
                &mut text,
                &kind.name.to_lowercase(),
                kind,
                &format!("  credentials: [{{name: main, secretRef: {{name: {secret}}}}}]\n"),
            );
        }
    }
    if text.is_empty()
        && let Some(mock) = TYPES.iter().find(|kind| kind.name == "Mock")
    {
        provider(&mut text, "mock", mock, "  mock: {}\n");
    }
    SourceText { file: FILE.to_owned(), text }
}

fn provider(text: &mut String, name: &str, kind: &ProviderType, more: &str) {
    let _ = write!(
        text,
        "---\napiVersion: outrigger.dev/v1alpha1\nkind: LLMProvider\nmetadata: {{name: {name}}}\nspec:\n  type: {}\n{more}  \
         withoutKey: Allow\n",
        kind.name
    );
}

/// The variable that may hold the `apiKey` of a Secret.
fn secret_of(name: &str) -> Option<String> {
    let secret = name.strip_suffix("_API_KEY")?.to_lowercase().replace('_', "-");
    (variable(&secret, "apiKey") == name).then_some(secret)
}

/// The variables that may hold keys, in the order of the types.
pub(crate) fn variables() -> Vec<&'static str> {
    TYPES.iter().flat_map(|kind| kind.variables).copied().collect()
}

/// The variables that may hold the credentials of these objects, whether or not the objects are valid.
pub(crate) fn named(objects: &[Object]) -> Vec<String> {
    let credentials = objects
        .iter()
        .filter(|object| object.kind == "LLMProvider")
        .flat_map(|object| object.value.pointer("/spec/credentials").and_then(Value::as_array).into_iter().flatten());
    let named = |credential: &Value| {
        let reference = credential.get("secretRef")?;
        let key = reference.get("key").and_then(Value::as_str).unwrap_or("apiKey");
        Some(variable(reference.get("name")?.as_str()?, key))
    };
    credentials.filter_map(named).collect()
}

/// The variables that hold one of these values: the same key under another name.
pub(crate) fn holding(secrets: &[(SecretRef, String)], all: impl Iterator<Item = (OsString, OsString)>) -> Vec<String> {
    let values: BTreeSet<&str> =
        secrets.iter().map(|(_, value)| value.trim()).filter(|value| !value.is_empty()).collect();
    let text = |(name, value): (OsString, OsString)| Some((name.into_string().ok()?, value.into_string().ok()?));
    all.filter_map(text).filter(|(_, value)| values.contains(value.trim())).map(|(name, _)| name).collect()
}

/// The variables that an application is started with: the URLs for its SDKs, and placeholders for keys that it must not
/// get.
///
/// There is a placeholder for every key that an SDK requires, and for each variable that is set and could hold a
/// provider's key. `key_variables` adds more variables.
pub(crate) fn for_application(
    client: SocketAddr,
    document: &Document,
    key_variables: &[String],
    environment: &dyn Fn(&str) -> Option<String>,
) -> Vec<(String, String)> {
    let address = client.to_string();
    let usual = || CAPTURES.iter().filter(|capture| capture.usual);
    let mut all: Vec<(String, String)> =
        usual().flat_map(|capture| capture.urls_at(&address)).map(|(name, value)| (name.to_owned(), value)).collect();
    let mut replaced: Vec<String> = usual().map(|capture| capture.key.to_owned()).collect();
    let secrets = document.providers.iter().flat_map(|provider| &provider.credentials);
    let from = secrets.map(|credential| variable(credential.secret.name(), credential.secret.key()));
    let from = from.chain(key_variables.iter().cloned()).chain(variables().into_iter().map(str::to_owned));
    replaced.extend(from.filter(|name| environment(name).is_some()));
    // Claude Code sends this one as a bearer token and prefers it.
    replaced.extend(environment("ANTHROPIC_AUTH_TOKEN").map(|_| "ANTHROPIC_AUTH_TOKEN".to_owned()));
    replaced.sort();
    replaced.dedup();
    all.extend(replaced.into_iter().map(|name| (name, PLACEHOLDER.to_owned())));
    all.extend(past_proxies(client, environment));
    all
}

/// Excludes this address from proxies. Otherwise an SDK would call it through the proxy.
fn past_proxies(
    client: SocketAddr,
    environment: &dyn Fn(&str) -> Option<String>,
) -> impl Iterator<Item = (String, String)> {
    let host = client.ip().to_string();
    let proxied = ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"].iter().any(|name| environment(name).is_some());
    ["NO_PROXY", "no_proxy"].into_iter().filter(move |_| proxied).filter_map(move |name| {
        let excepted = environment(name).unwrap_or_default();
        let mut hosts: Vec<&str> = excepted.split(',').map(str::trim).filter(|host| !host.is_empty()).collect();
        if hosts.contains(&"*") || hosts.contains(&host.as_str()) {
            return None;
        }
        hosts.push(&host);
        Some((name.to_owned(), hosts.join(",")))
    })
}

#[cfg(test)]
mod tests {
    use outrigger_compile::{Inputs, OPERATOR_NAMESPACE, Severity, compile};

    use super::*;
    use crate::folder;

    fn compiled(set: &[&str]) -> outrigger_compile::Compiled {
        let environment = |name: &str| set.contains(&name).then(|| format!("value-of-{name}"));
        let source = folder::objects(&[objects(&environment)]);
        assert_eq!(source.findings, []);
        let inputs = Inputs {
            objects: &source.objects,
            unread: false,
            environment: &environment,
            keys: &[],
            without_value: Severity::Error,
            sequence: 1,
            operator_namespace: OPERATOR_NAMESPACE,
        };
        compile(&inputs)
    }

    #[test]
    fn every_variable_makes_a_provider_that_uses_it() {
        for name in variables() {
            let compiled = compiled(&[name]);
            assert_eq!(compiled.findings, [], "{name}");
            let [(_, value)] = compiled.secrets.as_slice() else { panic!("{name}: {compiled:?}") };
            assert_eq!(*value, format!("value-of-{name}"));
            assert!(compiled.document.keys[0].keyless);
            assert_eq!(compiled.document.default_key.as_deref(), Some("default/default"));
        }
    }

    #[test]
    fn one_provider_a_type_and_a_mock_without_any() {
        let names = |set: &[&str]| {
            compiled(set).document.providers.into_iter().map(|provider| provider.name).collect::<Vec<_>>()
        };
        assert_eq!(names(&["GEMINI_API_KEY", "GOOGLE_API_KEY", "OPENAI_API_KEY"]), ["gemini", "openai"]);
        assert_eq!(names(&[]), ["mock"]);
    }

    #[test]
    fn an_application_behind_a_proxy_connects_directly() {
        let given = |set: &'static [(&'static str, &'static str)]| {
            let environment =
                move |name: &str| set.iter().find(|(known, _)| *known == name).map(|(_, v)| (*v).to_owned());
            past_proxies(([127, 0, 0, 1], 4180).into(), &environment).collect::<Vec<_>>()
        };
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(given(&[("NO_PROXY", "corp")]), []);
        assert_eq!(
            given(&[("HTTP_PROXY", "http://p"), ("NO_PROXY", "corp, x")]),
            [pair("NO_PROXY", "corp,x,127.0.0.1"), pair("no_proxy", "127.0.0.1")]
        );
        assert_eq!(given(&[("http_proxy", "http://p"), ("NO_PROXY", "*"), ("no_proxy", "127.0.0.1")]), []);
    }

    #[test]
    fn a_key_is_found_under_every_name() {
        let text = "apiVersion: outrigger.dev/v1alpha1\nkind: LLMProvider\nmetadata: {name: broken}\nspec:\n  type: Nope\n  \
                    credentials:\n  - {name: a, secretRef: {name: corp-models}}\n  - {name: b, secretRef: {name: x, key: token}}\n";
        let texts = [SourceText { file: "a.yaml".to_owned(), text: text.to_owned() }];
        assert_eq!(
            named(&folder::objects(&texts).objects),
            ["CORP_MODELS_API_KEY", "X_TOKEN"],
            "of one that can't be used as well"
        );
        let at = SecretRef::new("a", "b", "c").unwrap();
        let all = [("COPY", "sk-1\n"), ("OTHER", "sk-2"), ("EMPTY", ""), ("LONGER", "sk-12")];
        let all = all.into_iter().map(|(name, value)| (name.into(), value.into()));
        assert_eq!(holding(&[(at.clone(), "sk-1".to_owned()), (at, " ".to_owned())], all), ["COPY"]);
        let key_variables = ["COPY".to_owned(), "NOT_SET".to_owned()];
        let given = for_application(([127, 0, 0, 1], 1).into(), &Document::default(), &key_variables, &|name| {
            (name == "COPY").then(|| "sk-1".to_owned())
        });
        assert!(given.contains(&("COPY".to_owned(), PLACEHOLDER.to_owned())));
        assert!(!given.iter().any(|(name, _)| name == "NOT_SET"));
    }

    #[test]
    fn the_application_gets_no_key() {
        let compiled = compiled(&["OPENAI_API_KEY", "GROQ_API_KEY"]);
        let set = ["OPENAI_API_KEY", "GROQ_API_KEY", "GOOGLE_API_KEY", "HOME"];
        let environment = |name: &str| set.contains(&name).then(|| "secret".to_owned());
        let given = for_application(([127, 0, 0, 1], 4180).into(), &compiled.document, &[], &environment);
        let given: Vec<(&str, &str)> = given.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(
            given,
            [
                ("OPENAI_BASE_URL", "http://127.0.0.1:4180/v1"),
                ("OPENAI_API_BASE", "http://127.0.0.1:4180/v1"),
                ("ANTHROPIC_BASE_URL", "http://127.0.0.1:4180"),
                ("GOOGLE_GEMINI_BASE_URL", "http://127.0.0.1:4180"),
                ("ANTHROPIC_API_KEY", "outrigger"),
                ("GEMINI_API_KEY", "outrigger"),
                ("GOOGLE_API_KEY", "outrigger"),
                ("GROQ_API_KEY", "outrigger"),
                ("OPENAI_API_KEY", "outrigger"),
            ]
        );
    }
}
