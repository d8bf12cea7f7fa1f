//! The request to explain: as a client would send it, or from the command line alone.

use std::cell::OnceCell;
use std::fs;
use std::io::{self, Read};
use std::path::Path;

use http::{HeaderMap, HeaderName, HeaderValue};
use outrigger_core::{Capabilities, RequestType};
use outrigger_llm::chat::{self, JsonObject};
use outrigger_llm::operation::{self, Matched, ModelLocation, Operation, OperationKind};
use outrigger_llm::passthrough::scan::Scanned;
use outrigger_llm::provider::{self, Target};
use outrigger_llm::tokens::estimate::RequestInput;
use outrigger_llm::tokens::meter::{Metered, meter};
use outrigger_llm::{Dialect, RequestError, decode_request};
use outrigger_policy::{Key, Provider, session};
use outrigger_sidecar::request::parsed_request::{self, ParsedRequest};
use outrigger_sidecar::request::refusal::Refusal;
use outrigger_sidecar::{Address, Query};
use thiserror::Error;

use super::Args;

/// Why the request can't be determined.
#[derive(Debug, Error)]
pub(crate) enum RequestInputError {
    #[error("no path is served at {0}: see the paths in docs/operations.md, such as /v1/chat/completions")]
    Path(String),
    #[error("name the model with --model, or give a whole request with --request")]
    Nothing,
    #[error("the body of {0} is a form: name its model with --model, without --request")]
    Form(&'static str),
    #[error("can't read {what}")]
    Read { what: String, source: io::Error },
    #[error("`{0}` is not a valid header for a request")]
    Header(String),
}

/// The request to explain.
#[derive(Debug)]
pub(crate) struct ExplainedRequest {
    pub operation: &'static Operation,
    /// As given.
    pub path: String,
    pub headers: HeaderMap,
    /// May contain a key.
    pub query: String,
    pub stream: bool,
    pub model: Option<String>,
    /// `None` if only the command line describes the request. Then its content is unknown.
    pub body: Option<Vec<u8>>,
    pub scanned: Scanned,
    object: OnceCell<Result<JsonObject, String>>,
    chat: OnceCell<Result<chat::ChatRequest, RequestError>>,
}

/// The request, except for its body.
#[derive(Debug)]
pub(crate) struct RequestHead<'a> {
    pub path: &'a str,
    /// May contain a key.
    pub query: String,
    pub headers: HeaderMap,
    /// Instead of the one in the path or the body.
    pub model: Option<&'a str>,
    /// Request a stream, whatever the body says.
    pub stream: bool,
}

impl ExplainedRequest {
    /// Reads the arguments.
    ///
    /// # Errors
    /// [`RequestInputError`] for the command line. The inner error is the gateway's refusal of the body.
    pub fn read(args: &Args) -> Result<Result<Self, Refusal>, RequestInputError> {
        let (path, query) = args.path.split_once('?').unwrap_or((&args.path, ""));
        let matched = ["POST", "GET"].iter().find_map(|method| operation::find(method, path));
        let matched = matched.ok_or_else(|| RequestInputError::Path(path.to_owned()))?;
        let body = args.request.as_deref().map(read).transpose()?;
        if body.is_some() && matched.operation.model == ModelLocation::Form {
            return Err(RequestInputError::Form(matched.operation.name));
        }
        if body.is_none() && args.model.is_none() && matched.model.is_none() && needs_model(matched.operation) {
            return Err(RequestInputError::Nothing);
        }
        let (headers, query) = (headers(args)?, with_params(query, &args.params));
        let head = RequestHead { path, query, headers, model: args.model.as_deref(), stream: args.stream };
        Ok(ExplainedRequest::of(matched, head, body))
    }

    /// Builds a request as a client sends it.
    ///
    /// # Errors
    /// The gateway's refusal of the body.
    pub fn of(matched: Matched, head: RequestHead<'_>, body: Option<Vec<u8>>) -> Result<Self, Refusal> {
        let RequestHead { path, query, headers, model, stream } = head;
        let seen_query = Query::parse(&query);
        let parsed = match (model, body.as_deref()) {
            // The command line takes precedence over the body.
            (Some(model), body) => {
                let scanned =
                    body.map(|body| parsed_request::scan(matched.operation, body)).transpose()?.unwrap_or_default();
                parsed_request::of(matched.operation, &seen_query, Some(model.to_owned()), scanned)
            }
            (None, Some(body)) => parsed_request::read(matched, &headers, &seen_query, body),
            (None, None) => parsed_request::of(matched.operation, &seen_query, matched.model, Scanned::default()),
        };
        let ParsedRequest { operation, model, stream: streams, scanned, .. } =
            parsed.map_err(|refused| refused.refusal)?;
        Ok(ExplainedRequest {
            operation,
            path: path.to_owned(),
            headers,
            query,
            stream: streams || (operation.streams && stream),
            model,
            body,
            scanned,
            object: OnceCell::new(),
            chat: OnceCell::new(),
        })
    }

    /// The operation as rules name it.
    pub fn request_type(&self) -> RequestType {
        match self.stream {
            true => self.operation.request_type.1,
            false => self.operation.request_type.0,
        }
    }

    /// A header's value, if it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The headers that rules see: without credentials.
    pub fn seen_headers(&self) -> Vec<(String, String)> {
        parsed_request::seen_headers(&self.headers)
    }

    /// The query that rules see: without credentials.
    pub fn seen_params(&self) -> Vec<(String, String)> {
        self.query().seen()
    }

    /// The decoded query.
    pub fn query(&self) -> Query {
        Query::parse(&self.query)
    }

    /// The session that the request of a key names.
    pub fn session(&self, key: &Key) -> Option<&str> {
        session(key, |name| self.header(name)).or(self.scanned.session.as_deref())
    }

    /// The estimated input tokens for a model; `None` without a body.
    pub fn input_tokens(&self, upstream: Dialect, model: &str) -> Option<u64> {
        Some(RequestInput::read(self.operation.dialect, self.body.as_deref()?).estimate(upstream, model).tokens())
    }

    /// The estimated input tokens that rules see, independent of the provider.
    pub fn caller_tokens(&self) -> Option<u64> {
        self.input_tokens(self.operation.dialect, self.model.as_deref().unwrap_or_default())
    }

    /// The capabilities that the request needs.
    pub fn needs(&self) -> Capabilities {
        let needs = self.scanned.needs(self.operation, self.body.as_deref().unwrap_or_default());
        needs.names().filter_map(Capabilities::from_name).fold(Capabilities::default(), |all, one| all | one)
    }

    /// How its cost is counted.
    pub fn metered(&self) -> Metered {
        meter(self.operation, &self.scanned, self.body.as_deref().unwrap_or_default())
    }

    /// A requirement that the provider can't express.
    pub fn unfit(&self, provider: &Provider, upstream_model: &str) -> Option<String> {
        let model = self.model.as_deref().unwrap_or_default();
        let kind = provider::lookup(&provider.kind).unwrap_or(&provider::UNKNOWN);
        let target = Target {
            provider: kind,
            api: Address::of(kind, provider).apis.of(self.operation.dialect, upstream_model),
            model,
        };
        // Without a body, only the operation's requirements are known.
        if self.body.is_none() && (self.operation.is_conversation() || self.operation.kind == OperationKind::Embeddings)
        {
            let none = [self.operation.dialect, target.api.dialect].iter().any(|dialect| !dialect.has_embeddings());
            let vectors = self.operation.kind == OperationKind::Embeddings && none;
            return vectors.then(|| self.operation.name.to_owned());
        }
        let chat = || self.chat().as_ref().map_err(Clone::clone);
        parsed_request::unfit(self.operation, &target, chat, || self.object().as_ref().map_err(Clone::clone))
    }

    /// Where the body is not a valid conversation, and what is wrong.
    pub fn problem(&self) -> Option<(&str, &str)> {
        match self.chat.get()?.as_ref().err()? {
            RequestError::Invalid { path, problem } => Some((path, problem)),
            RequestError::Unsupported { .. } => None,
        }
    }

    fn chat(&self) -> &Result<chat::ChatRequest, RequestError> {
        self.chat.get_or_init(|| {
            let model = self.model.as_deref().unwrap_or_default();
            let invalid =
                |problem: &String| RequestError::Invalid { path: "body".to_owned(), problem: problem.clone() };
            decode_request(self.operation.format(), self.object().as_ref().map_err(invalid)?, model, self.stream)
        })
    }

    fn object(&self) -> &Result<JsonObject, String> {
        let body = || self.body.as_deref().unwrap_or_default();
        self.object.get_or_init(|| parsed_request::object(self.operation.dialect, &self.scanned, body()))
    }
}

fn needs_model(operation: &Operation) -> bool {
    operation.model != ModelLocation::Nowhere
}

/// The dialect of a provider for a model, by its name upstream, if a caller of `caller` asks.
pub(crate) fn dialect(caller: Dialect, provider: &Provider, upstream_model: &str) -> Dialect {
    let kind = provider::lookup(&provider.kind).unwrap_or(&provider::UNKNOWN);
    Address::of(kind, provider).apis.of(caller, upstream_model).dialect
}

/// Reads a file or standard input.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, RequestInputError> {
    let mut bytes = Vec::new();
    let (what, read) = match path.as_os_str() == "-" {
        true => ("standard input".to_owned(), io::stdin().lock().read_to_end(&mut bytes).map(drop)),
        false => (path.display().to_string(), fs::read(path).map(|read| bytes = read)),
    };
    read.map(|()| bytes).map_err(|source| RequestInputError::Read { what, source })
}

fn headers(args: &Args) -> Result<HeaderMap, RequestInputError> {
    let mut headers = HeaderMap::new();
    let key = args.key.iter().map(|key| ("x-outrigger-key".to_owned(), key.clone()));
    for (name, value) in args.headers.iter().cloned().chain(key) {
        let parsed = name.to_ascii_lowercase().parse::<HeaderName>().ok().zip(HeaderValue::from_str(&value).ok());
        let (parsed, value) = parsed.ok_or(RequestInputError::Header(name))?;
        headers.insert(parsed, value);
    }
    Ok(headers)
}

fn with_params(query: &str, params: &[(String, String)]) -> String {
    let encode =
        |text: &str| percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string();
    let given = params.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value)));
    query.split('&').filter(|pair| !pair.is_empty()).map(str::to_owned).chain(given).collect::<Vec<_>>().join("&")
}
