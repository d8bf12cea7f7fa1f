//! The limit of an answer's length, and the number of answers.
//!
//! Which field counts depends on the operation and the upstream: a `max_tokens` in the body of a response has no
//! effect, and neither has a `max_completion_tokens` if the server knows only the older name.

use super::members::whole;
use super::thinking::BEDROCK_THINKING;
use super::{Field, Scanned};
use crate::Dialect;
use crate::json::raw;
use crate::operation::{Operation, OperationKind};
use crate::provider::CapField;

impl CapField {
    /// The fields with which a caller of this operation may limit the answer. They depend on the operation: OpenAI's
    /// chat, completions and Responses, all of one dialect, have different ones. The fields that an upstream accepts
    /// are in its [quirks](crate::provider::Quirks::caps).
    #[must_use]
    pub fn of_caller(operation: &Operation) -> &'static [CapField] {
        match (operation.dialect, operation.kind) {
            (Dialect::OpenAi, OperationKind::Chat) => &[CapField::MaxCompletionTokens, CapField::MaxTokens],
            (Dialect::OpenAi, OperationKind::Completions)
            | (Dialect::Anthropic | Dialect::Cohere, OperationKind::Chat) => &[CapField::MaxTokens],
            (Dialect::OpenAi, OperationKind::Responses) => &[CapField::MaxOutputTokens],
            (Dialect::Gemini, OperationKind::Chat) => &[CapField::Generation],
            (Dialect::Bedrock, OperationKind::Chat) => &[CapField::Inference],
            (Dialect::Ollama, OperationKind::Chat) => &[CapField::Options],
            _ => &[],
        }
    }

    /// The top-level field of the body that contains it.
    pub(super) fn top(self) -> Field {
        match self {
            CapField::MaxCompletionTokens => Field::MaxCompletionTokens,
            CapField::MaxTokens => Field::MaxTokens,
            CapField::MaxOutputTokens => Field::MaxOutputTokens,
            CapField::Generation => Field::GenerationConfig,
            CapField::Inference => Field::InferenceConfig,
            CapField::Options => Field::Options,
        }
    }

    /// The key of the body's field that contains it.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            CapField::MaxCompletionTokens => "max_completion_tokens",
            CapField::MaxTokens => "max_tokens",
            CapField::MaxOutputTokens => "max_output_tokens",
            CapField::Generation => "generationConfig",
            CapField::Inference => "inferenceConfig",
            CapField::Options => "options",
        }
    }
}

impl Scanned {
    /// The caller's limit of output tokens, by the fields that count: the largest if there are several, because it is
    /// unknown which one applies. `None` if there is none, or none that is a number.
    #[must_use]
    pub fn output_cap(&self, fields: &[CapField]) -> Option<u64> {
        fields.iter().filter_map(|field| self.caps[*field as usize]).max()
    }

    /// The number of answers that are generated and billed: at least 1. `body` is the one that was scanned. The dialect
    /// and kind of the operation determine the field, also if it has no format (completions, images).
    #[must_use]
    pub fn answers(&self, operation: &Operation, body: &[u8]) -> u64 {
        let asked = match operation.dialect {
            Dialect::OpenAi => match operation.kind {
                // All of `best_of` are generated and billed.
                OperationKind::Chat => self.n.max(self.best_of),
                OperationKind::Completions => {
                    let each = self.n.max(self.best_of).unwrap_or(1).max(1);
                    return each.saturating_mul(self.prompts(body));
                }
                OperationKind::ImageGeneration => self.n,
                _ => None,
            },
            Dialect::Anthropic | Dialect::Bedrock | Dialect::Cohere | Dialect::Ollama => None,
            Dialect::Gemini => self.generation.as_ref().and_then(|generation| generation.answers),
        };
        asked.unwrap_or(1).max(1)
    }

    /// The caller's thinking budget in Anthropic's dialect, which refuses a limit that is not above it. Claude at Bedrock
    /// has the same.
    #[must_use]
    pub fn thinking_budget(&self, body: &[u8]) -> Option<u64> {
        let at_bedrock = || {
            let extra = self.value(body, Field::AdditionalModelRequestFields)?;
            BEDROCK_THINKING.into_iter().find_map(|key| raw::member(extra, key))
        };
        whole(raw::member(self.value(body, Field::Thinking).or_else(at_bedrock)?, "budget_tokens")?)
    }

    /// Tokens of the predicted answer: those that turn out different are billed as output, in addition to the answer
    /// and its limit. Estimated.
    #[must_use]
    pub fn predicted(&self, operation: &Operation, body: &[u8]) -> u64 {
        match (operation.dialect, operation.kind) {
            (Dialect::OpenAi, OperationKind::Chat) => self
                .value(body, Field::Prediction)
                .map_or(0, |raw| crate::tokens::estimate::input_tokens(Dialect::OpenAi, raw.as_bytes())),
            _ => 0,
        }
    }

    /// Completions answer each of several prompts: strings, or lists of tokens.
    fn prompts(&self, body: &[u8]) -> u64 {
        let mut several = None;
        let mut read = |raw| {
            raw::elements(raw, |one| {
                several.get_or_insert(one.get().starts_with(['"', '[']));
            })
        };
        let prompts = self.value(body, Field::Prompt).and_then(|raw| read(raw).ok());
        prompts.filter(|_| several == Some(true)).map_or(1, |prompts| prompts as u64)
    }
}
