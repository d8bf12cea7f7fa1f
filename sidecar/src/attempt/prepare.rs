//! What an upstream is sent: the caller's own bytes with the listed edits, or the request told in
//! another dialect.

use std::borrow::Cow;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, header};
use outrigger_core::RefusalKind;
use outrigger_llm::chat::JsonObject;
use outrigger_llm::format::gemini::embeddings::{self, Encoding};
use outrigger_llm::format::gemini::model_names::{MOST_REQUESTS, model_places};
use outrigger_llm::json::weight::Weight;
use outrigger_llm::operation::{ModelPlace, OperationKind};
use outrigger_llm::passthrough::scan::{self, BodyPiece, Cap, Edits};
use outrigger_llm::passthrough::strip_marks;
use outrigger_llm::path::{self, PathError, UpstreamPath};
use outrigger_llm::provider::{FitKey, Target};
use outrigger_llm::{Dialect, RequestError, chat, decode_request, encode_request};
use outrigger_policy::Candidate;
use parking_lot::{Mutex, MutexGuard, RwLock};
use serde_json::Value;

use crate::memory::{LONG_WORK, Memory, MemoryLease, NoRoom};
use crate::pipeline::body::overloaded;
use crate::pipeline::context::RequestContext;
use crate::pipeline::headers;
use crate::pipeline::parsed_request::{self, LONGEST_NAME};
use crate::pipeline::refusal::Refusal;
use crate::runtime::backend::Backend;
use crate::runtime::loop_detection;
use crate::upstream::{Endpoint, Pieces};

/// How the answer must be told back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conversion {
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
    pub way: Conversion,
    /// The caller's fields that were left out as hints.
    pub left_out: Vec<String>,
    /// The gateway asked for usage that the caller did not ask for.
    pub asked_usage: bool,
}

/// The request in no dialect, read when somebody needs it, in room that was made for it before.
#[derive(Debug)]
pub struct RequestTranslation {
    memory: Memory,
    /// What it may take, or that there is no room for so much.
    room: Mutex<Result<MemoryLease, NoRoom>>,
    read: RwLock<Option<ParsedBody>>,
    /// What it needs and targets cannot be told, as far as that was asked.
    unfit: Mutex<Vec<(FitKey, Option<String>)>>,
}

/// What was read of a body.
#[derive(Debug)]
enum ParsedBody {
    Chat(Box<Result<chat::ChatRequest, RequestError>>),
    /// Of what is no conversation: the body as JSON, each key once.
    Body(Result<JsonObject, RequestError>),
}

/// The field that no dialect can be told for want of room.
const NO_ROOM: &str = "a request of this size";

impl RequestTranslation {
    /// Of a request of which nothing is read yet.
    #[must_use]
    pub fn new(memory: &Memory) -> Self {
        RequestTranslation {
            memory: memory.clone(),
            room: Mutex::new(Ok(MemoryLease::default())),
            read: RwLock::default(),
            unfit: Default::default(),
        }
    }

    /// Makes room for what is going to be read, and waits for it a moment.
    pub async fn make_room(&self, context: &RequestContext) {
        if lock(&self.room).as_ref().is_ok_and(|held| held.bytes() > 0) {
            return;
        }
        let weight = self.memory.work(context.body.len(), || weight(context)).await;
        let held = self.memory.wait(weight, context.held.bytes()).await;
        *lock(&self.room) = held;
    }

    /// Whether there would be room if it were waited for.
    #[must_use]
    pub fn may_wait(&self) -> bool {
        matches!(*lock(&self.room), Err(NoRoom::Now))
    }

    /// Why it can't be read, if there is no room.
    #[must_use]
    pub fn no_room(&self) -> Option<Refusal> {
        match lock(&self.room).as_ref().err()? {
            NoRoom::Now => Some(overloaded()),
            NoRoom::Ever { wanted, total } => {
                let mib = |bytes: &usize| bytes.div_ceil(1 << 20);
                let message = format!(
                    "to tell this request in another dialect may take {} MiB, and the gateway's memory allows {}; a \
                     provider of the caller's own dialect takes it as it is",
                    mib(wanted),
                    total >> 20
                );
                Some(Refusal::new(RefusalKind::RequestTooLarge, message))
            }
        }
    }

    /// Forgets what was read of a large body: it may be long until an answer begins, and is read again if another candidate
    /// has to be asked.
    pub fn let_go(&self, context: &RequestContext) {
        if context.body.len() >= LONG_WORK {
            *self.read.write() = None;
            *lock(&self.room) = Ok(MemoryLease::default());
        }
    }

    /// Room for an edit in the caller's own dialect.
    fn hold(&self, context: &RequestContext, bytes: usize) -> Result<MemoryLease, RequestError> {
        self.memory.hold(bytes).map_err(|no_room| {
            *lock(&self.room) = Err(no_room);
            RequestError::Unsupported { field: NO_ROOM.to_owned(), upstream: context.dialect }
        })
    }

    /// Does something with what was read, which is read first if it was not.
    fn with<T>(
        &self,
        context: &RequestContext,
        of: impl FnOnce(&ParsedBody) -> Result<T, RequestError>,
    ) -> Result<T, RequestError> {
        {
            let mut room = lock(&self.room);
            if room.as_ref().is_ok_and(|held| held.bytes() == 0) {
                *room = self.memory.hold(weight(context));
            }
            if room.is_err() {
                return Err(RequestError::Unsupported { field: NO_ROOM.to_owned(), upstream: context.dialect });
            }
        }
        if let Some(read) = &*self.read.read() {
            return of(read);
        }
        let read = ParsedBody::of(context);
        let told = of(&read);
        *self.read.write() = Some(read);
        told
    }

    /// Does something with the conversation.
    ///
    /// # Errors
    /// What is wrong with it, for the caller.
    pub fn chat<T>(
        &self,
        context: &RequestContext,
        of: impl FnOnce(&chat::ChatRequest) -> Result<T, RequestError>,
    ) -> Result<T, RequestError> {
        self.with(context, |read| match read {
            ParsedBody::Chat(chat) => of(chat.as_ref().as_ref().map_err(Clone::clone)?),
            ParsedBody::Body(_) => {
                Err(RequestError::Unsupported { field: context.operation.name.to_owned(), upstream: context.dialect })
            }
        })
    }

    /// Where the conversation, as far as anybody tried to read it, is not one: the place in the
    /// body, and what is wrong there.
    pub fn problem(&self) -> Option<(String, String)> {
        match &*self.read.read() {
            Some(ParsedBody::Chat(chat)) => match &**chat {
                Err(RequestError::Invalid { path, problem }) => Some((path.clone(), problem.clone())),
                _ => None,
            },
            _ => None,
        }
    }

    /// What this request needs and a target cannot be told.
    pub fn unfit(&self, context: &RequestContext, target: &Target<'_>) -> Option<String> {
        if target.api.dialect == context.dialect {
            return None;
        }
        let key = target.fit_key();
        if let Some((_, lacks)) = lock(&self.unfit).iter().find(|(known, _)| *known == key) {
            return lacks.clone();
        }
        let lacks = match context.operation.kind {
            OperationKind::Chat | OperationKind::Embeddings => {
                let judged = |read: &ParsedBody| {
                    Ok(parsed_request::unfit(context.operation, target, || read.chat(context), || read.body(context)))
                };
                self.with(context, judged).unwrap_or_else(|error| Some(error.to_string()))
            }
            _ => Some(context.operation.name.to_owned()),
        };
        lock(&self.unfit).push((key, lacks.clone()));
        lacks
    }
}

/// What it takes to read a body, and to tell it in another dialect.
fn weight(context: &RequestContext) -> usize {
    match context.operation.kind {
        OperationKind::Embeddings => Weight::of(&context.body).embedded(LONGEST_NAME),
        _ => Weight::of(&context.body).translated(),
    }
}

impl ParsedBody {
    fn of(context: &RequestContext) -> ParsedBody {
        let invalid = |problem| RequestError::Invalid { path: "body".to_owned(), problem };
        let body = parsed_request::object(context.dialect, &context.scanned, &context.body).map_err(invalid);
        let model = context.model.as_deref().unwrap_or_default();
        match context.operation.kind {
            OperationKind::Chat => {
                let chat = body.and_then(|body| decode_request(context.dialect.format(), &body, model, context.stream));
                ParsedBody::Chat(Box::new(chat))
            }
            _ => ParsedBody::Body(body),
        }
    }

    fn chat(&self, context: &RequestContext) -> Result<&chat::ChatRequest, RequestError> {
        match self {
            ParsedBody::Chat(chat) => chat.as_ref().as_ref().map_err(Clone::clone),
            ParsedBody::Body(_) => {
                Err(RequestError::Unsupported { field: context.operation.name.to_owned(), upstream: context.dialect })
            }
        }
    }

    fn body(&self, context: &RequestContext) -> Result<&JsonObject, String> {
        match self {
            ParsedBody::Body(Ok(body)) => Ok(body),
            ParsedBody::Body(Err(RequestError::Invalid { problem, .. })) => Err(problem.clone()),
            _ => Err(format!("{} has none", context.operation.name)),
        }
    }
}

/// What is in it is whole: each change is one assignment.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock()
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
        request.extensions_mut().insert(translation.memory.clone());
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
        false => lock(&translation.room).as_mut().map(|room| room.part(text.len())).unwrap_or_default(),
    };
    Pieces::from(text).holding(held)
}

/// The caller's bytes with the listed edits.
fn same(
    context: &RequestContext,
    target: &Target<'_>,
    asked_usage: bool,
    cap: Option<Cap<'_>>,
    translation: &RequestTranslation,
) -> Result<Pieces, RequestError> {
    let model = target.model;
    match context.operation.model {
        ModelPlace::Form => Ok(crate::pipeline::body::with_form_model(context, model)),
        _ if context.dialect == Dialect::Gemini
            && matches!(context.operation.kind, OperationKind::Embeddings | OperationKind::CountTokens) =>
        {
            let edited = match context.scanned.edit(&context.body, Edits::default()) {
                Cow::Borrowed(_) => context.body.clone(),
                Cow::Owned(edited) => edited.into(),
            };
            gemini_names(&edited, model)
        }
        place => {
            let named = (place == ModelPlace::Field).then_some(model).filter(|model| !model.is_empty());
            let edits = Edits { model: named, ask_usage: asked_usage, cap };
            // What the gateway put in for another provider, in an earlier turn, is taken out again.
            if context.operation.kind == OperationKind::Chat && strip_marks::holds_any(&context.body) {
                let mut held = translation.hold(context, Weight::of(&context.body).tree() + context.body.len())?;
                if let Some(cleaned) = strip_marks::strip_marks(target, &context.body)
                    && let Ok(scanned) = scan::scan(&cleaned)
                {
                    held.shrink_to(cleaned.len());
                    let pieces = scanned.pieces(&cleaned, edits);
                    return Ok(of_pieces(&Bytes::from(cleaned), pieces).holding(held));
                }
            }
            Ok(of_pieces(&context.body, context.scanned.pieces(&context.body, edits)))
        }
    }
}

/// Requests to embed, and whole requests whose tokens are counted, repeat the model's name inside,
/// and it must be that of the path. A name that stands twice is left for Gemini to refuse.
fn gemini_names(body: &Bytes, model: &str) -> Result<Pieces, RequestError> {
    let Some(places) = model_places(body) else { return Ok(body.clone().into()) };
    if places.len() > MOST_REQUESTS {
        let problem = format!("may have {MOST_REQUESTS} of them");
        return Err(RequestError::Invalid { path: "requests".to_owned(), problem });
    }
    let name = Bytes::from(Value::from(path::gemini_resource(model)).to_string());
    let mut pieces = Vec::with_capacity(2 * places.len() + 1);
    let mut at = 0;
    for place in places {
        pieces.extend([body.slice(at..place.start), name.clone()]);
        at = place.end;
    }
    pieces.push(body.slice(at..));
    Ok(Pieces::new(pieces))
}

fn of_pieces(body: &Bytes, pieces: Vec<BodyPiece>) -> Pieces {
    Pieces::new(pieces.into_iter().map(|piece| match piece {
        BodyPiece::Kept(range) => body.slice(range),
        BodyPiece::Said(text) => text.into(),
    }))
}

type Vectors = (JsonObject, UpstreamPath, Conversion, Vec<String>);

/// An embeddings request in the other of the two dialects that have them.
fn vectors(
    context: &RequestContext,
    translation: &RequestTranslation,
    upstream: Dialect,
    model: &str,
) -> Result<Vectors, RequestError> {
    translation.with(context, |read| {
        let ParsedBody::Body(body) = read else {
            let field = context.operation.name.to_owned();
            return Err(RequestError::Unsupported { field, upstream });
        };
        let body = body.as_ref().map_err(Clone::clone)?;
        match upstream {
            Dialect::Gemini => {
                let told = embeddings::openai_to_gemini(body, model)?;
                let verb = if told.batch { ":batchEmbedContents" } else { ":embedContent" };
                let way = Conversion::Vectors { encoding: told.encoding, batch: told.batch };
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
                let batch = context.operation.path.ends_with("batchEmbedContents");
                let told = embeddings::gemini_to_openai(body, model, batch)?;
                let way = Conversion::Vectors { encoding: Encoding::Float, batch };
                Ok((told.body, UpstreamPath::fixed("embeddings"), way, told.left_out))
            }
        }
    })
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
            let edited = gemini_names(&Bytes::from(body), "g").unwrap();
            assert_eq!(edited.joined(), expected);
        }
    }
}
