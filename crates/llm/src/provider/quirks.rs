//! What one server accepts and another refuses although both speak the same format, as data.
//!
//! A quirk belongs to the provider's type, never to a model's name: encoders and edits read it from their
//! [`Target`](super::Target). Add one only with the code or the test that reads it.

use crate::Dialect;
use crate::operation::{Operation, OperationKind};
use crate::passthrough::scan::CapField;

/// What a server accepts and refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quirks {
    /// Families: metrics of one name that differ in the values of their labels.
    pub caps: &'static [CapField],
    /// When a stream reports its usage.
    pub stream_usage: StreamUsage,
}

/// When a stream reports its usage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamUsage {
    /// Without being asked.
    Always,
    /// Only if the request says `stream_options.include_usage`.
    OnRequest,
}

impl Quirks {
    /// As OpenAI, Groq, Cerebras and OpenRouter document their APIs: `max_tokens` is deprecated, and OpenAI's reasoning
    /// models refuse it.
    pub const OPENAI: Quirks =
        Quirks { caps: &[CapField::MaxCompletionTokens, CapField::MaxTokens], stream_usage: StreamUsage::OnRequest };

    /// Newer servers take both words for the cap, older ones read only `max_tokens`, and none is known to refuse that.
    pub const SELF_HOSTED: Quirks =
        Quirks { caps: &[CapField::MaxTokens, CapField::MaxCompletionTokens], ..Quirks::OPENAI };

    /// The newer word is ignored.
    pub const OLLAMA: Quirks = Quirks { caps: &[CapField::MaxTokens], ..Quirks::OPENAI };

    /// Mistral refuses any field that it does not know, the newer word for the cap among them, and reports usage unasked.
    pub const MISTRAL: Quirks = Quirks { caps: &[CapField::MaxTokens], stream_usage: StreamUsage::Always };

    /// APIs of their own, where nothing has to be asked for.
    pub const NONE: Quirks = Quirks { caps: &[], stream_usage: StreamUsage::Always };

    /// The fields by which a server of the caller's own dialect lets an answer of this operation be capped. The first is
    /// written where the caller wrote none. Empty: the answer has no length to cap.
    #[must_use]
    pub fn caps(&self, operation: &Operation) -> &'static [CapField] {
        match (operation.dialect, operation.kind) {
            (Dialect::OpenAi, OperationKind::Chat) => self.caps,
            _ => CapField::of_caller(operation),
        }
    }

    /// Whether usage has to be asked for on the caller's behalf when such a request streams.
    #[must_use]
    pub fn asks_stream_usage(&self, operation: &Operation) -> bool {
        operation.dialect == Dialect::OpenAi
            && matches!(operation.kind, OperationKind::Chat | OperationKind::Completions)
            && self.stream_usage == StreamUsage::OnRequest
    }
}
