//! What an upstream is sent: the caller's own bytes with the listed edits, or the request told in
//! another dialect.

mod same;
mod vectors;

use http::{HeaderMap, HeaderValue, Method, Request, header};
use outrigger_llm::operation::OperationKind;
use outrigger_llm::passthrough::scan::Cap;
use outrigger_llm::path::{PathError, UpstreamPath};
use outrigger_llm::{RequestError, chat, encode_request};
use outrigger_policy::Candidate;
use serde_json::Value;

use self::same::same;
use self::vectors::vectors;
use crate::memory::{LONG_WORK, MemoryLease};
use crate::relay::Conversion;
use crate::request::context::RequestContext;
use crate::request::headers;
use crate::request::translation::RequestTranslation;
use crate::runtime::backend::Backend;
use crate::runtime::loop_detection;
use crate::upstream::{Endpoint, Pieces};

/// A request, ready to be sent.
#[derive(Debug)]
pub struct Prepared {
    pub request: Request<Pieces>,
    pub way: Conversion,
    /// The caller's fields that were left out as hints.
    pub left_out: Vec<String>,
    /// The gateway asked for usage that the caller did not ask for.
    pub asked_usage: bool,
}

/// Makes the request for a candidate. `asks_usage` is false where the upstream refused to be asked; `cap` is the most
/// tokens that an answer may have, where the gateway says so.
///
/// # Errors
/// [`RequestError`] when the candidate's dialect, or its model, cannot be told this request.
pub fn prepare(
    context: &RequestContext,
    candidate: &Candidate,
    place: &Backend,
    translation: &RequestTranslation,
    asks_usage: bool,
    cap: Option<u64>,
) -> Result<Prepared, RequestError> {
    let model = &*candidate.upstream_model;
    let target = place.target(model);
    let upstream = target.api.dialect;
    let mut left_out = Vec::new();
    let mut asked_usage = false;
    let no_path = |error: PathError| RequestError::Invalid {
        path: "model".to_owned(),
        problem: format!("`{model}` can't be part of a path: {error}"),
    };
    // Vectors have their own, below.
    let crosses = context.operation.kind == OperationKind::Embeddings && upstream != context.dialect;
    let mut path = match crosses {
        true => UpstreamPath::fixed("embeddings"),
        false => target.path(context.operation, context.stream).map_err(no_path)?,
    };
    let mut query = String::new();
    let mut headers;
    let (body, way) = if upstream == context.dialect {
        headers = headers::up_same(&context.headers);
        query = context.query.upstream();
        left_out.extend(context.query.left_out());
        let asks = asks_usage && target.quirks().asks_stream_usage(context.operation);
        asked_usage = asks && context.stream && !context.scanned.include_usage;
        let fields = target.quirks().caps(context.operation);
        let cap = cap.map(|tokens| Cap { tokens, fields });
        if let Some(cap) = cap {
            left_out = context.scanned.thinking_changed_by(&context.body, cap);
        }
        (same(context, &target, asked_usage, cap, translation)?, Conversion::Same)
    } else {
        headers = headers::up_across(&context.headers);
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        match context.operation.kind {
            OperationKind::Embeddings => {
                let (body, verb, way, hints) = vectors(context, translation, upstream, model)?;
                left_out = hints;
                path = verb;
                (written(&Value::Object(body), context.body.len(), translation), way)
            }
            _ => {
                let encode =
                    |request: &chat::ChatRequest| encode_request(context.dialect.format(), request, &target, cap);
                let encoded = translation.chat(context, encode)?;
                left_out = encoded.left_out;
                (written(&Value::Object(encoded.body), context.body.len(), translation), Conversion::Across)
            }
        }
    };
    if context.stream
        && context.operation.kind == OperationKind::Chat
        && let Some(asked) = target.api.url.stream_query()
    {
        // The gateway reads events; a caller that wants an array gets one made of them.
        query.push_str(if query.is_empty() { "" } else { "&" });
        query.push_str(asked);
    }
    own_headers(&mut headers, place);
    if let Some(hop) = &place.hop {
        loop_detection::onward(&context.headers, hop, &mut headers);
    }
    let uri = match &place.endpoint {
        Some(endpoint) => endpoint.target(&path, &query),
        None => Endpoint::bare(&path),
    };
    let uri = uri.ok_or_else(|| RequestError::Invalid {
        path: "model".to_owned(),
        problem: format!("`{model}` makes no path that could be asked"),
    })?;
    let mut request = Request::new(body);
    *request.method_mut() = Method::POST;
    *request.uri_mut() = uri.into();
    *request.headers_mut() = headers;
    if place.endpoint.is_none() {
        // A mock reads it here.
        request.extensions_mut().insert(translation.memory().clone());
    }
    Ok(Prepared { request, way, left_out, asked_usage })
}

/// A body as it is sent, with room of its own until it has left. `like`: about how long it will be.
fn written(body: &Value, like: usize, translation: &RequestTranslation) -> Pieces {
    let mut text = Vec::with_capacity(like + like / 8 + 128);
    // Into memory it can't fail.
    let _ = serde_json::to_writer(&mut text, body);
    // The translation's room is enough for it now; when that is given back, this must stand by itself.
    let held = match text.len() < LONG_WORK {
        true => MemoryLease::default(),
        false => translation.part(text.len()),
    };
    Pieces::from(text).holding(held)
}

/// The provider's own headers, and what its dialect cannot do without.
fn own_headers(headers: &mut HeaderMap, place: &Backend) {
    headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    headers.entry(header::CONTENT_TYPE).or_insert(HeaderValue::from_static("application/json"));
    headers
        .entry(header::USER_AGENT)
        .or_insert(HeaderValue::from_static(concat!("outrigger/", env!("CARGO_PKG_VERSION"))));
    if let Some((name, value)) = place.api.header {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    for (name, value) in &place.headers {
        headers.insert(name.clone(), value.clone());
    }
    if let Some(endpoint) = &place.endpoint
        && let Ok(host) = HeaderValue::from_str(&endpoint.authority())
    {
        headers.insert(header::HOST, host);
    }
}
