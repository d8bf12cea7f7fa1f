//! What an upstream is sent: the caller's own bytes with the listed edits, or the request told in
//! another dialect.

use std::borrow::Cow;
use std::sync::OnceLock;

use http::{HeaderMap, HeaderValue, Method, Request, header};
use outrigger_llm::chat::Object;
use outrigger_llm::embeddings::{self, Encoding};
use outrigger_llm::operation::{self, Kind, ModelPlace};
use outrigger_llm::path::{self, PathError, UpstreamPath};
use outrigger_llm::scan::{self, Cap, CapField, Edits, Piece};
use outrigger_llm::{Dialect, RequestError, chat, decode_request, encode_request_within, foreign};
use outrigger_policy::Candidate;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::asked;
use crate::call::Call;
use crate::headers;
use crate::hop;
use crate::served::Place;
use crate::upstream::{Endpoint, Pieces};

/// How the answer must be told back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// As it comes.
    Same,
    /// A conversation, through the dialect of none.
    Across,
    /// Vectors, to a caller who wants them so.
    Vectors { encoding: Encoding, batch: bool },
}

/// A request, ready to be sent.
#[derive(Debug)]
pub struct Prepared {
    pub request: Request<Pieces>,
    pub way: Way,
    /// The caller's fields that were left out as hints.
    pub left_out: Vec<String>,
    /// The gateway asked for usage that the caller did not ask for.
    pub asked_usage: bool,
}

/// The request in no dialect, read at most once, and only when somebody needs it.
#[derive(Debug, Default)]
pub struct Translation {
    body: OnceLock<Result<Object, String>>,
    chat: OnceLock<Result<chat::Request, RequestError>>,
    unfit: [OnceLock<Option<String>>; 3],
}

impl Translation {
    /// The body as JSON, each key once.
    fn body(&self, call: &Call) -> Result<&Object, String> {
        let read = || asked::object(call.dialect, &call.scanned, &call.body);
        self.body.get_or_init(read).as_ref().map_err(Clone::clone)
    }

    /// The conversation.
    ///
    /// # Errors
    /// What is wrong with it, for the caller.
    pub fn chat(&self, call: &Call) -> Result<&chat::Request, RequestError> {
        let read = || {
            let model = call.model.as_deref().unwrap_or_default();
            let invalid = |problem| RequestError::Invalid { path: "body".to_owned(), problem };
            decode_request(call.dialect, self.body(call).map_err(invalid)?, model, call.stream)
        };
        self.chat.get_or_init(read).as_ref().map_err(Clone::clone)
    }

    /// Where the conversation, as far as anybody tried to read it, is not one: the place in the
    /// body, and what is wrong there.
    pub fn problem(&self) -> Option<(&str, &str)> {
        match self.chat.get()?.as_ref().err()? {
            RequestError::Invalid { path, problem } => Some((path, problem)),
            RequestError::Unsupported { .. } => None,
        }
    }

    /// What this request needs and an upstream of that dialect cannot say.
    pub fn unfit(&self, call: &Call, upstream: Dialect) -> Option<String> {
        if upstream == call.dialect {
            return None;
        }
        let read = || asked::unfit(call.operation, upstream, || self.chat(call), || self.body(call));
        self.unfit[upstream as usize].get_or_init(read).clone()
    }
}

/// Makes the request for a candidate. `asks_usage` is false where the upstream refused to be asked; `cap` is the most
/// tokens that an answer may have, where the gateway says so.
///
/// # Errors
/// [`RequestError`] when the candidate's dialect, or its model, cannot be told this request.
pub fn prepare(
    call: &Call,
    candidate: &Candidate,
    place: &Place,
    credential: Option<&HeaderValue>,
    translation: &Translation,
    asks_usage: bool,
    cap: Option<u64>,
) -> Result<Prepared, RequestError> {
    let model = &*candidate.upstream_model;
    let upstream = place.dialect;
    let mut left_out = Vec::new();
    let mut asked_usage = false;
    let no_path = |error: PathError| RequestError::Invalid {
        path: "model".to_owned(),
        problem: format!("`{model}` can't be part of a path: {error}"),
    };
    // Vectors have their own, below.
    let crosses = call.operation.kind == Kind::Embeddings && upstream != call.dialect;
    let mut path = match crosses {
        true => UpstreamPath::fixed("embeddings"),
        false => operation::upstream_path(call.operation, upstream, model, call.stream).map_err(no_path)?,
    };
    let mut query = String::new();
    let mut headers;
    let (body, way) = if upstream == call.dialect {
        headers = headers::up_same(&call.headers);
        query = call.query.upstream();
        left_out.extend(call.query.left_out());
        let usage_on_request = call.dialect == Dialect::OpenAi
            && matches!(call.operation.kind, Kind::Chat | Kind::Completions)
            && place.kind.usage_on_request;
        asked_usage = usage_on_request && asks_usage && call.stream && !call.scanned.include_usage;
        let fields = CapField::heeded(call.operation, place.kind);
        let cap = cap.map(|tokens| Cap { tokens, fields });
        if let Some(cap) = cap {
            left_out = call.scanned.thinking_changed_by(&call.body, cap);
        }
        (same(call, model, asked_usage, cap), Way::Same)
    } else {
        headers = headers::up_across(&call.headers);
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        match call.operation.kind {
            Kind::Embeddings => {
                let (body, verb, way, hints) = vectors(call, translation, upstream, model)?;
                left_out = hints;
                path = verb;
                (Pieces::from(Value::Object(body).to_string()), way)
            }
            _ => {
                let request = translation.chat(call)?;
                let encoded = encode_request_within(call.dialect, request, upstream, model, cap)?;
                left_out = encoded.left_out;
                (Pieces::from(Value::Object(encoded.body).to_string()), Way::Across)
            }
        }
    };
    if upstream == Dialect::Gemini && call.stream && call.operation.kind == Kind::Chat {
        // The gateway reads events; a caller that wants an array gets one made of them.
        query.push_str(if query.is_empty() { "alt=sse" } else { "&alt=sse" });
    }
    own_headers(&mut headers, place, credential);
    if let Some(hop) = &place.hop {
        hop::onward(&call.headers, hop, &mut headers);
    }
    let target = match &place.endpoint {
        Some(endpoint) => endpoint.target(&path, &query),
        None => Endpoint::bare(&path),
    };
    let target = target.ok_or_else(|| RequestError::Invalid {
        path: "model".to_owned(),
        problem: format!("`{model}` makes no path that could be asked"),
    })?;
    let mut request = Request::new(body);
    *request.method_mut() = Method::POST;
    *request.uri_mut() = target.into();
    *request.headers_mut() = headers;
    Ok(Prepared { request, way, left_out, asked_usage })
}

/// The caller's bytes with the listed edits.
fn same(call: &Call, model: &str, asked_usage: bool, cap: Option<Cap<'_>>) -> Pieces {
    match call.operation.model {
        ModelPlace::Form => crate::receive::with_form_model(call, model).into(),
        _ if call.dialect == Dialect::Gemini && matches!(call.operation.kind, Kind::Embeddings | Kind::CountTokens) => {
            gemini_names(call.scanned.edit(&call.body, Edits::default()), model).into()
        }
        place => {
            let named = (place == ModelPlace::Field).then_some(model).filter(|model| !model.is_empty());
            let edits = Edits { model: named, ask_usage: asked_usage, cap };
            // What the gateway put in for another provider, in an earlier turn, is taken out again.
            if call.operation.kind == Kind::Chat
                && let Some(cleaned) = foreign::take_out(call.dialect, model, &call.body)
                && let Ok(scanned) = scan::scan(&cleaned)
            {
                return scanned.edit(&cleaned, edits).into_owned().into();
            }
            Pieces::new(call.scanned.pieces(&call.body, edits).into_iter().map(|piece| match piece {
                Piece::Kept(range) => call.body.slice(range),
                Piece::Said(text) => text.into(),
            }))
        }
    }
}

/// Requests to embed, and whole requests whose tokens are counted, repeat the model's name inside,
/// and it must be that of the path. A name that stands twice is left for Gemini to refuse.
fn gemini_names(body: Cow<'_, [u8]>, model: &str) -> Vec<u8> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Named<'a> {
        #[serde(borrow)]
        model: Option<&'a RawValue>,
        /// Of `batchEmbedContents`.
        #[serde(borrow, default)]
        requests: Vec<Named<'a>>,
        /// Of `countTokens`.
        #[serde(borrow, alias = "generate_content_request")]
        generate_content_request: Option<Box<Named<'a>>>,
    }
    let named: Named<'_> = match serde_json::from_slice(&body) {
        Ok(named) => named,
        Err(_) => return body.into_owned(),
    };
    let name = Value::from(path::gemini_resource(model)).to_string();
    let mut edited = Vec::with_capacity(body.len() + 64);
    let mut at = 0;
    // As they stand in the body: the outer one may come after the list.
    let inside = named.requests.iter().chain(named.generate_content_request.as_deref());
    let mut names: Vec<&str> =
        std::iter::once(&named).chain(inside).filter_map(|one| one.model.map(RawValue::get)).collect();
    names.sort_by_key(|said| said.as_ptr() as usize);
    for said in names {
        let start = said.as_ptr() as usize - body.as_ptr() as usize;
        edited.extend_from_slice(&body[at..start]);
        edited.extend_from_slice(name.as_bytes());
        at = start + said.len();
    }
    edited.extend_from_slice(&body[at..]);
    edited
}

type Vectors = (Object, UpstreamPath, Way, Vec<String>);

/// An embeddings request in the other of the two dialects that have them.
fn vectors(call: &Call, translation: &Translation, upstream: Dialect, model: &str) -> Result<Vectors, RequestError> {
    let invalid = |problem| RequestError::Invalid { path: "body".to_owned(), problem };
    let body = translation.body(call).map_err(invalid)?;
    match upstream {
        Dialect::Gemini => {
            let told = embeddings::openai_to_gemini(body, model)?;
            let verb = if told.batch { ":batchEmbedContents" } else { ":embedContent" };
            let way = Way::Vectors { encoding: told.encoding, batch: told.batch };
            // Whether the request fits is asked before there is a model.
            let path = match model {
                "" => Ok(UpstreamPath::fixed("models")),
                model => UpstreamPath::gemini(model, verb),
            };
            let path = path.map_err(|error| RequestError::Invalid {
                path: "model".to_owned(),
                problem: format!("`{model}` can't be part of a path: {error}"),
            })?;
            Ok((told.body, path, way, told.left_out))
        }
        _ => {
            let batch = call.operation.path.ends_with("batchEmbedContents");
            let told = embeddings::gemini_to_openai(body, model, batch)?;
            let way = Way::Vectors { encoding: Encoding::Float, batch };
            Ok((told.body, UpstreamPath::fixed("embeddings"), way, told.left_out))
        }
    }
}

/// The provider's own headers, its credential, and what its dialect cannot do without.
fn own_headers(headers: &mut HeaderMap, place: &Place, credential: Option<&HeaderValue>) {
    headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    headers.entry(header::CONTENT_TYPE).or_insert(HeaderValue::from_static("application/json"));
    headers
        .entry(header::USER_AGENT)
        .or_insert(HeaderValue::from_static(concat!("outrigger/", env!("CARGO_PKG_VERSION"))));
    if place.dialect == Dialect::Anthropic {
        headers.entry("anthropic-version").or_insert(HeaderValue::from_static("2023-06-01"));
    }
    for (name, value) in &place.headers {
        headers.insert(name.clone(), value.clone());
    }
    if let Some(endpoint) = &place.endpoint
        && let Ok(host) = HeaderValue::from_str(&endpoint.authority())
    {
        headers.insert(header::HOST, host);
    }
    if let Some(credential) = credential {
        headers.insert(place.kind.auth.header(), credential.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_inside_a_gemini_request_is_that_of_the_path() {
        for (body, expected) in [
            (
                r#"{"model" : "models/up/g", "content":{"parts":[{"text":"models/up/g"}]}}"#,
                r#"{"model" : "models/g", "content":{"parts":[{"text":"models/up/g"}]}}"#,
            ),
            (r#"{"content":{"x":1.50}}"#, r#"{"content":{"x":1.50}}"#),
            (
                r#"{ "requests":[{"model":"models/up/g"},{"content":{},"model":"up/g"} ,{}],"model":"a" }"#,
                r#"{ "requests":[{"model":"models/g"},{"content":{},"model":"models/g"} ,{}],"model":"models/g" }"#,
            ),
            (r#"{"requests":[{"model":"a","model":"b"}]}"#, r#"{"requests":[{"model":"a","model":"b"}]}"#),
            (r#"{"requests":{}}"#, r#"{"requests":{}}"#),
            (
                r#"{"generateContentRequest":{"contents":[],"model":"models/up/g"}}"#,
                r#"{"generateContentRequest":{"contents":[],"model":"models/g"}}"#,
            ),
        ] {
            let edited = gemini_names(Cow::Borrowed(body.as_bytes()), "g");
            assert_eq!(String::from_utf8(edited).unwrap(), expected);
        }
    }
}
