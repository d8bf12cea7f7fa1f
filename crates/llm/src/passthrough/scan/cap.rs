//! How long an answer may be, and how many are asked for.
//!
//! Which field counts is the operation's and the upstream's affair: a `max_tokens` in a response's body caps nothing, and
//! neither does a `max_completion_tokens` where the server knows only the older word.

use super::members::whole;
use super::{Field, Scanned};
use crate::Dialect;
use crate::json::raw;
use crate::operation::{Operation, OperationKind};

/// A field that caps the tokens of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CapField {
    /// `max_completion_tokens` of chat completions.
    MaxCompletionTokens,
    /// `max_tokens`: the older one of chat completions, the one of completions and of Anthropic's messages.
    MaxTokens,
    /// `max_output_tokens` of responses.
    MaxOutputTokens,
    /// `generationConfig.maxOutputTokens` of Gemini.
    Generation,
}

impl CapField {
    /// The fields in which a caller of this operation may cap the answer. They belong to the operation: OpenAI's chat,
    /// completions and Responses, all of one dialect, have different ones. What an upstream wants to be capped by is in its
    /// [quirks](crate::provider::Quirks::caps).
    #[must_use]
    pub fn of_caller(operation: &Operation) -> &'static [CapField] {
        match (operation.dialect, operation.kind) {
            (Dialect::OpenAi, OperationKind::Chat) => &[CapField::MaxCompletionTokens, CapField::MaxTokens],
            (Dialect::OpenAi, OperationKind::Completions) | (Dialect::Anthropic, OperationKind::Chat) => {
                &[CapField::MaxTokens]
            }
            (Dialect::OpenAi, OperationKind::Responses) => &[CapField::MaxOutputTokens],
            (Dialect::Gemini, OperationKind::Chat) => &[CapField::Generation],
            _ => &[],
        }
    }

    /// The field at the body's top in which it stands.
    pub(super) fn top(self) -> Field {
        match self {
            CapField::MaxCompletionTokens => Field::MaxCompletionTokens,
            CapField::MaxTokens => Field::MaxTokens,
            CapField::MaxOutputTokens => Field::MaxOutputTokens,
            CapField::Generation => Field::GenerationConfig,
        }
    }

    /// The key of [`CapField::top`].
    pub(super) fn key(self) -> &'static str {
        match self {
            CapField::MaxCompletionTokens => "max_completion_tokens",
            CapField::MaxTokens => "max_tokens",
            CapField::MaxOutputTokens => "max_output_tokens",
            CapField::Generation => "generationConfig",
        }
    }
}

impl Scanned {
    /// The caller's cap on the tokens of an answer, by the fields that count: the largest, where there are several, as it
    /// is not known which one wins. None where nothing is said, or nothing that is a number.
    #[must_use]
    pub fn output_cap(&self, fields: &[CapField]) -> Option<u64> {
        fields.iter().filter_map(|field| self.caps[*field as usize]).max()
    }

    /// How many answers are made and paid for: at least 1. `body` is the one that was scanned. The dialect and kind of the
    /// operation say which field asks for them, also where it has no format (completions, pictures).
    #[must_use]
    pub fn answers(&self, operation: &Operation, body: &[u8]) -> u64 {
        let asked = match operation.dialect {
            Dialect::OpenAi => match operation.kind {
                // All of the best are made, and paid for.
                OperationKind::Chat => self.n.max(self.best_of),
                OperationKind::Completions => {
                    let each = self.n.max(self.best_of).unwrap_or(1).max(1);
                    return each.saturating_mul(self.prompts(body));
                }
                OperationKind::ImageGeneration => self.n,
                _ => None,
            },
            Dialect::Anthropic => None,
            Dialect::Gemini => self.generation.as_ref().and_then(|generation| generation.answers),
        };
        asked.unwrap_or(1).max(1)
    }

    /// Tokens that the caller sets aside for thinking in Anthropic's dialect, which refuses a cap that is not above them.
    #[must_use]
    pub fn thinking_budget(&self, body: &[u8]) -> Option<u64> {
        whole(raw::member(self.value(body, Field::Thinking)?, "budget_tokens")?)
    }

    /// Tokens of an answer that the caller predicts: those that turn out otherwise are billed as output, beside the answer
    /// and whatever its cap. Estimated.
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
