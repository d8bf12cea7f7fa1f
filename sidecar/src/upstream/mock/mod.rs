//! A provider for tests and demonstrations: scripted answers in any dialect, at a set pace, with faults on demand.
//!
//! It has the same interface as real upstreams and gets the same bytes, so that a fallback chain, a translation or a
//! timeout can be tried without an outage or a key.

mod answer;
mod body;
mod fault;
mod instance;
mod others;
mod respond;

use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use outrigger_llm::json::weight::Weight;
use outrigger_llm::{CallerFormat, Dialect, StreamEncoder, chat, decode_request, encode_response};
use outrigger_policy::{FaultKind, MockDoc, Provider};
use serde_json::Value;

pub use body::MockBody;
use fault::MockFault;

use crate::memory::{Memory, MemoryLease};
use crate::upstream::{Pieces, SendError, Sent, UpstreamBody};

/// Marks an answer that must be returned unchanged (`allowFallbacks: false`).
#[derive(Clone, Copy, Debug)]
pub struct NoFallback;

/// A mock provider.
#[derive(Debug)]
pub struct Mock {
    provider: String,
    dialect: Dialect,
    script: MockDoc,
    faults: Vec<MockFault>,
}

/// The dialect of a mock's script.
#[must_use]
pub fn dialect(script: &MockDoc) -> Dialect {
    match script.dialect.as_str() {
        "Anthropic" => Dialect::Anthropic,
        "Gemini" => Dialect::Gemini,
        "Bedrock" => Dialect::Bedrock,
        "Cohere" => Dialect::Cohere,
        "Ollama" => Dialect::Ollama,
        _ => Dialect::OpenAi,
    }
}

/// The same, if there is a script.
#[must_use]
pub fn dialect_of(script: Option<&MockDoc>) -> Dialect {
    script.map_or(Dialect::OpenAi, dialect)
}

impl Mock {
    #[must_use]
    pub fn new(provider: &Provider, script: &MockDoc) -> Self {
        Mock {
            provider: provider.id.name.clone(),
            dialect: dialect(script),
            faults: script.faults.iter().map(MockFault::new).collect(),
            script: script.clone(),
        }
    }

    /// Answers a request as the real provider would.
    ///
    /// # Errors
    /// [`SendError`] if a fault simulates a missing connection.
    pub async fn send(&self, request: Request<Pieces>) -> Result<Sent, SendError> {
        let (head, body) = request.into_parts();
        let body = body.joined();
        // Parsing makes a tree here, and the answer may repeat the text.
        let lease = match head.extensions.get::<Memory>() {
            Some(memory) => memory.wait(Weight::of(&body).translated(), body.len()).await,
            None => Ok(MemoryLease::default()),
        };
        let Ok(mut lease) = lease else { return Ok(Sent { response: others::too_large(self.dialect) }) };
        let request = MockRequest::read(self.dialect, head.uri.path(), &body);
        lease.shrink_to(2 * body.len());
        let fault = self.faults.iter().find(|fault| fault.strikes(&request.model));
        let response = match fault {
            Some(fault) => self.fail(fault, &request).await?,
            None => self.answer(&request, None).await,
        };
        Ok(Sent { response })
    }

    async fn fail(&self, fault: &MockFault, request: &MockRequest) -> Result<Response<UpstreamBody>, SendError> {
        let endpoint = format!("mock {}", self.provider);
        let reason = fault.message();
        tokio::time::sleep(fault.delay()).await;
        let mut response = match fault.kind() {
            FaultKind::Refused => return Err(SendError::Connect { endpoint, reason }),
            FaultKind::Reset => return Err(SendError::Closed { endpoint, reason, reused: false, unprocessed: false }),
            FaultKind::Hang => std::future::pending().await,
            FaultKind::Status => fault.status(self.dialect),
            FaultKind::Malformed => fault::malformed(self.dialect, request.stream),
            FaultKind::Empty => fault::empty(self.dialect, request.stream),
            FaultKind::Slow => self.answer(request, None).await,
            FaultKind::CutAfterEvents | FaultKind::ErrorEvent => self.answer(request, Some(fault)).await,
        };
        if !fault.allows_fallbacks() {
            response.extensions_mut().insert(NoFallback);
        }
        Ok(response)
    }

    async fn answer(&self, request: &MockRequest, fault: Option<&MockFault>) -> Response<UpstreamBody> {
        let first = self.first_token();
        let per_token = Duration::from_millis(self.script.per_token);
        let chat = match &request.chat {
            Some(Ok(chat)) => chat,
            Some(Err(problem)) => return others::unreadable(self.dialect, problem),
            None => {
                tokio::time::sleep(first).await;
                return others::answer(self.dialect, &self.provider, request);
            }
        };
        let answer = answer::compose(&self.provider, &self.script, request, chat);
        if !chat.stream {
            let tokens = u32::try_from(answer.usage.output.unwrap_or(0)).unwrap_or(u32::MAX);
            tokio::time::sleep(first + per_token * tokens).await;
            if let Some(fault) = fault {
                // Without a stream there are no events: the answer is the error, or its body breaks off.
                return match fault.kind() {
                    FaultKind::ErrorEvent => fault.status(self.dialect),
                    _ => respond::json(200, body::MockPace::cut(fault.message())),
                };
            }
            let output = encode_response(request.format, &answer, &answer::answer_properties(request));
            return respond::json(200, body::MockPace::whole(output.to_string()));
        }
        let mut encoder = StreamEncoder::new(request.format, answer::answer_properties(request));
        let mut events: Vec<Bytes> = Vec::new();
        for event in answer::events(&answer) {
            let mut bytes = Vec::new();
            encoder.push(&event, &mut bytes);
            if !bytes.is_empty() {
                events.push(bytes.into());
            }
        }
        let cut = fault.and_then(|fault| fault.shorten(&mut events, request.format));
        respond::event_stream(self.dialect, body::MockPace::stream(events, first, per_token, cut))
    }

    fn first_token(&self) -> Duration {
        let (least, most) = self.script.first_token;
        Duration::from_millis(if most > least { fastrand::u64(least..=most) } else { least })
    }
}

/// A request, as far as a mock parses it.
#[derive(Debug)]
pub struct MockRequest {
    /// The path below the version: `chat/completions`.
    path: String,
    model: String,
    stream: bool,
    body: Value,
    /// Of a conversation, and of its answer.
    format: CallerFormat,
    /// If the operation is a conversation.
    chat: Option<Result<chat::ChatRequest, String>>,
}

impl MockRequest {
    fn read(dialect: Dialect, path: &str, body: &[u8]) -> Self {
        let path = path.trim_start_matches('/').to_owned();
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        let in_path = match dialect {
            Dialect::Bedrock => path.strip_prefix("model/").and_then(|rest| rest.split_once('/')),
            _ => path.strip_prefix("models/").and_then(|rest| rest.split_once(':')),
        };
        let model = match in_path {
            Some((model, _)) => percent_encoding::percent_decode_str(model).decode_utf8_lossy().into_owned(),
            None => body.get("model").and_then(Value::as_str).unwrap_or_default().to_owned(),
        };
        let streams = path.ends_with(":streamGenerateContent") || path.ends_with("/converse-stream");
        let stream = streams || body.get("stream").and_then(Value::as_bool).unwrap_or(dialect == Dialect::Ollama);
        let is_chat = match dialect {
            Dialect::OpenAi => matches!(path.as_str(), "chat/completions" | "responses"),
            Dialect::Anthropic => path == "messages",
            Dialect::Gemini => streams || path.ends_with(":generateContent"),
            Dialect::Bedrock => streams || path.ends_with("/converse"),
            Dialect::Cohere => path == "v2/chat",
            Dialect::Ollama => matches!(path.as_str(), "api/chat" | "api/generate"),
        };
        let format = match (dialect, path.as_str()) {
            (Dialect::OpenAi, "responses") => CallerFormat::OpenAiResponses,
            (Dialect::Ollama, "api/generate") => CallerFormat::OllamaGenerate,
            _ => dialect.into(),
        };
        let none = serde_json::Map::new();
        let object = body.as_object().unwrap_or(&none);
        let chat = is_chat.then(|| decode_request(format, object, &model, stream).map_err(|error| error.to_string()));
        MockRequest { path, model, stream, body, format, chat }
    }
}
