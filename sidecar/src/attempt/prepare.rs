//! Prepares the request to an upstream: the caller's own bytes with a few edits, or a translation to another dialect.

mod betas;
mod embeddings;
mod rerank;
mod same;

use http::{HeaderMap, HeaderValue, Method, Request, header};
use outrigger_llm::operation::{ModelLocation, OperationKind};
use outrigger_llm::passthrough::scan::{Cap, Edits};
use outrigger_llm::path::{PathError, UpstreamPath};
use outrigger_llm::provider::{Api, UrlLayout};
use outrigger_llm::{Dialect, RequestError, chat, encode_request};
use outrigger_policy::Candidate;
use serde_json::Value;

use self::embeddings::embeddings_request;
use self::rerank::rerank_request;
use self::same::same_dialect;
use crate::memory::{LONG_WORK, MemoryLease};
use crate::relay::Conversion;
use crate::request::context::RequestContext;
use crate::request::headers;
use crate::request::serialize::serialize;
use crate::request::translation::RequestTranslation;
use crate::runtime::backend::Backend;
use crate::runtime::loop_detection;
use crate::upstream::{Endpoint, Pieces};

/// A request, ready to be sent.
#[derive(Debug)]
pub struct Prepared {
    pub request: Request<Pieces>,
    pub conversion: Conversion,
    /// The caller's fields that were dropped because they are only hints.
    pub left_out: Vec<String>,
    /// The gateway requests usage that the caller did not request.
    pub requests_usage: bool,
}

/// Prepares the request for a candidate. `adapts`: the caller wrote it for another server, so what this one would refuse
/// is changed. `may_request_usage` is false if the upstream refused to report usage; `cap` is
/// the highest number of output tokens, if the gateway limits it.
///
/// # Errors
/// [`RequestError`] if the candidate's dialect or model does not support this request.
pub fn prepare(
    context: &RequestContext,
    candidate: &Candidate,
    backend: &Backend,
    translation: &RequestTranslation,
    adapts: bool,
    may_request_usage: bool,
    cap: Option<u64>,
) -> Result<Prepared, RequestError> {
    let model = &*candidate.upstream_model;
    let target = backend.target(context.dialect, model);
    let upstream = target.api.dialect;
    let mut left_out = Vec::new();
    let mut requests_usage = false;
    let no_path = |error: PathError| RequestError::Invalid {
        path: "model".to_owned(),
        problem: format!("`{model}` cannot be part of a path: {error}"),
    };
    // Translated embeddings have their own path, below.
    let translates_embeddings = context.operation.kind == OperationKind::Embeddings && upstream != context.dialect;
    let mut path = match translates_embeddings {
        true => UpstreamPath::fixed("embeddings"),
        false => target.path(context.operation, context.stream).map_err(no_path)?,
    };
    let mut query = String::new();
    let mut headers;
    let same = target.takes(context.operation);
    let (body, conversion) = if same {
        headers = headers::request_headers(&context.headers);
        // The session is between the caller and this gateway.
        if let Some(session) = &context.key().session {
            headers.remove(&session.header);
        }
        // Azure's own: its object says which version it gets.
        query = context.query.upstream(backend.kind.versioned.map(|_| "apiversion"));
        left_out.extend(context.query.left_out());
        let must_request_usage = may_request_usage && target.quirks().asks_stream_usage(context.operation);
        requests_usage = must_request_usage && context.stream && !context.scanned.include_usage;
        let fields = target.quirks().caps(context.operation);
        let cap = cap.map(|tokens| Cap { tokens, fields });
        if let Some(cap) = cap {
            left_out.extend(context.scanned.thinking_changed_by(&context.body, cap));
        }
        // The path of some callers names the model, and the body of Gemini and of Converse never does.
        let version = target.api.body_version;
        let counts = context.operation.kind == OperationKind::CountTokens;
        let in_body = context.operation.model != ModelLocation::Nowhere
            && !matches!(upstream, Dialect::Gemini | Dialect::Bedrock)
            && (version.is_none() || counts);
        let named = in_body.then_some(model).filter(|model| !model.is_empty());
        let stream = match target.api.url {
            UrlLayout::InvokeModel => Some(false),
            _ => context.operation.is_invoke_model().then_some(context.stream),
        };
        let betas = betas::place(context, target.api, &mut headers, &mut left_out);
        let betas = betas.field();
        let edits = Edits { model: named, version, keeps_model: counts, stream, betas, ask_usage: requests_usage, cap };
        let (body, changed) = same_dialect(context, &target, edits, adapts, translation)?;
        left_out.extend(changed);
        (body, Conversion::Same)
    } else {
        headers = headers::translated_request_headers(&context.headers);
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        match context.operation.kind {
            OperationKind::Embeddings => {
                let (encoded, own, conversion) = embeddings_request(context, translation, &target)?;
                left_out = encoded.left_out;
                path = own;
                (serialize_leased(&Value::Object(encoded.body), context.body.len(), translation), conversion)
            }
            OperationKind::Rerank => {
                let (encoded, conversion) = rerank_request(context, translation, &target)?;
                left_out = encoded.left_out;
                (serialize_leased(&Value::Object(encoded.body), context.body.len(), translation), conversion)
            }
            _ => {
                let encode = |request: &chat::ChatRequest| {
                    let encoded = encode_request(context.operation.format(), request, &target, cap)?;
                    Ok((encoded, Conversion::Across { one_call: request.parallel_tool_calls == Some(false) }))
                };
                let (encoded, conversion) = translation.chat(context, encode)?;
                left_out = encoded.left_out;
                (serialize_leased(&Value::Object(encoded.body), context.body.len(), translation), conversion)
            }
        }
    };
    if context.stream
        && context.operation.is_conversation()
        && let Some(parameters) = target.api.url.stream_query()
    {
        // The gateway always reads events. If the caller wants an array, the relay makes one from them.
        query.push_str(if query.is_empty() { "" } else { "&" });
        query.push_str(parameters);
    }
    if let Some(own) = &backend.query {
        query.push_str(if query.is_empty() { "" } else { "&" });
        query.push_str(own);
    }
    add_provider_headers(&mut headers, backend, target.api);
    if let Some(hop) = &backend.hop {
        loop_detection::add_hops(&context.headers, hop, &mut headers);
    }
    let uri = match &backend.endpoint {
        // Ollama's own API is beside the other one.
        Some(endpoint) if target.api.url == UrlLayout::Ollama => endpoint.unversioned().target(&path, &query),
        Some(endpoint) => endpoint.target(&path, &query),
        None => Endpoint::bare(&path),
    };
    let uri = uri.ok_or_else(|| RequestError::Invalid {
        path: "model".to_owned(),
        problem: format!("the path with `{model}` is not a valid URL"),
    })?;
    let mut request = Request::new(body);
    *request.method_mut() = Method::POST;
    *request.uri_mut() = uri.into();
    *request.headers_mut() = headers;
    if backend.endpoint.is_none() {
        // A mock needs the memory account of the request.
        request.extensions_mut().insert(translation.memory().clone());
    }
    Ok(Prepared { request, conversion, left_out, requests_usage })
}

/// Serializes a body and reserves memory for it until it is sent. `expected_length` is an estimate of its length, in
/// bytes.
fn serialize_leased(body: &Value, expected_length: usize, translation: &RequestTranslation) -> Pieces {
    let text = serialize(body, expected_length);
    // The translation's own reservation covers a small body. A large one needs its own, because it outlives the
    // translation.
    let lease = match text.len() < LONG_WORK {
        true => MemoryLease::default(),
        false => translation.part(text.len()),
    };
    Pieces::from(text).with_lease(lease)
}

/// Adds the provider's own headers, and those that its dialect requires.
fn add_provider_headers(headers: &mut HeaderMap, backend: &Backend, api: &Api) {
    headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    headers.entry(header::CONTENT_TYPE).or_insert(HeaderValue::from_static("application/json"));
    headers
        .entry(header::USER_AGENT)
        .or_insert(HeaderValue::from_static(concat!("outrigger/", env!("CARGO_PKG_VERSION"))));
    if let Some((name, value)) = api.header {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    for (name, value) in &backend.headers {
        headers.insert(name.clone(), value.clone());
    }
    if let Some(endpoint) = &backend.endpoint
        && let Ok(host) = HeaderValue::from_str(&endpoint.authority())
    {
        headers.insert(header::HOST, host);
    }
}
