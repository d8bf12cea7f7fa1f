//! What an answer used, in one meaning for all dialects.

use serde::{Deserialize, Serialize};

/// Tokens of one answer, and what else is counted. Absent means that the upstream did not say; it is never a zero.
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
    /// Of `input`: pictures.
    pub image_input: Option<u64>,
    /// Of `output`: pictures.
    pub image_output: Option<u64>,
    /// Pictures made.
    pub images: Option<u64>,
    /// Sound that was heard.
    pub milliseconds: Option<u64>,
    /// How the answer was served, where that is told: it may not be what was asked for.
    pub service: Option<ServiceTier>,
}

/// A service that providers price apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ServiceTier {
    /// The usual one: `standard`, `on_demand`.
    Default,
    Batch,
    Flex,
    Priority,
    /// Anthropic's `speed`.
    Fast,
    Ultrafast,
}

impl ServiceTier {
    /// As price tables name it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            ServiceTier::Default => "default",
            ServiceTier::Batch => "batch",
            ServiceTier::Flex => "flex",
            ServiceTier::Priority => "priority",
            ServiceTier::Fast => "fast",
            ServiceTier::Ultrafast => "ultrafast",
        }
    }

    /// Reads a provider's word, in any case. `auto` is a wish and tells nothing; nor does a word that is not known.
    #[must_use]
    pub fn parse(word: &str) -> Option<ServiceTier> {
        const WORDS: [(&str, ServiceTier); 10] = [
            ("default", ServiceTier::Default),
            ("standard", ServiceTier::Default),
            ("on_demand", ServiceTier::Default),
            ("batch", ServiceTier::Batch),
            ("flex", ServiceTier::Flex),
            ("on_demand_flex", ServiceTier::Flex),
            ("priority", ServiceTier::Priority),
            ("on_demand_priority", ServiceTier::Priority),
            ("fast", ServiceTier::Fast),
            ("ultrafast", ServiceTier::Ultrafast),
        ];
        WORDS.iter().find(|(known, _)| known.eq_ignore_ascii_case(word)).map(|(_, tier)| *tier)
    }
}

impl Usage {
    /// True when the upstream told nothing of what was used, whatever it told of how.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Usage { service: self.service, ..Usage::default() }
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
        take(&mut self.image_input, later.image_input);
        take(&mut self.image_output, later.image_output);
        take(&mut self.images, later.images);
        take(&mut self.milliseconds, later.milliseconds);
        self.service = later.service.or(self.service);
    }
}
