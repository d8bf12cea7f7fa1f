//! The scope of an exhausted limit: one model, all models of a credential, or all of its account.
//!
//! Most providers count each model separately, so that is assumed unless the answer shows otherwise.

use super::Class;
use super::parts::ErrorParts;
use crate::Dialect;

/// What is put into cooldown after a rate limit, or when a quota is used up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Scope {
    #[default]
    Model,
    /// All models with this credential.
    Credential,
    /// All models with all credentials of the account.
    Account,
}

pub(super) fn scope(
    dialect: Dialect,
    class: Class,
    header: &dyn Fn(&str) -> Option<String>,
    error: &ErrorParts,
) -> Scope {
    match class {
        Class::RateLimited => limited(dialect, header, error),
        // Money belongs to the account. Google has daily quotas for each model.
        Class::Quota if error.per_model == Some(true) => Scope::Model,
        Class::Quota => Scope::Account,
        Class::Credential => Scope::Credential,
        _ => Scope::Model,
    }
}

fn limited(dialect: Dialect, header: &dyn Fn(&str) -> Option<String>, error: &ErrorParts) -> Scope {
    match error.per_model {
        Some(true) => return Scope::Model,
        Some(false) => return Scope::Account,
        None => {}
    }
    // Anthropic's subscriptions: one allowance for all models.
    if header("anthropic-ratelimit-unified-status").is_some_and(|status| status.trim() == "rejected") {
        return Scope::Credential;
    }
    let text = error.message.to_lowercase();
    let contains = |words: &[&str]| words.iter().any(|words| text.contains(words));
    if contains(ALL_MODELS) {
        return Scope::Account;
    }
    if contains(OF_KEY) {
        return Scope::Credential;
    }
    if contains(OF_MODEL) || names_model(&text) {
        return Scope::Model;
    }
    // Anthropic always mentions the organization, and counts each class of models separately.
    if dialect != Dialect::Anthropic && contains(OF_ACCOUNT) {
        return Scope::Account;
    }
    Scope::Model
}

const ALL_MODELS: &[&str] = &["all models", "any model", "every model", "free-models-per"];

const OF_KEY: &[&str] = &[
    "api key",
    "api-key",
    "trial key",
    "your key",
    "this key",
    "per key",
    "for key",
    "access token",
    "concurrent connections",
];

const OF_MODEL: &[&str] = &[
    "model:",
    "model `",
    "model '",
    "model \"",
    "model=",
    "this model",
    "per model",
    "for model",
    "requested model",
    "the model",
];

const OF_ACCOUNT: &[&str] = &[
    "organization",
    "organisation",
    "workspace",
    "your project",
    "this project",
    "account",
    "your team",
    "this team",
    "tenant",
];

/// `Rate limit reached for gpt-4o in organization org-x`: the word after it is a model unless it is one of these.
fn names_model(text: &str) -> bool {
    const NO_MODEL: &[&str] = &[
        "organization",
        "organisation",
        "org",
        "project",
        "account",
        "workspace",
        "team",
        "user",
        "your",
        "this",
        "the",
        "requests",
        "request",
        "tokens",
        "token",
        "input",
        "output",
        "api",
        "key",
        "a",
        "an",
        "all",
    ];
    ["reached for ", "exceeded for ", "too large for "].iter().any(|words| {
        let behind = text.find(words).and_then(|at| text.get(at + words.len()..));
        let word = behind.and_then(|behind| behind.split_whitespace().next()).unwrap_or_default();
        let word = word.trim_matches(['.', ',', ':', ';', '`', '\'', '"']);
        !word.is_empty() && !word.starts_with("org-") && !NO_MODEL.contains(&word)
    })
}

#[cfg(test)]
mod tests {
    use super::super::classify;
    use super::*;
    use Dialect::{Anthropic, Gemini, OpenAi};

    fn read(dialect: Dialect, status: u16, headers: &[(&str, &str)], body: &str) -> Scope {
        let header =
            |name: &str| headers.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        classify(dialect, status, &header, body.as_bytes()).scope
    }

    #[test]
    fn the_message_of_a_limit_shows_its_scope() {
        for (dialect, message, scope) in [
            (
                OpenAi,
                "Rate limit reached for gpt-4o in organization org-x on tokens per min (TPM): Limit 30000",
                Scope::Model,
            ),
            (OpenAi, "Rate limit reached for organization org-x on requests per min", Scope::Account),
            (OpenAi, "Request too large for gpt-4o in organization org-x on tokens per min (TPM)", Scope::Model),
            (
                OpenAi,
                "Rate limit reached for model `llama-3` in organization `org_x` service tier `on_demand`",
                Scope::Model,
            ),
            (OpenAi, "Requests rate limit exceeded", Scope::Model),
            (OpenAi, "Service tier capacity exceeded for this model.", Scope::Model),
            (OpenAi, "Your organization has made too many requests", Scope::Account),
            (OpenAi, "You are using a Trial key, which is limited to 10 API calls / minute.", Scope::Credential),
            (OpenAi, "Rate limit exceeded: free-models-per-min. ", Scope::Account),
            (OpenAi, "Too many requests for this API key", Scope::Credential),
            (OpenAi, "Rate limit reached for requests", Scope::Model),
            (OpenAi, "slow down", Scope::Model),
            (OpenAi, "", Scope::Model),
            (
                Anthropic,
                "This request would exceed your organization's rate limit of 50 requests per minute",
                Scope::Model,
            ),
            (
                Anthropic,
                "This request would exceed the rate limit for your organization (x) of 40,000 input tokens per minute (model: claude-opus-4)",
                Scope::Model,
            ),
            (Anthropic, "Number of concurrent connections has exceeded your rate limit.", Scope::Credential),
        ] {
            let kind = if dialect == Anthropic { "rate_limit_error" } else { "rate_limit_exceeded" };
            let body = serde_json::json!({"type": "error", "error": {"type": kind, "message": message}}).to_string();
            assert_eq!(read(dialect, 429, &[], &body), scope, "{message}");
        }
    }

    #[test]
    fn structured_details_precede_the_message() {
        let google = |ids: &[(&str, Option<&str>)]| {
            let violations: Vec<_> = ids
                .iter()
                .map(|(id, model)| match model {
                    Some(model) => serde_json::json!({"quotaId": id, "quotaDimensions": {"model": model}}),
                    None => serde_json::json!({"quotaId": id}),
                })
                .collect();
            serde_json::json!({"error": {
                "code": 429, "status": "RESOURCE_EXHAUSTED", "message": "You exceeded your current quota",
                "details": [{"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": violations}],
            }})
            .to_string()
        };
        for (ids, scope) in [
            (&[("GenerateRequestsPerMinutePerProjectPerModel-FreeTier", None)][..], Scope::Model),
            (&[("GenerateContentInputTokens", Some("gemini-2.5-pro"))], Scope::Model),
            (&[("GenerateRequestsPerDayPerProjectPerModel-FreeTier", Some("gemini-2.5-pro"))], Scope::Model),
            (&[("RequestsPerMinutePerProject", None)], Scope::Account),
            (&[("RequestsPerMinutePerProjectPerModel", None), ("RequestsPerMinutePerProject", None)], Scope::Account),
        ] {
            assert_eq!(read(Gemini, 429, &[], &google(ids)), scope, "{ids:?}");
        }
        let unified = [("anthropic-ratelimit-unified-status", "rejected")];
        let body = r#"{"type":"error","error":{"type":"rate_limit_error","message":"This request would exceed your account's rate limit."}}"#;
        assert_eq!(read(Anthropic, 429, &unified, body), Scope::Credential);
        assert_eq!(read(Anthropic, 429, &[("anthropic-ratelimit-requests-remaining", "0")], body), Scope::Model);
        let empty = r#"{"error":{"type":"insufficient_quota","code":"insufficient_quota","message":"You exceeded your current quota"}}"#;
        assert_eq!(read(OpenAi, 429, &[], empty), Scope::Account);
    }
}
