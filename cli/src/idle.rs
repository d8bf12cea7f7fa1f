//! Valid objects that have no effect. `run` refuses to start with nothing else, and `check` reports them.

use outrigger_compile::{Compiled, Finding, Object, Severity, Source};
use outrigger_core::SecretRef;
use outrigger_llm::provider::lookup;
use outrigger_policy::{KeyDoc, ProviderDoc};

use crate::serve::{answers, find, is_servable};

/// Reports providers and keys that can answer no request. If this holds for all, `outrigger run` does not start.
pub(crate) fn findings(source: &Source, compiled: &Compiled) -> Vec<Finding> {
    let (document, secrets) = (&compiled.document, compiled.secrets.as_slice());
    let object = |kind: &str, namespace: &str, name: &str| {
        source.objects.iter().find(|one| one.kind == kind && one.namespace == namespace && one.name == name)
    };
    let warning = |object: &Object, path: &str, message: String| object.finding(Severity::Warning, path, message);
    let mut findings = Vec::new();
    for provider in document.providers.iter().filter(|provider| !provider.suspended && all_suspended(provider)) {
        let message =
            "every credential is suspended (spec.credentials[].suspended), so it serves no request".to_owned();
        let found = object("LLMProvider", &provider.namespace, &provider.name);
        findings.extend(found.map(|object| warning(object, "spec.credentials", message)));
    }
    let whole = |key: &&KeyDoc| !key.suspended && !key.keyless && !key.providers.is_empty();
    for key in document.keys.iter().filter(whole) {
        let silent = |id| find(document, id).and_then(|provider| why_unusable(provider, secrets));
        let whys: Option<Vec<String>> = key
            .providers
            .iter()
            .map(|entry| silent(&entry.provider).map(|why| format!("{} {why}", entry.name)))
            .collect();
        let found = object("VirtualKey", &key.namespace, &key.name);
        findings.extend(whys.zip(found).map(|(whys, object)| {
            warning(object, "spec.providers", format!("no provider of it can answer: {}", whys.join("; ")))
        }));
    }
    // Other findings already explain this.
    let is_error = |finding: &Finding| finding.severity == Severity::Error;
    if is_servable(document, secrets) || source.findings.iter().chain(&compiled.findings).any(is_error) {
        return findings;
    }
    let keys = document.keys.iter().filter(|key| !key.keyless);
    let why = match (document.providers.len(), keys.clone().count()) {
        (0, _) => "there is no LLMProvider here that could be used".to_owned(),
        (_, keyed) if keyed > 0 && keys.clone().all(|key| key.suspended) => "every VirtualKey is suspended".to_owned(),
        _ if document.keys.is_empty() => {
            "no VirtualKey is here, and no LLMProvider says `withoutKey: Allow`".to_owned()
        }
        (1, _) => "the only LLMProvider can't answer".to_owned(),
        (_, _) => "no LLMProvider that a key may use can answer".to_owned(),
    };
    let first = ["LLMProvider", "VirtualKey"]
        .iter()
        .find_map(|kind| source.objects.iter().find(|object| object.kind == *kind))
        .or_else(|| source.objects.first());
    findings.extend(first.map(|object| {
        let message =
            format!("no request can be served with these objects: {why}. `outrigger run` will not start with them");
        warning(object, "", message)
    }));
    findings
}

fn all_suspended(provider: &ProviderDoc) -> bool {
    !provider.credentials.is_empty() && provider.credentials.iter().all(|one| one.suspended)
}

/// Why a provider can't answer; `None` if it can.
fn why_unusable(provider: &ProviderDoc, secrets: &[(SecretRef, String)]) -> Option<&'static str> {
    if answers(provider, secrets) {
        return None;
    }
    Some(match provider {
        _ if provider.suspended => "is suspended",
        _ if all_suspended(provider) => "has every credential suspended",
        _ if provider.credentials.is_empty() && !lookup(&provider.kind).is_some_and(|kind| kind.keyless) => {
            "has no credential"
        }
        _ => "has no credential in use with a value",
    })
}
