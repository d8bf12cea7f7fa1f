//! Answers of the gateway itself: the models of a key, an API's version, and all served paths.

use std::time::UNIX_EPOCH;

use http::Response;
use outrigger_core::{Capabilities, RefusalKind};
use outrigger_llm::listing::ListedModel;
use outrigger_llm::operation::{self, OperationKind};
use outrigger_llm::{Dialect, registry};
use outrigger_policy::{Key, Policy, list_models};

use crate::completion::Completion;
use crate::request::refusal::{self, Refusal};
use crate::request::reply::ReplyBody;

/// Answers `/v1/models`, `/v1/models/MODEL` and their like from the policy, without an upstream.
pub fn list(mut completion: Box<Completion>) -> Response<ReplyBody> {
    let context = &completion.context;
    let created = completion.gateway.born.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let listed: Vec<ListedModel> = list_models(&context.served.policy, context.key())
        .into_iter()
        .map(|(provider, model)| ListedModel {
            id: format!("{provider}/{model}"),
            owned_by: provider,
            created,
            capabilities: None,
        })
        .collect();
    let body = match &context.model {
        None if context.operation.kind == OperationKind::Version => registry::version(),
        None => registry::list_models(context.dialect, &listed),
        Some(name) => {
            let name = name.strip_prefix("models/").unwrap_or(name);
            let found = listed
                .iter()
                .find(|model| model.id == *name)
                .or_else(|| listed.iter().find(|model| model.id.split_once('/').is_some_and(|(_, bare)| bare == name)));
            match found {
                Some(model) => {
                    let capabilities = capabilities(&context.served.policy, context.key(), &model.id);
                    registry::list_model(context.dialect, &ListedModel { capabilities, ..model.clone() })
                }
                None => {
                    let message = format!("no model `{name}` is listed for VirtualKey {}", context.key().id);
                    return completion.refuse(&Refusal::new(RefusalKind::ModelNotFound, message));
                }
            }
        }
    };
    let mut response = refusal::json(200, body.to_string());
    completion.add_headers(response.headers_mut());
    completion.record_overhead();
    completion.finish(200);
    response
}

/// The known capabilities of a listed model.
fn capabilities(policy: &Policy, key: &Key, listed: &str) -> Option<Capabilities> {
    let (provider, model) = listed.split_once('/')?;
    let entry = key.providers.iter().find(|entry| *entry.name == *provider)?;
    policy.capabilities(entry.provider, model)
}

pub fn unknown_path(method: &str, path: &str) -> Refusal {
    let mut message = format!("{} {} is not served here. The served paths are:", method, shortened(path));
    for dialect in Dialect::ALL {
        let paths: Vec<String> = operation::TABLE
            .iter()
            .filter(|row| row.dialect == dialect)
            .map(|row| {
                let version = if row.is_invoke_model() { "" } else { version(dialect) };
                format!("{} {version}/{}", row.method, row.path.replace('*', "{model}"))
            })
            .collect();
        message.push_str(&format!(" {dialect}: {};", paths.join(", ")));
    }
    message.pop();
    Refusal::new(RefusalKind::UnknownPath, message)
}

fn version(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::OpenAi | Dialect::Anthropic => "/v1",
        Dialect::Gemini => "/v1beta",
        // AWS has no versions in paths.
        Dialect::Bedrock => "",
        // It is a part of the path.
        Dialect::Cohere => "",
        Dialect::Ollama => "",
    }
}

fn shortened(path: &str) -> String {
    path.chars().take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_path_lists_the_served_ones() {
        let refusal = unknown_path("GET", "/nothing");
        assert_eq!(refusal.status, 404);
        for part in [
            "openai: POST /v1/chat/completions",
            "anthropic: POST /v1/messages",
            "POST /v1beta/models/{model}:generateContent",
            "cohere: POST /v2/chat",
            "ollama: POST /api/chat",
        ] {
            assert!(refusal.message.contains(part), "{part} in {}", refusal.message);
        }
    }
}
