//! LLMProviders, with the values of their credentials.

pub(crate) mod authorities;
pub(crate) mod clear_text;
pub(crate) mod cloud;
pub(crate) mod credentials;
pub(crate) mod mock;
pub(crate) mod pem;

use std::collections::HashMap;

use outrigger_core::SecretRef;
use outrigger_crds::provider::ClearTextCredentials;
use outrigger_crds::{BalancePolicy, CredentialSource, LlmProvider, LlmProviderType, ProviderModel, SecretKeyRef};
use outrigger_policy::{Balance as BalanceDoc, CredentialDoc, ModelDoc, ProviderDoc, TimeoutsDoc};

use crate::findings::finding::Finding;
use crate::limits::fail_open;
use crate::objects::context::CompileContext;
use crate::objects::number::{count, millis};
use crate::objects::sorted::{ReadObject, SortedObjects};
use crate::providers::authorities::Bundle;
use crate::read::source::Object;
use crate::{limits, prices};

pub(crate) fn compile(
    sorted: &SortedObjects<'_>,
    context: &CompileContext<'_>,
    findings: &mut Vec<Finding>,
) -> (Vec<ProviderDoc>, Vec<(SecretRef, String)>) {
    let mut secrets = Vec::new();
    let mut documents = Vec::new();
    for provider in sorted.providers.values() {
        let Some(mut document) = document(sorted, provider, findings) else { continue };
        let Some(credentials) = credentials_of(sorted, context, provider, &mut secrets, findings) else { continue };
        document.credentials = credentials;
        documents.push(document);
    }
    secrets.sort();
    secrets.dedup();
    (documents, secrets)
}

/// Everything but its credentials; `None` if the provider must not be used.
fn document(
    sorted: &SortedObjects<'_>,
    ReadObject { object, typed }: &ReadObject<'_, LlmProvider>,
    findings: &mut Vec<Finding>,
) -> Option<ProviderDoc> {
    let spec = &typed.spec;
    let before = findings.len();
    let entra = spec.azure.as_ref().and_then(|azure| azure.entra.as_ref());
    let urls = [
        ("spec.endpoint", &spec.endpoint),
        ("spec.azure.entra.authority", entra.map_or(&None, |entra| &entra.authority)),
        ("spec.vertex.tokenEndpoint", spec.vertex.as_ref().map_or(&None, |vertex| &vertex.token_endpoint)),
        ("spec.bedrock.tokenEndpoint", spec.bedrock.as_ref().map_or(&None, |bedrock| &bedrock.token_endpoint)),
    ];
    for (path, url) in urls.into_iter().filter_map(|(path, url)| Some((path, url.as_deref()?))) {
        if let Some(port) = impossible_port(url) {
            findings.push(object.error(path, format!("the port {port} is over 65535")));
        }
        if has_dots(url) {
            let message = "its path has a segment `.` or `..`, which changes the path: write it without them";
            findings.push(object.error(path, message.to_owned()));
        }
    }
    overlaps(object, &spec.models, findings);
    patterns(object, &spec.models, findings);
    let limits = limits::compile(object, "spec.limits", spec.limits.as_ref(), findings);
    let ca = spec.tls.as_ref().and_then(|tls| {
        authorities::bundle(sorted, &object.namespace, &tls.ca_ref)
            .map_err(|(cause, message)| findings.push(object.error("spec.tls.caRef", message).because(cause)))
            .ok()
    });
    if findings.len() > before {
        return None;
    }
    let ca = ca.map(|Bundle { pem, warnings }| {
        findings.extend(warnings.into_iter().map(|message| object.warning("spec.tls.caRef", message)));
        pem
    });
    let limits = limits?;
    let own = fail_open::own("spec.limits", &limits);
    let fail_open = fail_open::compile(object, spec.on_ledger_unavailable.as_ref(), &own, findings);
    let timeouts = spec.timeouts.unwrap_or_default();
    Some(ProviderDoc {
        namespace: object.namespace.clone(),
        name: object.name.clone(),
        kind: type_name(spec.provider_type).to_owned(),
        endpoint: spec.endpoint.clone(),
        credentials: Vec::new(),
        caller_credential: spec.credentials.iter().any(|credential| credential.from == CredentialSource::Caller),
        models: spec.models.iter().map(model).collect(),
        exclusive: spec.exclusive,
        suspended: spec.suspended,
        timeouts: TimeoutsDoc {
            connect: timeouts.connect.map(millis),
            first_token: timeouts.first_token.map(millis),
            attempt: timeouts.attempt.map(millis),
            idle: timeouts.idle.map(millis),
            total: timeouts.total.map(millis),
        },
        account: spec.account.clone(),
        balance: balance(spec.balance),
        max_attempts: spec.retry.map(|retry| count(retry.max_attempts)),
        headers: spec.headers.clone(),
        clear_text_credentials: spec.clear_text_credentials == ClearTextCredentials::Allow,
        prewarm: spec.prewarm,
        ca,
        proxy: spec.proxy.as_ref().map(|proxy| proxy.url.clone()),
        azure: spec.azure.as_ref().map(cloud::azure),
        vertex: spec.vertex.as_ref().map(cloud::vertex),
        bedrock: spec.bedrock.as_ref().map(cloud::bedrock),
        mock: spec.mock.as_ref().map(mock::script),
        limits,
        fail_open,
        default_price: spec.default_price.as_ref().map(prices::compile),
    })
}

fn credentials_of(
    sorted: &SortedObjects<'_>,
    context: &CompileContext<'_>,
    ReadObject { object, typed }: &ReadObject<'_, LlmProvider>,
    secrets: &mut Vec<(SecretRef, String)>,
    findings: &mut Vec<Finding>,
) -> Option<Vec<CredentialDoc>> {
    let credentials = &typed.spec.credentials;
    let usable = credentials::usable(typed.spec.provider_type);
    if credentials.len() > 1 && credentials.iter().all(|credential| credential.weight == 0) {
        findings.push(object.warning("spec.credentials", all_zero("credentials")));
    }
    credentials
        .iter()
        .enumerate()
        // A credential of callers has no Secret, and is none of the gateway's.
        .filter_map(|(index, credential)| Some((index, credential, credential.secret_ref.as_ref()?)))
        .map(|(index, credential, SecretKeyRef { name, key })| {
            let path = format!("spec.credentials[{index}].secretRef");
            let secret = SecretRef::new(&object.namespace, name, key)
                .map_err(|error| findings.push(object.error(&path, error.to_string())))
                .ok()?;
            // A suspended credential is not used, so its value may be missing.
            if !credential.suspended
                && let Some(value) = credentials::value(sorted, context, object, &path, &secret, usable, findings)
            {
                secrets.push((secret.clone(), value));
            }
            Some(CredentialDoc {
                name: credential.name.clone(),
                weight: count(credential.weight),
                models: credential.models.clone(),
                suspended: credential.suspended,
                secret,
            })
        })
        .collect()
}

/// Names and aliases share one namespace: a name for two models would be ambiguous.
fn overlaps(object: &Object, models: &[ProviderModel], findings: &mut Vec<Finding>) {
    let mut names: HashMap<&str, String> = HashMap::new();
    for (index, model) in models.iter().enumerate() {
        names.insert(&model.name, format!("the name of spec.models[{index}]"));
    }
    for (index, model) in models.iter().enumerate() {
        for (alias, name) in model.aliases.iter().enumerate() {
            let path = format!("spec.models[{index}].aliases[{alias}]");
            if let Some(other) = names.get(name.as_str()) {
                findings.push(object.error(&path, format!("`{name}` is already {other}: keep one")));
            } else {
                names.insert(name, format!("an alias, at {path}"));
            }
        }
    }
}

/// A name with a wildcard matches many models: it can't have another name, and is sent as the caller wrote it.
fn patterns(object: &Object, models: &[ProviderModel], findings: &mut Vec<Finding>) {
    for (index, model) in models.iter().enumerate().filter(|(_, model)| model.name.contains(['*', '?'])) {
        let fields = [("upstreamName", model.upstream_name.is_some()), ("aliases", !model.aliases.is_empty())];
        for (field, _) in fields.iter().filter(|(_, set)| *set) {
            let message = format!(
                "the name `{}` is a pattern, and what matches it is sent as it was asked for: remove {field}, or list the models one by one",
                model.name
            );
            findings.push(object.error(&format!("spec.models[{index}].{field}"), message));
        }
    }
}

/// Whether a segment of the path is `.` or `..`, also if encoded: the gateway does not send such a path.
fn has_dots(endpoint: &str) -> bool {
    let path = endpoint.split_once("://").and_then(|(_, rest)| rest.split_once('/')).map_or("", |(_, path)| path);
    let mut path = path.to_ascii_lowercase();
    while path.contains("%25") {
        path = path.replace("%25", "%");
    }
    let path = path.replace("%2e", ".").replace("%2f", "/").replace("%5c", "/").replace("%3b", ";");
    path.split(['/', '\\']).any(|segment| matches!(segment.split(';').next(), Some("." | "..")))
}

/// A port that the schema's pattern accepts although it is over 65535.
fn impossible_port(endpoint: &str) -> Option<u32> {
    let authority = endpoint.split_once("://")?.1.split('/').next()?;
    let after_host = authority.rsplit_once(']').map_or(authority, |(_, rest)| rest);
    after_host.rsplit_once(':')?.1.parse().ok().filter(|port| *port > 65_535)
}

fn model(model: &ProviderModel) -> ModelDoc {
    ModelDoc {
        name: model.name.clone(),
        aliases: model.aliases.clone(),
        upstream_name: model.upstream_name.clone(),
        context_window: model.context_window.map(count),
        max_output_tokens: model.max_output_tokens.map(count),
        capabilities: prices::capabilities(&model.capabilities),
        price: model.price.as_ref().map(prices::compile),
    }
}

fn type_name(kind: LlmProviderType) -> &'static str {
    match kind {
        LlmProviderType::OpenAI => "OpenAI",
        LlmProviderType::Anthropic => "Anthropic",
        LlmProviderType::Gemini => "Gemini",
        LlmProviderType::AzureOpenAI => "AzureOpenAI",
        LlmProviderType::VertexAI => "VertexAI",
        LlmProviderType::Bedrock => "Bedrock",
        LlmProviderType::Mistral => "Mistral",
        LlmProviderType::Groq => "Groq",
        LlmProviderType::Cerebras => "Cerebras",
        LlmProviderType::OpenRouter => "OpenRouter",
        LlmProviderType::DeepSeek => "DeepSeek",
        LlmProviderType::Xai => "xAI",
        LlmProviderType::Together => "Together",
        LlmProviderType::Fireworks => "Fireworks",
        LlmProviderType::Perplexity => "Perplexity",
        LlmProviderType::Nebius => "Nebius",
        LlmProviderType::HuggingFace => "HuggingFace",
        LlmProviderType::Cohere => "Cohere",
        LlmProviderType::Ollama => "Ollama",
        LlmProviderType::Vllm => "vLLM",
        LlmProviderType::SgLang => "SGLang",
        LlmProviderType::OpenAICompatible => "OpenAICompatible",
        LlmProviderType::Mock => "Mock",
    }
}

pub(crate) fn balance(balance: BalancePolicy) -> BalanceDoc {
    match balance {
        BalancePolicy::Weighted => BalanceDoc::Weighted,
        BalancePolicy::Adaptive => BalanceDoc::Adaptive,
    }
}

pub(crate) fn all_zero(what: &str) -> String {
    format!("every weight is 0, so none is chosen: {what} are tried in the order of the list")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_dots_in_the_path_of_an_endpoint() {
        for (endpoint, expected) in [
            ("https://x/v1", false),
            ("https://x", false),
            ("https://x/a..b/.../v1.5", false),
            ("https://x/../v1", true),
            ("https://x/a/./v1", true),
            ("https://x/%2E%2e/v1", true),
            ("https://x/%252e%252e", true),
            ("https://x/a%2f..%2fb", true),
            ("https://x/..;a/v1", true),
        ] {
            assert_eq!(has_dots(endpoint), expected, "{endpoint}");
        }
    }

    #[test]
    fn finds_impossible_ports() {
        for (endpoint, expected) in [
            ("http://a:65535/v1", None),
            ("http://a:65536/v1", Some(65_536)),
            ("https://a", None),
            ("http://[fd00::1]/v1", None),
            ("http://[fd00::1]:99999", Some(99_999)),
        ] {
            assert_eq!(impossible_port(endpoint), expected, "{endpoint}");
        }
    }
}
