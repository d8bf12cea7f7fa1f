//! Every recorded error answer has the right class.

use std::collections::BTreeMap;

use outrigger_llm::Dialect;
use outrigger_llm::errors::classify::{Class, classify};

mod recorded;

/// By provider, status and a part of the message: the class, and how often it was recorded.
const EXPECTED: &[(&str, u16, &str, Class, usize)] = &[
    ("anthropic", 400, "prompt is too long", Class::ContextTooLong, 1),
    ("anthropic", 401, "invalid x-api-key", Class::Credential, 1),
    ("azure", 401, "Access denied", Class::Credential, 1),
    ("azure", 429, "exceeded rate limit", Class::RateLimited, 1),
    ("bedrock", 400, "Input Tokens Exceeded", Class::ContextTooLong, 1),
    ("bedrock", 403, "security token", Class::Credential, 1),
    ("cohere", 400, "too many tokens", Class::ContextTooLong, 1),
    ("cohere", 401, "Incorrect API key", Class::Credential, 1),
    ("deepseek", 400, "maximum context length", Class::ContextTooLong, 1),
    ("deepseek", 401, "Authentication Fails", Class::Credential, 1),
    ("gemini", 400, "API key not valid", Class::Credential, 1),
    ("gemini", 429, "exceeded your current quota", Class::RateLimited, 1),
    ("mistral", 401, "Invalid API Key", Class::Credential, 1),
    ("ollama", 400, "exceeded max context length", Class::ContextTooLong, 1),
    ("ollama", 401, "Unauthorized", Class::Credential, 1),
    ("openai", 400, "exceeds the context window", Class::ContextTooLong, 1),
    ("openai", 400, "Unsupported parameter", Class::Caller, 1),
    ("openai", 400, "empty array", Class::Caller, 1),
    ("openai", 400, "integer below minimum", Class::Caller, 1),
    ("openai", 400, "less than the minimum", Class::Caller, 1),
    ("openai", 401, "Incorrect API key", Class::Credential, 3),
    ("openai", 404, "does not exist", Class::ModelMissing, 3),
    ("openrouter", 400, "maximum context length", Class::ContextTooLong, 1),
    ("openrouter", 401, "Missing Authentication", Class::Credential, 1),
    ("perplexity", 400, "total length of all messages", Class::ContextTooLong, 1),
    ("perplexity", 401, "Invalid API key", Class::Credential, 1),
    ("vertex", 400, "input token count", Class::ContextTooLong, 1),
    ("xai", 400, "Incorrect API key", Class::Credential, 1),
];

#[test]
fn every_recorded_error_has_the_right_class() {
    let Some(recorded) = recorded::exchanges() else { return };
    let mut seen: BTreeMap<(&str, u16, &str), usize> = BTreeMap::new();
    for exchange in recorded.iter().filter(|exchange| exchange.status >= 400) {
        let dialect = match exchange.provider.as_str() {
            "anthropic" => Dialect::Anthropic,
            "gemini" | "vertex" => Dialect::Gemini,
            "cohere" => Dialect::Cohere,
            _ => Dialect::OpenAi,
        };
        let header = |name: &str| {
            exchange
                .resp_headers
                .iter()
                .flatten()
                .find(|(known, _)| known.eq_ignore_ascii_case(name))
                .map(|(_, v)| v.clone())
        };
        let body = exchange.body.as_deref().unwrap_or_default();
        let failure = classify(dialect, exchange.status, &header, body.as_bytes());
        let expected = EXPECTED.iter().find(|(provider, status, words, _, _)| {
            *provider == exchange.provider && *status == exchange.status && failure.message.contains(words)
        });
        let Some((provider, status, words, class, _)) = expected else {
            panic!("no row for {} {} {failure:?}", exchange.provider, exchange.status)
        };
        assert_eq!(failure.class, *class, "{failure:?}");
        assert!(!failure.message.contains("invalid-key"), "a key is shown: {failure:?}");
        if exchange.provider == "azure" && exchange.status == 429 {
            assert_eq!(failure.retry_after.map(|wait| wait.as_secs()), Some(1), "{failure:?}");
        }
        *seen.entry((*provider, *status, *words)).or_default() += 1;
    }
    for (provider, status, words, _, times) in EXPECTED {
        assert_eq!(seen.get(&(*provider, *status, *words)), Some(times), "{provider} {status} {words}");
    }
}

/// Google's errors that are not the caller's.
const GOOGLE: &[(&str, Class)] = &[
    ("api-key", Class::Credential),
    ("api-not-enabled", Class::Credential),
    ("iam-permission-denied", Class::Credential),
    ("unknown-model", Class::ModelMissing),
    ("model-not-found", Class::ModelMissing),
    ("quota-exceeded", Class::RateLimited),
    ("images-prompt-blocked", Class::Filtered),
];

#[test]
fn googles_errors_have_the_right_class() {
    let Some(answers) = recorded::gemini_answers() else { return };
    let mut looked_at = 0;
    for (name, body) in answers.iter().filter(|(name, _)| name.contains("failure")) {
        let Ok(document) = serde_json::from_slice::<serde_json::Value>(body) else { continue };
        let Some(status) = document["error"]["code"].as_u64() else { continue };
        let status = u16::try_from(status).expect("a status");
        let failure = classify(Dialect::Gemini, status, &|_| None, body);
        let expected = GOOGLE.iter().find(|(words, _)| name.contains(words)).map_or(Class::Caller, |(_, class)| *class);
        assert_eq!(failure.class, expected, "{name}: {failure:?}");
        assert!(!failure.message.contains("AIzv00G7"), "a key is shown: {failure:?}");
        looked_at += 1;
    }
    assert!(looked_at > 20, "{looked_at}");
}
