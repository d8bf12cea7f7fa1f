//! A conversation, in no dialect: what the codecs read into and write from.
//!
//! The types hold what at least two dialects can say. What only one can say is not here; it is a
//! row of [`fields`], which decides whether a request that has it may go elsewhere.

pub mod fields;
pub mod mark;
pub mod signature;

use serde_json::{Map, Number, Value};

use crate::tokens::usage::Usage;

/// A request for one answer in a conversation.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ChatRequest {
    /// The model's name as the caller gave it (from the body or the path), unresolved.
    pub model: String,
    /// System and developer prompts, in order. Text parts only.
    pub system: Vec<String>,
    /// The turns, oldest first. Never two turns of one role in a row that the source did not have.
    pub messages: Vec<Message>,
    pub tools: Vec<Tool>,
    pub tool_choice: Option<ToolChoice>,
    /// False: at most one tool call a turn.
    pub parallel_tool_calls: Option<bool>,
    pub output: OutputFormat,
    pub stop: Vec<String>,
    /// The caller's cap on output tokens, thinking included where the dialect counts it so.
    pub max_output_tokens: Option<u64>,
    pub temperature: Option<Number>,
    pub top_p: Option<Number>,
    pub top_k: Option<Number>,
    pub seed: Option<i64>,
    pub presence_penalty: Option<Number>,
    pub frequency_penalty: Option<Number>,
    pub thinking: Option<Thinking>,
    pub stream: bool,
    /// OpenAI callers alone: whether the caller itself asked for the usage chunk.
    pub stream_usage: bool,
    /// Field paths of the caller's dialect that are present and have a row in [`fields`] other
    /// than *carried*, or no row at all; normalised, list indexes as `[]`: `messages[].name`.
    pub fields: Vec<String>,
}

impl ChatRequest {
    /// The caller's cap on output tokens, but never more than `most`.
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

/// A piece of a turn, or of an answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Part {
    Text(String),
    /// A picture or a document (PDF), distinguished by its media type.
    Media(Media),
    /// The model asks for a tool.
    ToolCall(ToolCall),
    /// The caller answers; it stands in a user's turn.
    ToolResult(ToolResult),
    Thinking(Thought),
    /// The model declines, in words (OpenAI's `refusal`).
    Refusal(String),
}

#[derive(Clone, Debug, PartialEq)]
pub struct Media {
    /// `image/png`, `application/pdf`; absent where a URL was given without one.
    pub media_type: Option<String>,
    pub source: MediaSource,
    /// A document's name, where the dialect has one.
    pub filename: Option<String>,
    /// OpenAI's `detail`: low, high or auto. A hint.
    pub detail: Option<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum MediaSource {
    /// Base64, standard alphabet, padded, no `data:` in front.
    Base64(String),
    /// `https://…` or `gs://…`.
    Url(String),
}

#[derive(Clone, Debug, PartialEq)]
pub struct ToolCall {
    /// Never empty: codecs make one (`call_0`, by position) where a dialect has none.
    pub id: String,
    pub name: String,
    /// The arguments as JSON text: an object, `{}` when there are none.
    pub arguments: String,
    /// Gemini's thought signature, which must come back with the call.
    pub signature: Option<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct ToolResult {
    /// The call that it answers.
    pub id: String,
    /// The tool's name: Gemini wants it. Codecs fill it from the call of the same id.
    pub name: Option<String>,
    /// Text and media.
    pub content: Vec<Part>,
    pub is_error: bool,
}

/// What a model thought. Only its own provider can check the signature.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Thought {
    /// Absent when redacted.
    pub text: Option<String>,
    /// Anthropic's signature, or Gemini's `thoughtSignature` on a thought part.
    pub signature: Option<String>,
    /// Anthropic's `redacted_thinking` data.
    pub redacted: Option<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Tool {
    pub name: String,
    pub description: Option<String>,
    /// JSON Schema of the arguments; absent when the tool takes none.
    pub parameters: Option<Value>,
    pub strict: Option<bool>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ToolChoice {
    Auto,
    None,
    /// Any of the tools, but one of them.
    Required,
    /// This one.
    Tool(String),
    /// One of these (Gemini's `allowedFunctionNames`, OpenAI's `allowed_tools` in mode required).
    AnyOf(Vec<String>),
}

#[derive(Clone, Debug, Default, PartialEq)]
pub enum OutputFormat {
    #[default]
    Text,
    /// Some JSON object.
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
    /// `minimal`, `low`, `medium`, `high`, `xhigh`, in OpenAI's words.
    Effort(Effort),
    /// At most so many tokens.
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
    /// The word of OpenAI's `reasoning_effort` and Anthropic's `effort`.
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

    /// Reads [`Effort::word`]; `max` is the highest.
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

    /// The budget that stands for this effort where a model wants tokens.
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

    /// The effort nearest to a budget.
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

/// A whole answer. One alternative: requests for several do not cross dialects.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ChatResponse {
    /// The upstream's id of the answer.
    pub id: Option<String>,
    /// The model as the upstream names it.
    pub model: Option<String>,
    /// Text, thinking, tool calls, refusal, media, in order.
    pub parts: Vec<Part>,
    pub finish: Option<Finish>,
    /// The stop sequence that ended it, where the dialect says it.
    pub stop_sequence: Option<String>,
    pub usage: Usage,
}

/// Why an answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finish {
    Stop,
    /// One of the caller's stop sequences (distinguished by Anthropic alone).
    StopSequence,
    Length,
    ToolCalls,
    /// Withheld or cut by a content filter, or blocked before it began.
    Filtered,
    /// The model refused (Anthropic's `refusal`).
    Refusal,
    /// Anthropic's `pause_turn`; elsewhere a plain stop.
    Pause,
}

/// A piece of a streamed answer.
#[derive(Clone, Debug, PartialEq)]
pub enum ChatEvent {
    /// Once, first. Not content.
    Start {
        id: Option<String>,
        model: Option<String>,
    },
    Text(String),
    Refusal(String),
    /// Thinking, in words.
    Thinking(String),
    /// Closes the thinking before it: its signature.
    ThinkingSignature(String),
    /// A whole redacted block.
    RedactedThinking(String),
    /// A whole picture or sound that the model made.
    Media(Media),
    /// A tool call begins; `index` counts the calls of this answer from 0.
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
    /// Cumulative; may come several times.
    Usage(Usage),
    Finish {
        reason: Finish,
        stop_sequence: Option<String>,
    },
    /// An error reported inside the stream; the stream is over.
    Error(StreamError),
    /// The dialect's own end was seen (`[DONE]`, `message_stop`, a Gemini finish). Once, last.
    End,
}

impl ChatEvent {
    /// Whether a client has been told something of the answer itself, after which no other
    /// candidate can take over.
    #[must_use]
    pub fn is_content(&self) -> bool {
        match self {
            ChatEvent::Text(text) | ChatEvent::Refusal(text) | ChatEvent::Thinking(text) => !text.is_empty(),
            ChatEvent::ToolCall { .. }
            | ChatEvent::ToolArguments { .. }
            | ChatEvent::Media(_)
            | ChatEvent::RedactedThinking(_) => true,
            ChatEvent::Start { .. }
            | ChatEvent::ThinkingSignature(_)
            | ChatEvent::Usage(_)
            | ChatEvent::Finish { .. }
            | ChatEvent::Error(_)
            | ChatEvent::End => false,
        }
    }

    /// Bytes of content: text, thinking, a tool's arguments, a refusal. From it the output of a stream is estimated
    /// that was cut off before it reported any.
    #[must_use]
    pub fn content_len(&self) -> usize {
        match self {
            ChatEvent::Text(text) | ChatEvent::Refusal(text) | ChatEvent::Thinking(text) => text.len(),
            ChatEvent::ToolArguments { fragment, .. } => fragment.len(),
            _ => 0,
        }
    }
}

/// An upstream's error, as told inside a stream that began with 200.
#[derive(Clone, Debug, PartialEq)]
pub struct StreamError {
    /// The upstream's own type or code: `overloaded_error`, `rate_limit_exceeded`, `UNAVAILABLE`.
    pub kind: String,
    pub message: String,
    /// A status, where the event tells one.
    pub status: Option<u16>,
}

/// A JSON object, as codecs take and give it.
pub type JsonObject = Map<String, Value>;

/// An object of these members. What is in it is moved, where `json!` would copy all of it.
pub(crate) fn object<const N: usize>(members: [(&str, Value); N]) -> Value {
    Value::Object(members.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
}
