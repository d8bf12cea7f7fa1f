//! Parses everything that a decision needs from a request: path, headers, query and body.
//!
//! Pure. The gateway uses it, and `explain` for a request in a file.

use http::HeaderMap;
use outrigger_core::RefusalKind;
use outrigger_llm::chat::{self, JsonObject};
use outrigger_llm::embeddings;
use outrigger_llm::json::strict;
use outrigger_llm::operation::{Matched, ModelLocation, Operation, OperationKind, StreamForm};
use outrigger_llm::passthrough::scan::{self, OwnFallbacks, Scanned};
use outrigger_llm::provider::Target;
use outrigger_llm::{Dialect, RequestError, encode_request, rerank};
use outrigger_policy::{Others, bounds};
use serde_json::Value;

use crate::request::body::form_model;
use crate::request::headers::is_credential;
use crate::request::query::Query;
use crate::request::refusal::Refusal;

/// The longest name of a model, in bytes. Names are compared with all names of the policy, returned and recorded.
pub(crate) const MAX_NAME: usize = 512;
/// The most fallbacks in a body.
const MAX_FALLBACKS: usize = 32;

/// The header with which a caller of InvokeModel asks for a filter of AWS. Without it, the answer would be unfiltered.
const GUARDRAIL: &str = "x-amzn-bedrock-guardrailidentifier";

/// A parsed request.
#[derive(Clone, Debug)]
pub struct ParsedRequest {
    pub operation: &'static Operation,
    /// As the caller wrote it.
    pub model: Option<String>,
    pub stream: bool,
    /// How the caller gets the events.
    pub stream_form: StreamForm,
    pub scanned: Scanned,
}

/// Why a request is invalid, and the model that it names, if it may be recorded.
#[derive(Clone, Debug)]
pub struct ParseFailure {
    pub refusal: Refusal,
    pub model: Option<String>,
}

/// Parses a request. If there is no body, only what the path says.
///
/// # Errors
/// The refusal of an invalid body.
pub fn read(matched: Matched, headers: &HeaderMap, query: &Query, body: &[u8]) -> Result<ParsedRequest, ParseFailure> {
    let invalid =
        |message: String| ParseFailure { refusal: Refusal::new(RefusalKind::InvalidRequest, message), model: None };
    let Matched { operation, model: in_path } = matched;
    if operation.is_invoke_model() && headers.contains_key(GUARDRAIL) {
        let message = format!("`{GUARDRAIL}` is not supported: the gateway applies no guardrail of AWS to InvokeModel");
        return Err(invalid(message));
    }
    let (model, scanned) = match operation.model {
        ModelLocation::Form => {
            let found =
                form_model(headers, body).ok_or_else(|| invalid("the form needs one field `model`".to_owned()))?;
            (Some(found.0), Scanned::default())
        }
        place => {
            let scanned = scan(operation, body).map_err(|refusal| ParseFailure { refusal, model: None })?;
            let model = match place {
                ModelLocation::Path => in_path,
                // The name of an Azure deployment is in the path; a name in the body has no meaning there.
                _ => in_path.or_else(|| scanned.model.clone()),
            };
            (model, scanned)
        }
    };
    of(operation, query, model, scanned)
}

/// The same from parsed parts.
///
/// # Errors
/// If a name is missing or too long, or there are too many fallbacks.
pub fn of(
    operation: &'static Operation,
    query: &Query,
    model: Option<String>,
    scanned: Scanned,
) -> Result<ParsedRequest, ParseFailure> {
    let invalid = |message: String| Refusal::new(RefusalKind::InvalidRequest, message);
    if operation.model != ModelLocation::Nowhere && model.as_deref().is_none_or(str::is_empty) {
        let refusal = Refusal { param: Some("model".to_owned()), ..invalid("`model` is missing".to_owned()) };
        return Err(ParseFailure { refusal, model });
    }
    let fallbacks = match &scanned.own_fallbacks {
        Some(OwnFallbacks::Models(models)) => models,
        _ => scanned.fallbacks.as_deref().unwrap_or_default(),
    };
    if fallbacks.len() > MAX_FALLBACKS {
        let message = format!("`fallbacks` may name at most {MAX_FALLBACKS} candidates");
        return Err(ParseFailure { refusal: invalid(message), model });
    }
    if model.iter().chain(fallbacks).any(|name| name.len() > MAX_NAME) {
        // Not recorded: recording long names would fill the memory.
        let message = format!("a model's name may have at most {MAX_NAME} bytes");
        return Err(ParseFailure { refusal: invalid(message), model: None });
    }
    if model.iter().chain(fallbacks).any(|name| name.chars().any(char::is_control)) {
        return Err(ParseFailure {
            refusal: invalid("a model's name may not contain control characters".to_owned()),
            model,
        });
    }
    // The path of Claude at Vertex AI repeats what the body says.
    let asked = match operation.dialect {
        // A stream is the default there.
        Dialect::Ollama => !scanned.unstreamed,
        _ => scanned.stream,
    };
    let stream = operation.streams && (operation.streams_by_path() || asked);
    let stream_form = match operation.dialect {
        Dialect::Gemini if stream && !query.wants_events() => StreamForm::Array,
        Dialect::Anthropic if stream && operation.is_invoke_model() => StreamForm::AwsChunks,
        _ => StreamForm::Events,
    };
    Ok(ParsedRequest { operation, model, stream, stream_form, scanned })
}

/// Finds the fields of a body that are read or edited. Does nothing for a form.
///
/// # Errors
/// If the body is ambiguous or invalid.
pub fn scan(operation: &Operation, body: &[u8]) -> Result<Scanned, Refusal> {
    if operation.model == ModelLocation::Form {
        return Ok(Scanned::default());
    }
    let invalid = |message: String| Refusal::new(RefusalKind::InvalidRequest, message);
    let scanned = scan::scan(body).map_err(|error| invalid(error.to_string()))?;
    if operation.is_invoke_model() && !scanned.has_anthropic_version() {
        let message = "InvokeModel is served for bodies of Claude, which have an `anthropic_version`; call other models \
                       with Converse";
        return Err(Refusal { param: Some("anthropic_version".to_owned()), ..invalid(message.to_owned()) });
    }
    if scanned.own_fallbacks.is_some() && operation.dialect != Dialect::Anthropic {
        let message =
            "`fallbacks` must be a list of names like \"provider/model\", or of objects with `provider` and `model`";
        return Err(Refusal { param: Some("fallbacks".to_owned()), ..invalid(message.to_owned()) });
    }
    Ok(scanned)
}

/// The other models with which an upstream of that dialect may answer.
#[must_use]
pub fn others(scanned: &Scanned, upstream: Dialect) -> Others<'_> {
    match &scanned.own_fallbacks {
        // Other dialects do not get the field.
        Some(own) if upstream == Dialect::Anthropic => match own {
            OwnFallbacks::Default => Others::Any,
            OwnFallbacks::Models(models) => Others::Named(models),
        },
        _ => Others::None,
    }
}

/// The headers that rules see: in lower case, without credentials. At most one more than rules may see; then a rule
/// that reads them fails.
#[must_use]
pub fn seen_headers(headers: &HeaderMap) -> Vec<(String, String)> {
    let seen = headers.iter().filter(|(name, _)| !is_credential(name.as_str()));
    let texts = seen.filter_map(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned())));
    texts.take(bounds::ENTRIES + 1).collect()
}

/// The body as JSON, each key once, without fields for the gateway itself: providers never get those.
///
/// # Errors
/// What is wrong with it, for the caller.
pub fn object(dialect: Dialect, scanned: &Scanned, body: &[u8]) -> Result<JsonObject, String> {
    let value = match dialect {
        Dialect::Gemini => strict::google(body),
        Dialect::OpenAi | Dialect::Anthropic | Dialect::Bedrock | Dialect::Cohere | Dialect::Ollama => {
            strict::parse(body)
        }
    };
    match value {
        Ok(Value::Object(mut object)) => {
            if scanned.fallbacks.is_some() {
                object.remove("fallbacks");
            }
            Ok(object)
        }
        Ok(_) => Err("the body must be a JSON object".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

/// The field that the request needs and an upstream of that dialect does not support. `chat` and `body` are called only
/// if needed.
pub fn unfit<'a>(
    operation: &Operation,
    target: &Target<'_>,
    chat: impl FnOnce() -> Result<&'a chat::ChatRequest, RequestError>,
    body: impl FnOnce() -> Result<&'a JsonObject, String>,
) -> Option<String> {
    // Tokens are estimated where they can't be asked for.
    if target.takes(operation) || operation.kind == OperationKind::CountTokens {
        return None;
    }
    let carried = match operation.kind {
        OperationKind::Chat | OperationKind::Responses => {
            chat().and_then(|request| encode_request(operation.format(), request, target, None).map(drop))
        }
        OperationKind::Embeddings => body()
            .map_err(|problem| RequestError::Invalid { path: "body".to_owned(), problem })
            .and_then(|body| embeddings::decode_request(operation, body))
            .and_then(|request| embeddings::encode_request(operation.dialect, &request, target).map(drop)),
        OperationKind::Rerank => body()
            .map_err(|problem| RequestError::Invalid { path: "body".to_owned(), problem })
            .and_then(|body| rerank::decode_request(operation.dialect, body))
            .and_then(|request| rerank::encode_request(operation.dialect, &request, target).map(drop)),
        _ => return Some(operation.name.to_owned()),
    };
    carried.err().map(|error| match error {
        RequestError::Unsupported { field, .. } => field,
        RequestError::Invalid { path, problem } => format!("{path} ({problem})"),
    })
}
