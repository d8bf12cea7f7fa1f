//! What one server accepts and another refuses although both use the same format, as data.
//!
//! A quirk belongs to the provider's type, never to a model's name: encoders and edits read it from their
//! [`Target`](super::Target). Add one only with the code or the test that reads it.

use crate::Dialect;
use crate::operation::{Operation, OperationKind};
use crate::provider::{CapField, ChatQuirks};

/// What a server accepts and refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quirks {
    /// The fields that limit the output of an OpenAI chat completion there. The first one is written. Empty if no such
    /// request is sent there.
    pub caps: &'static [CapField],
    /// When a stream reports its usage.
    pub stream_usage: StreamUsage,
    /// What it accepts and refuses of an OpenAI chat completion.
    pub chat: &'static ChatQuirks,
}

/// When a stream reports its usage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamUsage {
    /// Always.
    Always,
    /// Only if the request says `stream_options.include_usage`.
    OnRequest,
}

impl Quirks {
    /// As documented by OpenAI, Groq, Cerebras and OpenRouter: `max_tokens` is deprecated, and OpenAI's reasoning
    /// models refuse it.
    pub const OPENAI: Quirks = Quirks {
        caps: &[CapField::MaxCompletionTokens, CapField::MaxTokens],
        stream_usage: StreamUsage::OnRequest,
        chat: &ChatQuirks::OPENAI,
    };

    pub const GROQ: Quirks = Quirks { chat: &ChatQuirks::GROQ, ..Quirks::OPENAI };

    pub const CEREBRAS: Quirks = Quirks { chat: &ChatQuirks::CEREBRAS, ..Quirks::OPENAI };

    /// Nothing is known to be refused.
    pub const LENIENT: Quirks = Quirks { chat: &ChatQuirks::ANY, ..Quirks::OPENAI };

    const OPEN_MODELS: Quirks = Quirks { chat: &ChatQuirks::OPEN_MODELS, ..Quirks::OPENAI };

    /// Newer servers accept both fields, older ones read only `max_tokens`, and none is known to refuse that.
    pub const SELF_HOSTED: Quirks =
        Quirks { caps: &[CapField::MaxTokens, CapField::MaxCompletionTokens], ..Quirks::OPEN_MODELS };

    /// The newer field is ignored.
    pub const OLLAMA: Quirks = Quirks { caps: &[CapField::MaxTokens], ..Quirks::OPEN_MODELS };

    /// Mistral refuses unknown fields, including the newer one for the limit, and always reports usage.
    pub const MISTRAL: Quirks =
        Quirks { caps: &[CapField::MaxTokens], stream_usage: StreamUsage::Always, chat: &ChatQuirks::MISTRAL };

    /// Together and Hugging Face document only `max_tokens`.
    pub const MAX_TOKENS: Quirks = Quirks { caps: &[CapField::MaxTokens], ..Quirks::OPEN_MODELS };

    /// So does DeepSeek.
    pub const DEEPSEEK: Quirks = Quirks { chat: &ChatQuirks::DEEPSEEK, ..Quirks::MAX_TOKENS };

    pub const FIREWORKS: Quirks = Quirks { chat: &ChatQuirks::FIREWORKS, ..Quirks::SELF_HOSTED };

    /// Perplexity documents only `max_tokens`, and reports usage in every chunk.
    pub const PERPLEXITY: Quirks =
        Quirks { stream_usage: StreamUsage::Always, chat: &ChatQuirks::PERPLEXITY, ..Quirks::MAX_TOKENS };

    /// Other APIs, where nothing has to be requested.
    pub const NONE: Quirks = Quirks { caps: &[], stream_usage: StreamUsage::Always, chat: &ChatQuirks::ANY };

    /// The fields with which a server of the caller's own dialect limits an answer of this operation. The first is
    /// written if the caller wrote none. Empty: the answer has no length to limit.
    #[must_use]
    pub fn caps(&self, operation: &Operation) -> &'static [CapField] {
        match (operation.dialect, operation.kind) {
            (Dialect::OpenAi, OperationKind::Chat) => self.caps,
            _ => CapField::of_caller(operation),
        }
    }

    /// Whether usage must be requested on the caller's behalf if such a request is streamed.
    #[must_use]
    pub fn asks_stream_usage(&self, operation: &Operation) -> bool {
        operation.dialect == Dialect::OpenAi
            && matches!(operation.kind, OperationKind::Chat | OperationKind::Completions)
            && self.stream_usage == StreamUsage::OnRequest
    }
}
