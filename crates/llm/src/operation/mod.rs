//! The table of operations: what can be requested, at which path, and where the model's name is.
//!
//! Each operation has one row. A path is matched after the prefix of a migration (`/openai`, `/litellm`, …) and the
//! version are removed. A path without a row gets a 404 that lists the dialects.

mod find;
mod table;

use outrigger_core::RequestType;

use crate::{CallerFormat, Dialect};

pub use find::{Hints, Matched, dialect_of, find};
pub use table::TABLE;

/// The kind of an operation: how it is relayed, counted and named.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OperationKind {
    /// A conversation, which is translated between dialects.
    Chat,
    /// OpenAI's older text completions.
    Completions,
    /// A conversation in OpenAI's newer API, which not every server of OpenAI's dialect has.
    Responses,
    Embeddings,
    /// How relevant documents are to a query.
    Rerank,
    CountTokens,
    Moderations,
    ImageGeneration,
    Speech,
    Transcription,
    /// Answered by the gateway itself.
    ListModels,
    GetModel,
    /// The version of the API.
    Version,
}

impl OperationKind {
    /// Whether the gateway answers it itself, without a provider.
    #[must_use]
    pub fn is_answered_here(self) -> bool {
        matches!(self, OperationKind::ListModels | OperationKind::GetModel | OperationKind::Version)
    }
}

/// Where the model's name is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ModelLocation {
    /// The JSON field `model`.
    Field,
    /// A segment of the path.
    Path,
    /// A field of a multipart form.
    Form,
    Nowhere,
}

/// How an operation is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meter {
    /// By the usage in the answer.
    Tokens,
    /// By generated images.
    Images,
    /// By searches, or by the tokens in the answer's usage.
    Searches,
    /// By characters of speech.
    Characters,
    /// By seconds of audio.
    Seconds,
    /// Free.
    Free,
}

/// How a caller gets the events of a streamed answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StreamForm {
    /// In the framing of its dialect: see [`crate::provider::Api::framing`].
    #[default]
    Events,
    /// As a JSON array: a Gemini caller without `alt=sse`.
    Array,
    /// As chunks of an event stream of AWS: Anthropic's events for a caller of `InvokeModelWithResponseStream`.
    AwsChunks,
}

/// A row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Operation {
    pub dialect: Dialect,
    pub kind: OperationKind,
    pub method: &'static str,
    /// Without prefix and version: `chat/completions`; `models/*:generateContent` for a path that contains the model.
    pub path: &'static str,
    pub model: ModelLocation,
    pub meter: Meter,
    /// Whether the answer is streamed if the body asks for it.
    pub streams: bool,
    /// Whether requests may refer to things that only one account has (files, stored responses).
    pub account_bound: bool,
    /// The name in records and metrics.
    pub name: &'static str,
    /// The names in rules, without and with streaming.
    pub request_type: (RequestType, RequestType),
}

impl Operation {
    /// The format of its conversations, if its requests are any.
    #[must_use]
    pub fn format(&self) -> CallerFormat {
        match self.kind {
            OperationKind::Responses => CallerFormat::OpenAiResponses,
            _ if self.is_generate() => CallerFormat::OllamaGenerate,
            _ => CallerFormat::Common(self.dialect.format()),
        }
    }

    /// Whether a provider of another API can serve it as a conversation.
    #[must_use]
    pub fn is_conversation(&self) -> bool {
        matches!(self.kind, OperationKind::Chat | OperationKind::Responses)
    }

    /// Whether the path, and not the body, says that the answer is streamed.
    #[must_use]
    pub fn streams_by_path(&self) -> bool {
        matches!(self.dialect, Dialect::Gemini | Dialect::Bedrock) || self.is_invoke_model()
    }

    /// Whether it is `InvokeModel` of Amazon Bedrock, with a body of Anthropic's.
    #[must_use]
    pub fn is_invoke_model(&self) -> bool {
        self.dialect == Dialect::Anthropic && self.path.starts_with("model/")
    }

    /// Whether it is Ollama's answer to a single prompt.
    #[must_use]
    pub fn is_generate(&self) -> bool {
        self.dialect == Dialect::Ollama && self.path == "api/generate"
    }

    /// Whether the path is a cloud's own: `InvokeModel`, and Vertex AI's paths for Claude. Its callers' credentials are
    /// for that cloud.
    #[must_use]
    pub fn is_of_cloud(&self) -> bool {
        self.is_invoke_model() || (self.dialect == Dialect::Anthropic && self.path.starts_with("models/"))
    }

    /// The dialect of errors: AWS's SDKs read AWS's errors, whatever the body.
    #[must_use]
    pub fn error_dialect(&self) -> Dialect {
        if self.is_invoke_model() { Dialect::Bedrock } else { self.dialect }
    }
}
