//! Dispatches to the formats by name: the only file that imports all of them. Code that a format needs must not import
//! this file.
//!
//! A new format is a variant of [`Format`], a folder with the functions that are called here, and a line in each of the
//! two macros and three enums below.

use serde_json::{Value, json};

use crate::chat::addresses;
use crate::chat::fields::{self, FieldHandling, FieldRow};
use crate::chat::{ChatEvent, ChatRequest, ChatResponse, JsonObject, StreamError};
use crate::error::{Malformed, RequestError};
use crate::errors::GatewayError;
use crate::exchange::{Answer, EncodedRequest};
use crate::format::marks::Marks;
use crate::format::openai_chat::conform::BodyChanges;
use crate::format::{anthropic, bedrock, cohere, gemini, ollama, openai_chat, openai_responses};
use crate::framing;
use crate::json::weight;
use crate::listing::ListedModel;
use crate::operation::OperationKind;
use crate::passthrough::content;
use crate::passthrough::observation::Parsed;
use crate::passthrough::other_answers;
use crate::passthrough::summary::AnswerSummary;
use crate::provider::Target;
use crate::usage::Usage;
use crate::{CallerFormat, Dialect, Format};

/// Expands an expression with the module of a format.
macro_rules! with_codec {
    ($format:expr, $codec:ident => $do:expr) => {
        match $format {
            Format::OpenAiChat => {
                use openai_chat as $codec;
                $do
            }
            Format::Anthropic => {
                use anthropic as $codec;
                $do
            }
            Format::Gemini => {
                use gemini as $codec;
                $do
            }
            Format::Bedrock => {
                use bedrock as $codec;
                $do
            }
            Format::Cohere => {
                use cohere as $codec;
                $do
            }
            Format::Ollama => {
                use ollama as $codec;
                $do
            }
        }
    };
}

/// The same for a caller's format.
macro_rules! with_caller_codec {
    ($caller:expr, $codec:ident => $do:expr) => {
        match $caller {
            CallerFormat::Common(format) => with_codec!(format, $codec => $do),
            CallerFormat::OpenAiResponses => {
                use openai_responses as $codec;
                $do
            }
            CallerFormat::OllamaGenerate => {
                use ollama::generate as $codec;
                $do
            }
        }
    };
}

/// Expands an expression with the state in an enum of formats.
macro_rules! with_state {
    ($enum:ident, $of:expr, $state:ident => $do:expr) => {
        match $of {
            $enum::OpenAiChat($state) => $do,
            $enum::Anthropic($state) => $do,
            $enum::Gemini($state) => $do,
            $enum::Bedrock($state) => $do,
            $enum::Cohere($state) => $do,
            $enum::Ollama($state) => $do,
        }
    };
}

/// Reads a caller's request. `model` and `stream` are set for formats that have them in the path.
///
/// # Errors
/// [`RequestError::Invalid`] if a field has the wrong shape.
pub fn decode_request(
    caller: impl Into<CallerFormat>,
    body: &JsonObject,
    model: &str,
    stream: bool,
) -> Result<ChatRequest, RequestError> {
    let mut request = with_caller_codec!(caller.into(), codec => codec::request::decode(body))?;
    request.model = model.to_owned();
    request.stream = stream;
    Ok(request)
}

/// Writes a request for an upstream. `most` is the highest allowed limit of output tokens, including thinking, whatever
/// the caller asks for.
///
/// # Errors
/// [`RequestError::Unsupported`] if the request contains something that would change the answer and that the upstream's
/// format can't express.
pub fn encode_request(
    caller: impl Into<CallerFormat>,
    request: &ChatRequest,
    target: &Target<'_>,
    most: Option<u64>,
) -> Result<EncodedRequest, RequestError> {
    let left_out = fit(caller, &request.fields, target.format())?;
    if let Some(address) = addresses::privileged(request) {
        let field = format!("{address} from another API");
        return Err(RequestError::Unsupported { field, upstream: target.format().dialect() });
    }
    let mut encoded = with_codec!(target.format(), codec => codec::request::encode(request, target, most))?;
    encoded.left_out.splice(0..0, left_out);
    Ok(encoded)
}

/// Reads an upstream's answer that is not streamed.
///
/// # Errors
/// [`Malformed`] if it is not an answer: no choices, or no content although there must be some.
pub fn decode_response(upstream: Format, body: &Value) -> Result<ChatResponse, Malformed> {
    let mut response = with_codec!(upstream, codec => codec::response::decode(body))?;
    response.usage = response.usage.believed(!response.parts.is_empty());
    Ok(response)
}

/// Writes an answer that is not streamed for a caller.
#[must_use]
pub fn encode_response(caller: impl Into<CallerFormat>, response: &ChatResponse, answer: &Answer) -> Value {
    with_caller_codec!(caller.into(), codec => codec::response::encode(response, answer))
}

/// Decodes an upstream's stream, event by event.
#[derive(Debug)]
pub enum StreamDecoder {
    OpenAiChat(openai_chat::stream::Decoder),
    Anthropic(anthropic::stream::Decoder),
    Gemini(gemini::stream::Decoder),
    Bedrock(bedrock::stream::Decoder),
    Cohere(cohere::stream::Decoder),
    Ollama(ollama::stream::Decoder),
}

impl StreamDecoder {
    #[must_use]
    pub fn new(upstream: Format) -> Self {
        match upstream {
            Format::OpenAiChat => StreamDecoder::OpenAiChat(openai_chat::stream::Decoder::default()),
            Format::Anthropic => StreamDecoder::Anthropic(anthropic::stream::Decoder::default()),
            Format::Gemini => StreamDecoder::Gemini(gemini::stream::Decoder::default()),
            Format::Bedrock => StreamDecoder::Bedrock(bedrock::stream::Decoder::default()),
            Format::Cohere => StreamDecoder::Cohere(cohere::stream::Decoder::default()),
            Format::Ollama => StreamDecoder::Ollama(ollama::stream::Decoder::default()),
        }
    }

    /// Decodes one event of the stream, and appends the result to `out`.
    ///
    /// # Errors
    /// [`Malformed`] if the event does not match the format.
    pub fn push(&mut self, event: &framing::Event, out: &mut Vec<ChatEvent>) -> Result<(), Malformed> {
        let before = out.len();
        with_state!(StreamDecoder, self, decoder => decoder.push(event, out))?;
        for event in out.iter_mut().skip(before) {
            if let ChatEvent::Usage(usage) = event {
                *usage = usage.believed(false);
            }
        }
        Ok(())
    }
}

/// Encodes a stream for a caller, event by event, as bytes ready to send.
#[derive(Debug)]
pub enum StreamEncoder {
    Common(CommonEncoder),
    OpenAiResponses(openai_responses::stream::Encoder),
    OllamaGenerate(ollama::stream::Encoder),
}

/// The encoders of the formats that servers are asked in, too.
#[derive(Debug)]
pub enum CommonEncoder {
    OpenAiChat(openai_chat::stream::Encoder),
    Anthropic(anthropic::stream::Encoder),
    Gemini(gemini::stream::Encoder),
    Bedrock(bedrock::stream::Encoder),
    Cohere(cohere::stream::Encoder),
    Ollama(ollama::stream::Encoder),
}

impl CommonEncoder {
    fn new(caller: Format, answer: Answer) -> Self {
        match caller {
            Format::OpenAiChat => CommonEncoder::OpenAiChat(openai_chat::stream::Encoder::new(answer)),
            Format::Anthropic => CommonEncoder::Anthropic(anthropic::stream::Encoder::new(answer)),
            Format::Gemini => CommonEncoder::Gemini(gemini::stream::Encoder::new(answer)),
            Format::Bedrock => CommonEncoder::Bedrock(bedrock::stream::Encoder::new(answer)),
            Format::Cohere => CommonEncoder::Cohere(cohere::stream::Encoder::new(answer)),
            Format::Ollama => CommonEncoder::Ollama(ollama::stream::Encoder::new(answer)),
        }
    }
}

impl StreamEncoder {
    #[must_use]
    pub fn new(caller: impl Into<CallerFormat>, answer: Answer) -> Self {
        match caller.into() {
            CallerFormat::Common(format) => StreamEncoder::Common(CommonEncoder::new(format, answer)),
            CallerFormat::OpenAiResponses => {
                StreamEncoder::OpenAiResponses(openai_responses::stream::Encoder::new(answer))
            }
            CallerFormat::OllamaGenerate => StreamEncoder::OllamaGenerate(ollama::stream::Encoder::of_generate(answer)),
        }
    }

    /// Writes an event. A [`ChatEvent::Error`] is written as the format's error event.
    pub fn push(&mut self, event: &ChatEvent, out: &mut Vec<u8>) {
        match self {
            StreamEncoder::Common(common) => {
                with_state!(CommonEncoder, common, encoder => encoder.push(event, out));
            }
            StreamEncoder::OpenAiResponses(encoder) => encoder.push(event, out),
            StreamEncoder::OllamaGenerate(encoder) => encoder.push(event, out),
        }
    }

    /// Ends a stream with the gateway's own error.
    pub fn fail(&mut self, caller: impl Into<CallerFormat>, error: &GatewayError<'_>, out: &mut Vec<u8>) {
        match self {
            StreamEncoder::Common(_) | StreamEncoder::OllamaGenerate(_) => {
                out.extend_from_slice(&error_event(caller, error))
            }
            StreamEncoder::OpenAiResponses(encoder) => encoder.fail(error, out),
        }
    }

    /// The memory that an event may take beyond its text, in bytes: some formats have arguments of calls as objects, which
    /// are parsed when the call is whole.
    #[must_use]
    pub fn parsed_bytes(&self, event: &ChatEvent) -> usize {
        let parses = match self {
            StreamEncoder::Common(common) => matches!(common, CommonEncoder::Gemini(_) | CommonEncoder::Ollama(_)),
            StreamEncoder::OllamaGenerate(_) => true,
            StreamEncoder::OpenAiResponses(_) => false,
        };
        match event {
            ChatEvent::ToolArguments { fragment, .. } if parses => weight::of_piece(fragment),
            _ => 0,
        }
    }

    /// Whether it keeps the whole answer, because its last event repeats it.
    #[must_use]
    pub fn keeps_answer(&self) -> bool {
        matches!(self, StreamEncoder::OpenAiResponses(_))
    }

    /// An error event of a format, for a stream whose bytes pass through.
    #[must_use]
    pub fn error(caller: impl Into<CallerFormat>, error: &StreamError) -> Vec<u8> {
        let mut out = Vec::new();
        StreamEncoder::new(caller, Answer::default()).push(&ChatEvent::Error(error.clone()), &mut out);
        out
    }
}

/// Reads the events of a stream that passes through, as far as the gateway needs them.
#[derive(Debug)]
pub(crate) enum StreamWatcher {
    OpenAiChat(Box<openai_chat::watch::Watcher>),
    Anthropic(anthropic::watch::Watcher),
    Gemini(gemini::watch::Watcher),
    Bedrock(bedrock::watch::Watcher),
    Cohere(cohere::watch::Watcher),
    Ollama(ollama::watch::Watcher),
}

impl StreamWatcher {
    pub(crate) fn new(format: Format) -> Self {
        match format {
            Format::OpenAiChat => StreamWatcher::OpenAiChat(Box::default()),
            Format::Anthropic => StreamWatcher::Anthropic(anthropic::watch::Watcher::default()),
            Format::Gemini => StreamWatcher::Gemini(gemini::watch::Watcher::default()),
            Format::Bedrock => StreamWatcher::Bedrock(bedrock::watch::Watcher::default()),
            Format::Cohere => StreamWatcher::Cohere(cohere::watch::Watcher::default()),
            Format::Ollama => StreamWatcher::Ollama(ollama::watch::Watcher::default()),
        }
    }

    /// Reads an event. `content`: there was content before, after which most events are not parsed. `unnamed`: the
    /// model's name is still unknown. `None` if nothing was parsed.
    pub(crate) fn read(&mut self, name: &str, data: &str, content: bool, unnamed: bool) -> Option<Parsed> {
        with_state!(StreamWatcher, self, watcher => {
            (!(content && watcher.is_plain(name, data))).then(|| watcher.read(name, data, unnamed))
        })
    }

    /// Bytes of content in an event, whether or not it is parsed.
    pub(crate) fn content_bytes(&self, name: &str, data: &str) -> u64 {
        with_state!(StreamWatcher, self, watcher => watcher.content_bytes(name, data))
    }

    pub(crate) fn usage(&self) -> Usage {
        with_state!(StreamWatcher, self, watcher => watcher.usage())
    }
}

/// Bytes of content in an answer of `operation` that is not streamed. The tokens of an image or audio are unknown:
/// those count by their encoded length.
#[must_use]
pub fn answer_bytes(dialect: Dialect, kind: OperationKind, body: &[u8]) -> u64 {
    let words = match kind {
        OperationKind::Responses => openai_responses::watch::answer_bytes(body),
        _ => with_codec!(dialect.format(), codec => codec::watch::answer_bytes(body)),
    };
    words + content::media_bytes(body)
}

/// Inspects an answer of an operation that is not streamed. Answers that may not be JSON are not inspected.
#[must_use]
pub fn summarize(dialect: Dialect, kind: OperationKind, body: &[u8]) -> AnswerSummary {
    let read = match kind {
        OperationKind::Chat => with_codec!(dialect.format(), codec => codec::watch::summarize(body)),
        OperationKind::Completions => openai_chat::watch::summarize(body),
        OperationKind::Responses => openai_responses::watch::summarize(body),
        OperationKind::Embeddings
        | OperationKind::CountTokens
        | OperationKind::ListModels
        | OperationKind::GetModel
        | OperationKind::Version => other_answers::plain(dialect, kind, body),
        OperationKind::Rerank => return other_answers::reranked(body),
        OperationKind::ImageGeneration => return other_answers::pictures(body),
        OperationKind::Moderations | OperationKind::Speech | OperationKind::Transcription => {
            return other_answers::other(body);
        }
    };
    read.unwrap_or_else(|| {
        let empty = body.trim_ascii().is_empty();
        AnswerSummary::of_malformed(if empty { "the body is empty" } else { "not a JSON object" })
    })
}

/// The body of an error answer, as JSON.
#[must_use]
pub fn error_body(dialect: Dialect, error: &GatewayError<'_>) -> Vec<u8> {
    with_codec!(dialect.format(), codec => codec::errors::body(error)).to_string().into_bytes()
}

/// The error event that ends a stream, framed.
#[must_use]
pub fn error_event(caller: impl Into<CallerFormat>, error: &GatewayError<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    with_caller_codec!(caller.into(), codec => codec::errors::write_event(error, &mut out));
    out
}

/// A list of models, on one page.
#[must_use]
pub fn list_models(dialect: Dialect, models: &[ListedModel]) -> Value {
    with_codec!(dialect.format(), codec => codec::listing::list(models))
}

/// One model of such a list.
#[must_use]
pub fn list_model(dialect: Dialect, model: &ListedModel) -> Value {
    with_codec!(dialect.format(), codec => codec::listing::one(model))
}

/// The answer to a question for the version of an API. Only Ollama's has one.
#[must_use]
pub fn version() -> Value {
    json!({"version": ollama::listing::VERSION})
}

/// Where a format has turns, and its requirements for them.
pub(crate) fn marks(caller: CallerFormat) -> Marks {
    with_caller_codec!(caller, codec => codec::marks::MARKS)
}

/// Removes the gateway's marks from a turn. Returns whether it changed; `None` if nothing is left of it.
pub(crate) fn strip_turn(caller: CallerFormat, target: &Target<'_>, turn: &mut JsonObject) -> Option<bool> {
    with_caller_codec!(caller, codec => codec::marks::strip(turn, target))
}

/// Makes a body of the target's own format fit what the target accepts of it.
pub(crate) fn conform(body: &mut JsonObject, target: &Target<'_>) -> Result<BodyChanges, RequestError> {
    match target.format() {
        Format::OpenAiChat => openai_chat::conform::conform(body, target),
        _ => Ok(BodyChanges::default()),
    }
}

/// All rows of a caller's format.
#[must_use]
pub fn fields(caller: impl Into<CallerFormat>) -> &'static [FieldRow] {
    with_caller_codec!(caller.into(), codec => codec::fields::FIELDS)
}

/// How a field is handled. A field without a row is refused: the gateway can't know its meaning.
#[must_use]
pub fn handling(caller: impl Into<CallerFormat>, path: &str, upstream: Format) -> FieldHandling {
    let caller = caller.into();
    if caller.is_native_to(upstream) {
        return FieldHandling::Carried;
    }
    fields::handling(fields(caller), path, upstream)
}

/// Checks the fields of a request against an upstream's format, and returns the hints that will be omitted.
///
/// # Errors
/// [`RequestError::Unsupported`] with the first field that is refused.
pub fn fit(caller: impl Into<CallerFormat>, paths: &[String], upstream: Format) -> Result<Vec<String>, RequestError> {
    let caller = caller.into();
    if caller.is_native_to(upstream) {
        return Ok(Vec::new());
    }
    fields::fit(fields(caller), paths, upstream)
}
