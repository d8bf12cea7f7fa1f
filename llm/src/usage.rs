//! What an answer used, in one meaning for all dialects.

use serde::{Deserialize, Serialize};

/// Tokens of one answer. Absent means that the upstream did not say; it is never a zero.
///
/// The dialects disagree on what includes what; here `input` *includes* cached and cache-writing
/// tokens (as OpenAI's `prompt_tokens` does and Anthropic's `input_tokens` does not), and `output`
/// *includes* reasoning (as OpenAI's does and Gemini's `candidatesTokenCount` does not).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// All input tokens, cached ones included.
    pub input: Option<u64>,
    /// Of `input`: read from the provider's prompt cache.
    pub cached_input: Option<u64>,
    /// Of `input`: written to the cache for five minutes (or, where a provider has one kind, at all).
    pub cache_write: Option<u64>,
    /// Of `input`: written to the cache for an hour.
    pub cache_write_1h: Option<u64>,
    /// All output tokens, reasoning included.
    pub output: Option<u64>,
    /// Of `output`: thought and not said.
    pub reasoning: Option<u64>,
    /// Of `input`: audio.
    pub audio_input: Option<u64>,
    /// Of `output`: audio.
    pub audio_output: Option<u64>,
}

impl Usage {
    /// True when the upstream told nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Usage::default()
    }

    /// Takes each figure that `later` tells, as streams tell them cumulatively.
    pub fn merge(&mut self, later: &Usage) {
        let take = |mine: &mut Option<u64>, other: Option<u64>| {
            if other.is_some() {
                *mine = other;
            }
        };
        take(&mut self.input, later.input);
        take(&mut self.cached_input, later.cached_input);
        take(&mut self.cache_write, later.cache_write);
        take(&mut self.cache_write_1h, later.cache_write_1h);
        take(&mut self.output, later.output);
        take(&mut self.reasoning, later.reasoning);
        take(&mut self.audio_input, later.audio_input);
        take(&mut self.audio_output, later.audio_output);
    }
}
