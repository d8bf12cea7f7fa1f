//! A conversation, in no dialect. Codecs decode to it and encode from it.
//!
//! The types contain what at least two dialects can express. What only one dialect can express is a row of [`fields`],
//! which decides whether a request with it may go to another dialect.

pub(crate) mod addresses;
pub mod cache;
pub mod citation;
pub mod fields;
pub mod mark;
pub mod one_call;
pub mod origin;
pub mod pending;
pub mod signature;

use serde_json::{Map, Number, Value};

use self::cache::CacheMarks;
use self::citation::Citation;
use self::origin::Origin;
use crate::usage::Usage;

/// A request for one answer in a conversation.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ChatRequest {
    /// The model's name from the caller (in the body or the path), unresolved.
    pub model: String,
    /// System and developer prompts, in order. Only text.
    pub system: Vec<String>,
    /// The turns, oldest first. Two consecutive turns have the same role only if the source has them.
    pub messages: Vec<Message>,
    pub tools: Vec<Tool>,
    pub tool_choice: Option<ToolChoice>,
    /// False: at most one tool call in a turn ([`one_call`]).
    pub parallel_tool_calls: Option<bool>,
    pub output: OutputFormat,
    pub stop: Vec<String>,
    /// The caller's limit of output tokens. It includes thinking if the dialect counts it so.
    pub max_output_tokens: Option<u64>,
    pub temperature: Option<Number>,
    pub top_p: Option<Number>,
    pub top_k: Option<Number>,
    pub seed: Option<i64>,
    pub presence_penalty: Option<Number>,
    pub frequency_penalty: Option<Number>,
    pub thinking: Option<Thinking>,
    /// Whether the answer shall cite the documents of the turns.
    pub cite: bool,
    /// Where the caller wants the prompt cached.
    pub cache: CacheMarks,
    pub stream: bool,
    /// Whether the caller asked for the usage chunk. Only for OpenAI callers.
    pub stream_usage: bool,
    /// Paths of fields in the caller's dialect that are present and have a row in [`fields`] other than *carried*, or
    /// no row at all; normalised, with list indexes as `[]`: `messages[].name`.
    pub fields: Vec<String>,
}

impl ChatRequest {
    /// The caller's limit of output tokens, but never more than `most`.
    pub(crate) fn output_within(&self, most: Option<u64>) -> Option<u64> {
        self.max_output_tokens.into_iter().chain(most).min()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    User,
    Assistant,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    pub role: Role,
    pub parts: Vec<Part>,
}

/// A part of a turn, or of an answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Part {
    Text(String),
    /// An image or a document (PDF), distinguished by the media type.
    Media(Media),
    /// The model calls a tool.
    ToolCall(ToolCall),
    /// The result of a tool call, in a user's turn.
    ToolResult(ToolResult),
    Thinking(Thought),
    /// The model refuses, in words (OpenAI's `refusal`).
    Refusal(String),
}

#[derive(Clone, Debug, PartialEq)]
pub struct Media {
    /// `image/png`, `application/pdf`; absent if a URL has no type.
    pub media_type: Option<String>,
    pub source: MediaSource,
    /// The name of a document, if the dialect has one.
    pub filename: Option<String>,
    /// OpenAI's `detail`: low, high or auto. A hint.
    pub detail: Option<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum MediaSource {
    /// Base64, standard alphabet, padded, without `data:`.
    Base64(String),
    /// `https://…`; other schemes do not cross.
    Url(String),
}

#[derive(Clone, Debug, PartialEq)]
pub struct ToolCall {
    /// Never empty: codecs create one (`call_0`, by position) if a dialect has none.
    pub id: String,
    pub name: String,
    /// The arguments as JSON text: an object, `{}` if there are none.
    pub arguments: String,
    /// Gemini's thought signature, which must be returned with the call.
    pub signature: Option<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct ToolResult {
    /// The call that it belongs to.
    pub id: String,
    /// The name of the tool, which Gemini requires. Codecs take it from the call with the same id.
    pub name: Option<String>,
    /// Text and media.
    pub content: Vec<Part>,
    pub is_error: bool,
}

/// A thought of a model. Only its own provider can verify the signature.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Thought {
    /// Absent if redacted.
    pub text: Option<String>,
    /// What the provider wants back with the text: Anthropic's signature, Gemini's `thoughtSignature`, or what a
    /// format notes here to know the form in which its server sent the thought. Other formats only keep it.
    pub signature: Option<String>,
    /// Anthropic's `redacted_thinking` data.
    pub redacted: Option<String>,
    /// In a request: whose it is, if that is known. In an answer, that is [`Answer::origin`](crate::Answer::origin).
    pub origin: Option<Origin>,
}

impl Thought {
    /// A thought that a client returns, with the signature that it has there. `native` is the origin of a signature
    /// without a mark.
    #[must_use]
    pub fn returned(text: String, signature: Option<&str>, native: &Origin) -> Thought {
        let signature = signature.filter(|signature| !signature.is_empty());
        let kept = match signature.map(|signature| (signature, mark::unmark(signature))) {
            None => Thought::default(),
            Some((_, Some(marked))) => marked,
            Some((own, None)) => {
                Thought { signature: Some(own.to_owned()), origin: Some(native.clone()), ..Thought::default() }
            }
        };
        Thought { text: kept.redacted.is_none().then_some(text), ..kept }
    }

    /// Whether a server of `target` gets it back.
    #[must_use]
    pub fn returns_to(&self, target: &Origin) -> bool {
        self.origin.as_ref() == Some(target)
            && *target != Origin::UNKNOWN
            && (self.signature.is_some() || self.redacted.is_some() || target.wants_unsigned())
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Tool {
    pub name: String,
    pub description: Option<String>,
    /// JSON Schema of the arguments; absent if the tool has none.
    pub parameters: Option<Value>,
    pub strict: Option<bool>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ToolChoice {
    Auto,
    None,
    /// Any of the tools, but at least one.
    Required,
    /// This tool.
    Tool(String),
    /// One of these tools (Gemini's `allowedFunctionNames`, OpenAI's `allowed_tools` in mode required).
    AnyOf(Vec<String>),
}

#[derive(Clone, Debug, Default, PartialEq)]
pub enum OutputFormat {
    #[default]
    Text,
    /// Any JSON object.
    JsonObject,
    JsonSchema {
        name: Option<String>,
        description: Option<String>,
        schema: Value,
        strict: Option<bool>,
    },
}

/// How much a model may think before it answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Thinking {
    Off,
    /// The model decides.
    Adaptive,
    /// `minimal`, `low`, `medium`, `high`, `xhigh`, as in OpenAI's API.
    Effort(Effort),
    /// At most this many tokens.
    Budget(u64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effort {
    Minimal,
    Low,
    Medium,
    High,
    XHigh,
}

impl Effort {
    /// The value of OpenAI's `reasoning_effort` and Anthropic's `effort`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Effort::Minimal => "minimal",
            Effort::Low => "low",
            Effort::Medium => "medium",
            Effort::High => "high",
            Effort::XHigh => "xhigh",
        }
    }

    /// Parses [`Effort::word`]; `max` is the highest.
    #[must_use]
    pub fn parse(word: &str) -> Option<Effort> {
        Some(match word {
            "minimal" => Effort::Minimal,
            "low" => Effort::Low,
            "medium" => Effort::Medium,
            "high" => Effort::High,
            "xhigh" | "max" => Effort::XHigh,
            _ => return None,
        })
    }

    /// The budget for this effort if a model needs tokens.
    #[must_use]
    pub fn tokens(self) -> u64 {
        match self {
            Effort::Minimal => 512,
            Effort::Low => 1_024,
            Effort::Medium => 8_192,
            Effort::High => 24_576,
            Effort::XHigh => 32_768,
        }
    }

    /// The effort closest to a budget.
    #[must_use]
    pub fn of_tokens(tokens: u64) -> Effort {
        match tokens {
            0..=512 => Effort::Minimal,
            513..=2_048 => Effort::Low,
            2_049..=12_288 => Effort::Medium,
            12_289..=28_672 => Effort::High,
            _ => Effort::XHigh,
        }
    }
}

/// An answer that is not streamed. It has one alternative: requests for several are not translated.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ChatResponse {
    /// The upstream's id of the answer.
    pub id: Option<String>,
    /// The upstream's name of the model.
    pub model: Option<String>,
    /// Text, thinking, tool calls, refusal, media, in order.
    pub parts: Vec<Part>,
    pub finish: Option<Finish>,
    /// The stop sequence that ended it, if the dialect reports it.
    pub stop_sequence: Option<String>,
    pub usage: Usage,
    /// What its texts are based on.
    pub citations: Vec<Citation>,
}

/// Why an answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finish {
    Stop,
    /// One of the caller's stop sequences (only Anthropic distinguishes this).
    StopSequence,
    Length,
    ToolCalls,
    /// Withheld or truncated by a content filter, or blocked before it began.
    Filtered,
    /// The model refused (Anthropic's `refusal`).
    Refusal,
    /// Anthropic's `pause_turn`; in other dialects a plain stop.
    Pause,
}

/// A piece of a streamed answer.
#[derive(Clone, Debug, PartialEq)]
pub enum ChatEvent {
    /// Occurs once, first. Not content.
    Start {
        id: Option<String>,
        model: Option<String>,
    },
    Text(String),
    /// What a text before it is based on.
    Citation(Citation),
    Refusal(String),
    /// Thinking, as text.
    Thinking(String),
    /// The signature of the preceding thinking, which it ends.
    ThinkingSignature(String),
    /// A whole redacted block.
    RedactedThinking(String),
    /// A complete image or audio that the model generated.
    Media(Media),
    /// The start of a tool call; `index` counts the calls of this answer from 0.
    ToolCall {
        index: usize,
        id: String,
        name: String,
        signature: Option<String>,
    },
    /// The next piece of a call's arguments (JSON text).
    ToolArguments {
        index: usize,
        fragment: String,
    },
    /// Cumulative; may occur several times.
    Usage(Usage),
    Finish {
        reason: Finish,
        stop_sequence: Option<String>,
    },
    /// An error reported inside the stream, which ends it.
    Error(StreamError),
    /// The dialect's own end (`[DONE]`, `message_stop`, a Gemini finish). Occurs once, last.
    End,
}

impl ChatEvent {
    /// Whether it is part of the answer itself. After such an event no other candidate can take over.
    #[must_use]
    pub fn is_content(&self) -> bool {
        match self {
            ChatEvent::Text(text) | ChatEvent::Refusal(text) | ChatEvent::Thinking(text) => !text.is_empty(),
            ChatEvent::ToolCall { .. }
            | ChatEvent::ToolArguments { .. }
            | ChatEvent::Media(_)
            | ChatEvent::RedactedThinking(_) => true,
            ChatEvent::Start { .. }
            | ChatEvent::Citation(_)
            | ChatEvent::ThinkingSignature(_)
            | ChatEvent::Usage(_)
            | ChatEvent::Finish { .. }
            | ChatEvent::Error(_)
            | ChatEvent::End => false,
        }
    }

    /// Bytes of content: text, thinking, a tool's arguments, a refusal. If a stream breaks off before it reports its
    /// output, the output is estimated from these.
    #[must_use]
    pub fn content_len(&self) -> usize {
        match self {
            ChatEvent::Text(text) | ChatEvent::Refusal(text) | ChatEvent::Thinking(text) => text.len(),
            ChatEvent::ToolArguments { fragment, .. } => fragment.len(),
            _ => 0,
        }
    }
}

/// An upstream's error inside a stream that began with 200.
#[derive(Clone, Debug, PartialEq)]
pub struct StreamError {
    /// The upstream's own type or code: `overloaded_error`, `rate_limit_exceeded`, `UNAVAILABLE`.
    pub kind: String,
    pub message: String,
    /// A status, if the event contains one.
    pub status: Option<u16>,
}

/// A JSON object, as codecs use it.
pub type JsonObject = Map<String, Value>;

/// An object with these members. Its values are moved, while `json!` would copy all of them.
pub(crate) fn object<const N: usize>(members: [(&str, Value); N]) -> Value {
    Value::Object(members.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
}
