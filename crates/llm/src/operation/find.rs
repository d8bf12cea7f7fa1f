//! Finds the operation of a path.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use super::{Operation, OperationKind, TABLE};
use crate::Dialect;
use crate::Dialect::{Anthropic, Bedrock, Cohere, Gemini, Ollama, OpenAi};
use crate::path;

/// Prefixes under which other gateways serve the same paths, and the dialect of each.
const PREFIXES: [(&str, Option<Dialect>); 9] = [
    ("openai", Some(OpenAi)),
    ("anthropic", Some(Anthropic)),
    ("genai", Some(Gemini)),
    ("bedrock", Some(Bedrock)),
    ("cohere", Some(Cohere)),
    ("ollama", Some(Ollama)),
    ("litellm", None),
    ("langchain", None),
    ("pydanticai", None),
];

const VERSIONS: [&str; 4] = ["v1", "v1beta", "v1alpha", "v1beta1"];

/// The row of a path.
#[derive(Clone, Debug)]
pub struct Matched {
    pub operation: &'static Operation,
    /// The model's name in the path (an Azure deployment counts as one), decoded.
    pub model: Option<String>,
}

/// Facts from headers about the caller, for paths that dialects share.
#[derive(Clone, Copy, Debug, Default)]
pub struct Hints {
    /// Whether `anthropic-version` is present.
    pub anthropic: bool,
    /// Whether `x-goog-api-key` or `?key=` is present.
    pub google: bool,
    /// Whether a header of Cohere's SDKs is present.
    pub cohere: bool,
}

/// Finds the row for a method and a path (without query), under any of the known prefixes.
#[must_use]
pub fn find(method: &str, path: &str) -> Option<Matched> {
    // A path that some server would normalize to another one matches no row: the gateway only writes its own paths.
    if path::check(path).is_err() {
        return None;
    }
    let mut rest = path.trim_start_matches('/');
    let mut dialect = None;
    let mut deployment = None;
    if let Some((named, after)) =
        PREFIXES.iter().find_map(|(prefix, dialect)| Some((*dialect, strip_segment(rest, prefix)?)))
    {
        dialect = named;
        rest = after;
    }
    // Azure's own prefix may follow another one: /litellm/openai/deployments/…
    if let Some(after) = strip_segment(rest, "openai")
        && dialect.is_none_or(|named| named == OpenAi)
    {
        dialect = Some(OpenAi);
        rest = after;
    }
    if let Some(after) = strip_segment(rest, "deployments") {
        let (name, operation) = deployed(after)?;
        deployment = Some(decode(name)?);
        rest = operation;
    }
    if let Some(after) = VERSIONS.iter().find_map(|version| strip_segment(rest, version)) {
        rest = after;
    }
    // Vertex's paths name a project and a location, which the provider's object determines here.
    let mut publisher = None;
    if let Some((_, after)) = strip_segment(rest, "projects").and_then(|after| after.split_once("/publishers/")) {
        let (named, after) = after.split_once('/')?;
        publisher = Some(decode(named)?);
        rest = after;
    }
    rest = rest.trim_end_matches('/');
    for operation in TABLE.iter().filter(|operation| operation.method == method) {
        let listing = matches!(operation.kind, OperationKind::ListModels | OperationKind::GetModel);
        // A prefix selects a dialect, and then only that dialect's paths match; every dialect has a list of models.
        if !listing && dialect.is_some_and(|named| named != operation.dialect && named != operation.error_dialect()) {
            continue;
        }
        if let Some(model) = match_path(operation.path, rest) {
            let model = match model {
                Some(raw) => Some(published(publisher.as_deref(), operation.dialect, decode(raw)?)),
                None => deployment,
            };
            return Some(Matched { operation, model });
        }
    }
    None
}

/// The dialect of an answer if no row matches the path, or for lists of models.
#[must_use]
pub fn dialect_of(path: &str, hints: Hints) -> Dialect {
    let first = path.trim_start_matches('/').split('/').next().unwrap_or_default();
    if let Some((_, Some(dialect))) = PREFIXES.iter().find(|(prefix, _)| *prefix == first) {
        return *dialect;
    }
    if path.contains("/model/") || first == "foundation-models" || first == "model" {
        return Bedrock;
    }
    // OpenRouter's paths of OpenAI's API begin with `/api/v1`.
    if path.contains("/api/") && !path.contains("/api/v1/") {
        return Ollama;
    }
    let google =
        hints.google || ["/v1beta", ":generateContent", "/publishers/google/"].iter().any(|part| path.contains(part));
    let anthropic = hints.anthropic || ["/messages", "/publishers/anthropic/"].iter().any(|part| path.contains(part));
    let cohere = hints.cohere || path.contains("/v2/");
    match (anthropic, google, cohere) {
        (true, ..) => Anthropic,
        (false, true, _) => Gemini,
        (false, false, true) => Cohere,
        (false, false, false) => OpenAi,
    }
}

/// The deployment's name and the operation of a path below `deployments/`. The name may contain slashes:
/// `openai/gpt-4o/chat/completions`.
fn deployed(path: &str) -> Option<(&str, &'static str)> {
    let path = path.trim_end_matches('/');
    let operations = TABLE.iter().filter(|operation| operation.dialect == OpenAi && operation.method == "POST");
    let names = operations.filter_map(|operation| {
        Some((path.strip_suffix(operation.path)?.strip_suffix('/')?, operation.path))
            .filter(|(name, _)| !name.is_empty())
    });
    // `chat/completions` ends like `completions`.
    names.min_by_key(|(name, _)| name.len())
}

/// The name of a model that a publisher's path contains. Google's SDK makes such a path of `provider/model`.
fn published(publisher: Option<&str>, dialect: Dialect, model: String) -> String {
    match (publisher, dialect) {
        (None, _) | (Some("google"), Gemini) | (Some("anthropic"), Anthropic) => model,
        (Some(publisher), _) => format!("{publisher}/{model}"),
    }
}

fn strip_segment<'a>(path: &'a str, segment: &str) -> Option<&'a str> {
    path.strip_prefix(segment)?.strip_prefix('/')
}

/// `Some(None)` for a match without a model; `Some(Some(model))` for one with a model, still encoded.
fn match_path<'p>(pattern: &str, path: &'p str) -> Option<Option<&'p str>> {
    let Some((before, after)) = pattern.split_once('*') else {
        return (pattern == path).then_some(None);
    };
    let rest = path.strip_prefix(before)?;
    // The colon before the verb may be percent-encoded, because some clients encode whole segments.
    let model = match after.strip_prefix(':') {
        None => rest.strip_suffix(after)?,
        Some(verb) => {
            let rest = rest.strip_suffix(verb)?;
            [":", "%3A", "%3a"].iter().find_map(|colon| rest.strip_suffix(colon))?
        }
    };
    let takes_verb = !after.is_empty();
    (!model.is_empty() && (takes_verb || !is_verb(model))).then_some(Some(model))
}

fn is_verb(model: &str) -> bool {
    let verb = ["%3A", "%3a", ":"].iter().find_map(|colon| model.rsplit_once(colon));
    verb.is_some_and(|(_, verb)| {
        TABLE.iter().any(|operation| operation.path.ends_with(verb) && operation.path.contains(':'))
    })
}

/// `None` if it is not UTF-8, or not allowed in a path.
fn decode(segment: &str) -> Option<String> {
    let text = percent_decode_str(segment).decode_utf8().ok().map(Cow::into_owned)?;
    path::check(&text).is_ok().then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sdk_finds_its_operation() {
        for (method, path, expected) in [
            ("POST", "/v1/chat/completions", Some((OpenAi, "chat", None))),
            ("POST", "/chat/completions", Some((OpenAi, "chat", None))),
            ("POST", "/openai/v1/chat/completions", Some((OpenAi, "chat", None))),
            ("POST", "/openai/chat/completions", Some((OpenAi, "chat", None))),
            ("POST", "/litellm/v1/chat/completions", Some((OpenAi, "chat", None))),
            ("POST", "/langchain/chat/completions", Some((OpenAi, "chat", None))),
            ("POST", "/openai/deployments/gpt-4o/chat/completions", Some((OpenAi, "chat", Some("gpt-4o")))),
            ("POST", "/litellm/openai/deployments/my%20d/chat/completions", Some((OpenAi, "chat", Some("my d")))),
            ("POST", "/openai/openai/deployments/d/chat/completions", Some((OpenAi, "chat", Some("d")))),
            (
                "POST",
                "/openai/deployments/openai/gpt-4o/chat/completions",
                Some((OpenAi, "chat", Some("openai/gpt-4o"))),
            ),
            (
                "POST",
                "/openai/deployments/openai%2Fgpt-4o/embeddings",
                Some((OpenAi, "embeddings", Some("openai/gpt-4o"))),
            ),
            ("POST", "/openai/deployments/d/audio/speech", Some((OpenAi, "speech", Some("d")))),
            (
                "POST",
                "/v1beta1/projects/p/locations/l/publishers/google/models/m:generateContent",
                Some((Gemini, "generate_content", Some("m"))),
            ),
            (
                "POST",
                "/v1/projects/p/locations/l/publishers/google/models/m:countTokens",
                Some((Gemini, "count_tokens", Some("m"))),
            ),
            (
                "POST",
                "/v1/projects/p/locations/l/publishers/anthropic/models/claude-opus-5@20260101:rawPredict",
                Some((Anthropic, "messages", Some("claude-opus-5@20260101"))),
            ),
            (
                "POST",
                "/litellm/v1/projects/p/locations/l/publishers/anthropic/models/claude-opus-5:streamRawPredict",
                Some((Anthropic, "messages", Some("claude-opus-5"))),
            ),
            // This SDK's base ends with the version, so that a base without one has none.
            (
                "POST",
                "/projects/p/locations/l/publishers/anthropic/models/claude-opus-5:rawPredict",
                Some((Anthropic, "messages", Some("claude-opus-5"))),
            ),
            (
                "POST",
                "/v1/projects/p/locations/l/publishers/anthropic/models/count-tokens:rawPredict",
                Some((Anthropic, "count_tokens", None)),
            ),
            (
                "POST",
                "/v1beta1/projects/p/locations/l/publishers/openai/models/gpt-4o:generateContent",
                Some((Gemini, "generate_content", Some("openai/gpt-4o"))),
            ),
            (
                "POST",
                "/v1/projects/p/locations/l/publishers/anthropic/models/openai/gpt-4o:rawPredict",
                Some((Anthropic, "messages", Some("openai/gpt-4o"))),
            ),
            ("POST", "/v1/projects/p/locations/l/publishers/../models/m:generateContent", None),
            ("POST", "/v1/projects/p/locations/l/publishers/google/models/m:fetchPredictOperation", None),
            ("POST", "/v1/projects/p/locations/l/publishers/anthropic/models/../x:rawPredict", None),
            ("POST", "/v1/responses", Some((OpenAi, "responses", None))),
            ("POST", "/v1/embeddings", Some((OpenAi, "embeddings", None))),
            ("POST", "/v1/completions", Some((OpenAi, "completions", None))),
            ("POST", "/v1/messages", Some((Anthropic, "messages", None))),
            ("POST", "/v1/messages", Some((Anthropic, "messages", None))),
            ("POST", "/anthropic/v1/messages", Some((Anthropic, "messages", None))),
            ("POST", "/litellm/v1/messages", Some((Anthropic, "messages", None))),
            ("POST", "/v1/messages/count_tokens", Some((Anthropic, "count_tokens", None))),
            (
                "POST",
                "/v1/models/gemini-2.5-flash:generateContent",
                Some((Gemini, "generate_content", Some("gemini-2.5-flash"))),
            ),
            (
                "POST",
                "/v1beta/models/gemini-2.5-flash:streamGenerateContent",
                Some((Gemini, "generate_content", Some("gemini-2.5-flash"))),
            ),
            (
                "POST",
                "/v1beta/models/openai/gpt-4o:generateContent",
                Some((Gemini, "generate_content", Some("openai/gpt-4o"))),
            ),
            (
                "POST",
                "/v1beta/models/openai%2Fgpt-4o:generateContent",
                Some((Gemini, "generate_content", Some("openai/gpt-4o"))),
            ),
            ("POST", "/genai/v1beta/models/g%3AgenerateContent", Some((Gemini, "generate_content", Some("g")))),
            ("POST", "/v1beta/models/m:countTokens", Some((Gemini, "count_tokens", Some("m")))),
            ("POST", "/v1/models/m:embedContent", Some((Gemini, "embeddings", Some("m")))),
            (
                "POST",
                "/model/us.amazon.nova-2-lite-v1%3A0/converse",
                Some((Bedrock, "converse", Some("us.amazon.nova-2-lite-v1:0"))),
            ),
            (
                "POST",
                "/model/amazon.nova-pro-v1:0/converse-stream",
                Some((Bedrock, "converse", Some("amazon.nova-pro-v1:0"))),
            ),
            ("POST", "/bedrock/model/openai%2Fgpt-4o/converse", Some((Bedrock, "converse", Some("openai/gpt-4o")))),
            (
                "POST",
                "/model/arn%3Aaws%3Abedrock%3Aeu-west-1%3A123%3Ainference-profile%2Feu.anthropic.claude-x/invoke",
                Some((
                    Anthropic,
                    "invoke_model",
                    Some("arn:aws:bedrock:eu-west-1:123:inference-profile/eu.anthropic.claude-x"),
                )),
            ),
            (
                "POST",
                "/bedrock/model/claude/invoke-with-response-stream",
                Some((Anthropic, "invoke_model", Some("claude"))),
            ),
            ("GET", "/foundation-models", Some((Bedrock, "models", None))),
            ("GET", "/foundation-models/a/b", Some((Bedrock, "models", Some("a/b")))),
            ("POST", "/model/m/apply", None),
            ("POST", "/model//converse", None),
            ("POST", "/model/../converse", None),
            ("POST", "/bedrock/v1/messages", None),
            ("GET", "/v1/models", Some((OpenAi, "models", None))),
            ("GET", "/v1/models", Some((OpenAi, "models", None))),
            ("GET", "/v1/models/openai/gpt-4o", Some((OpenAi, "models", Some("openai/gpt-4o")))),
            ("GET", "/v1/chat/completions", None),
            ("POST", "/v1/nothing", None),
            ("POST", "/v2/chat", Some((Cohere, "chat", None))),
            ("POST", "/cohere/v2/chat", Some((Cohere, "chat", None))),
            ("POST", "/litellm/v2/chat", Some((Cohere, "chat", None))),
            ("POST", "/v1/v2/chat", Some((Cohere, "chat", None))),
            ("POST", "/v2/embed", Some((Cohere, "embeddings", None))),
            ("POST", "/cohere/v2/embed", Some((Cohere, "embeddings", None))),
            ("POST", "/v2/rerank", Some((Cohere, "rerank", None))),
            ("POST", "/v1/rerank", Some((OpenAi, "rerank", None))),
            ("POST", "/rerank", Some((OpenAi, "rerank", None))),
            ("POST", "/api/chat", Some((Ollama, "chat", None))),
            ("POST", "/ollama/api/chat", Some((Ollama, "chat", None))),
            ("POST", "/api/generate", Some((Ollama, "generate", None))),
            ("POST", "/api/embed", Some((Ollama, "embeddings", None))),
            ("GET", "/api/tags", Some((Ollama, "models", None))),
            ("GET", "/api/ps", Some((Ollama, "models", None))),
            ("POST", "/ollama/api/show", Some((Ollama, "models", None))),
            ("GET", "/api/version", Some((Ollama, "version", None))),
            // Management of a server.
            ("POST", "/api/pull", None),
            ("POST", "/api/create", None),
            ("POST", "/openai/api/chat", None),
            // Version 1 is another API.
            ("POST", "/cohere/v1/rerank", None),
            ("POST", "/v1/embed", None),
            ("POST", "/v1/chat", None),
            ("POST", "/cohere/v1/chat", None),
            ("POST", "/openai/v2/chat", None),
            ("POST", "/v1beta/models/:generateContent", None),
            ("POST", "/", None),
            ("POST", "/openai/deployments/x", None),
            // Paths of no operation.
            ("POST", "/v1/../v1/chat/completions", None),
            ("POST", "/v1/./chat/completions", None),
            ("POST", "/v1/%2e%2e/v1/chat/completions", None),
            ("POST", "/v1/chat%2Fcompletions", None),
            ("POST", "/v1\\chat/completions", None),
            ("POST", "/v1//chat/completions", None),
            ("POST", "/v1;a=b/chat/completions", None),
            ("POST", "/v1beta/models/../../x:generateContent", None),
            ("POST", "/v1beta/models/..%2F..%2Fx:generateContent", None),
            ("POST", "/v1beta/models/%252e%252e:generateContent", None),
            ("POST", "/v1beta/models/a%0d%0ab:generateContent", None),
            ("POST", "/v1beta/models/a%00:generateContent", None),
            ("POST", "/v1beta/models/%ff:generateContent", None),
            ("POST", "/openai/deployments/../chat/completions", None),
            ("POST", "/openai/deployments/%2e%2e/chat/completions", None),
            ("GET", "/v1/models/..", None),
        ] {
            let found = find(method, path);
            let found = found.as_ref().map(|m| (m.operation.dialect, m.operation.name, m.model.as_deref()));
            assert_eq!(found, expected, "{method} {path}");
        }
    }
}
