//! What is asked for: a request as a client would send it, or as much of one as the command line says.

use std::cell::OnceCell;
use std::fs;
use std::io::{self, Read};
use std::path::Path;

use http::{HeaderMap, HeaderName, HeaderValue};
use outrigger_llm::chat::{self, Object};
use outrigger_llm::estimate::{self, Input};
use outrigger_llm::meter::{Metered, meter};
use outrigger_llm::operation::{self, Kind, ModelPlace, Operation};
use outrigger_llm::scan::{self, Scanned};
use outrigger_llm::{Dialect, RequestError, decode_request, embeddings, encode_request, provider, strict};
use outrigger_policy::Provider;
use outrigger_policy::catalogue::Capabilities;
use outrigger_sidecar::refuse::Refusal;
use outrigger_sidecar::{Query, is_credential, mock};
use serde_json::Value;
use thiserror::Error;

use super::Args;

/// Why it can't be said what is asked for.
#[derive(Debug, Error)]
pub(crate) enum AskError {
    #[error("nothing is answered at {0}: see the paths in docs/operations.md, such as /v1/chat/completions")]
    Path(String),
    #[error("say what is asked for, with --model or with a whole request in --request")]
    Nothing,
    #[error("the body of {0} is a form: name its model with --model, without --request")]
    Form(&'static str),
    #[error("can't read {what}")]
    Read { what: String, source: io::Error },
    #[error("`{0}` is no header that a request can have")]
    Header(String),
}

/// A request.
#[derive(Debug)]
pub(crate) struct Asking {
    pub operation: &'static Operation,
    /// As it was said.
    pub path: String,
    pub headers: HeaderMap,
    /// With a key in it, where there is one.
    pub query: String,
    pub stream: bool,
    pub model: Option<String>,
    /// `None` if the command line alone says what is asked for: then nothing is known of what is in it.
    pub body: Option<Vec<u8>>,
    pub scanned: Scanned,
    chat: OnceCell<Result<chat::Request, RequestError>>,
}

impl Asking {
    /// Reads the arguments.
    ///
    /// # Errors
    /// [`AskError`] of the command line; inside, the refusal of a body that a gateway would not take.
    pub fn read(args: &Args) -> Result<Result<Self, Refusal>, AskError> {
        let (path, query) = args.path.split_once('?').unwrap_or((&args.path, ""));
        let matched = ["POST", "GET"].iter().find_map(|method| operation::find(method, path));
        let matched = matched.ok_or_else(|| AskError::Path(path.to_owned()))?;
        let operation = matched.operation;
        let body = args.request.as_deref().map(read).transpose()?;
        if body.is_some() && operation.model == ModelPlace::Form {
            return Err(AskError::Form(operation.name));
        }
        let scanned = match body.as_deref().map(scan::scan) {
            None => Scanned::default(),
            Some(Ok(scanned)) => scanned,
            Some(Err(error)) => return Ok(Err(Refusal::new(400, "invalid_request", error.to_string()))),
        };
        let in_body = match operation.model {
            ModelPlace::Path => matched.model,
            _ => matched.model.or_else(|| scanned.model.clone()),
        };
        let model = args.model.clone().or(in_body).filter(|model| !model.is_empty());
        if model.is_none() && operation.model != ModelPlace::Nowhere {
            return match body {
                None => Err(AskError::Nothing),
                Some(_) => {
                    let refusal = Refusal::new(400, "invalid_request", "`model` is missing");
                    Ok(Err(Refusal { param: Some("model".to_owned()), ..refusal }))
                }
            };
        }
        let in_path = operation.dialect == Dialect::Gemini;
        Ok(Ok(Asking {
            operation,
            path: path.to_owned(),
            headers: headers(args)?,
            query: with_params(query, &args.params),
            stream: operation.streams && (in_path || scanned.stream || args.stream),
            model,
            body,
            scanned,
            chat: OnceCell::new(),
        }))
    }

    /// The operation in the words of rules.
    pub fn request_type(&self) -> &'static str {
        match self.stream {
            true => self.operation.request_type.1,
            false => self.operation.request_type.0,
        }
    }

    /// A header's value, if it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// Headers as rules see them: without credentials.
    pub fn seen_headers(&self) -> Vec<(String, String)> {
        let seen = self.headers.iter().filter(|(name, _)| !is_credential(name.as_str()));
        seen.filter_map(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned()))).collect()
    }

    /// The query as rules see it: without credentials.
    pub fn seen_params(&self) -> Vec<(String, String)> {
        self.query().seen()
    }

    /// The query, decoded.
    pub fn query(&self) -> Query {
        Query::parse(&self.query)
    }

    /// Tokens of the input for a model, estimated; `None` without a body.
    pub fn input_tokens(&self, upstream: Dialect, model: &str) -> Option<u64> {
        Some(Input::read(self.operation.dialect, self.body.as_deref()?).estimate(upstream, model).tokens())
    }

    /// The same as rules see it, whoever serves it.
    pub fn caller_tokens(&self) -> Option<u64> {
        Some(estimate::input_tokens(self.operation.dialect, self.body.as_deref()?))
    }

    /// What it asks of a model.
    pub fn needs(&self) -> Capabilities {
        let needs = self.scanned.needs(self.operation, self.body.as_deref().unwrap_or_default());
        needs.names().filter_map(Capabilities::from_name).fold(Capabilities::default(), |all, one| all | one)
    }

    /// How its cost is counted.
    pub fn metered(&self) -> Metered {
        meter(self.operation, &self.scanned, self.body.as_deref().unwrap_or_default())
    }

    /// What it needs and an upstream of that dialect can't say.
    pub fn unfit(&self, upstream: Dialect) -> Option<String> {
        let caller = self.operation.dialect;
        if upstream == caller {
            return None;
        }
        match self.operation.kind {
            Kind::Chat if self.body.is_none() => None,
            Kind::Chat => match self.chat() {
                Ok(request) => encode_request(caller, request, upstream, &request.model).err().map(field),
                Err(error) => Some(field(error.clone())),
            },
            Kind::Embeddings if upstream != Dialect::Anthropic && caller != Dialect::Anthropic => {
                let body = self.body.as_ref().map(|_| self.object());
                body.and_then(|body| body.and_then(|body| self.vectors(&body, upstream)).err()).map(field)
            }
            _ => Some(self.operation.name.to_owned()),
        }
    }

    /// Where the body, as far as it had to be read, is no conversation, and what is wrong there.
    pub fn problem(&self) -> Option<(&str, &str)> {
        match self.chat.get()?.as_ref().err()? {
            RequestError::Invalid { path, problem } => Some((path, problem)),
            RequestError::Unsupported { .. } => None,
        }
    }

    fn chat(&self) -> &Result<chat::Request, RequestError> {
        self.chat.get_or_init(|| {
            let model = self.model.as_deref().unwrap_or_default();
            decode_request(self.operation.dialect, &self.object()?, model, self.stream)
        })
    }

    fn object(&self) -> Result<Object, RequestError> {
        let invalid = |problem: String| RequestError::Invalid { path: "body".to_owned(), problem };
        let body = self.body.as_deref().unwrap_or_default();
        let value = match self.operation.dialect {
            Dialect::Gemini => strict::google(body),
            Dialect::OpenAi | Dialect::Anthropic => strict::parse(body),
        };
        match value {
            Ok(Value::Object(object)) => Ok(object),
            Ok(_) => Err(invalid("the body must be a JSON object".to_owned())),
            Err(error) => Err(invalid(error.to_string())),
        }
    }

    fn vectors(&self, body: &Object, upstream: Dialect) -> Result<(), RequestError> {
        match upstream {
            Dialect::Gemini => embeddings::openai_to_gemini(body, "").map(drop),
            _ => {
                let batch = self.operation.path.ends_with("batchEmbedContents");
                embeddings::gemini_to_openai(body, "", batch).map(drop)
            }
        }
    }
}

/// The dialect that a provider speaks.
pub(crate) fn dialect(provider: &Provider) -> Dialect {
    let kind = provider::lookup(&provider.kind);
    let of_mock = || provider.mock.as_ref().map_or(Dialect::OpenAi, mock::dialect);
    kind.and_then(|kind| kind.dialect).unwrap_or_else(of_mock)
}

fn field(error: RequestError) -> String {
    match error {
        RequestError::Unsupported { field, .. } => field,
        RequestError::Invalid { path, problem } => format!("{path} ({problem})"),
    }
}

/// A file, or standard input.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, AskError> {
    let mut bytes = Vec::new();
    let (what, read) = match path.as_os_str() == "-" {
        true => ("standard input".to_owned(), io::stdin().lock().read_to_end(&mut bytes).map(drop)),
        false => (path.display().to_string(), fs::read(path).map(|read| bytes = read)),
    };
    read.map(|()| bytes).map_err(|source| AskError::Read { what, source })
}

fn headers(args: &Args) -> Result<HeaderMap, AskError> {
    let mut headers = HeaderMap::new();
    let key = args.key.iter().map(|key| ("x-outrigger-key".to_owned(), key.clone()));
    for (name, value) in args.headers.iter().cloned().chain(key) {
        let parsed = name.to_ascii_lowercase().parse::<HeaderName>().ok().zip(HeaderValue::from_str(&value).ok());
        let (parsed, value) = parsed.ok_or(AskError::Header(name))?;
        headers.insert(parsed, value);
    }
    Ok(headers)
}

fn with_params(query: &str, params: &[(String, String)]) -> String {
    let encode =
        |text: &str| percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string();
    let said = params.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value)));
    query.split('&').filter(|pair| !pair.is_empty()).map(str::to_owned).chain(said).collect::<Vec<_>>().join("&")
}
