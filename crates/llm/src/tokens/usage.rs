//! What an answer used, in one meaning for all dialects.

use serde::{Deserialize, Serialize};
use serde_json::Value;

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

/// More than this nobody counts in one answer: no window and no stream is so long. In tokens.
const MOST: u64 = 10_000_000_000;

/// A figure as an answer tells it: a whole number, which some providers write with a point. A negative one, one with a
/// fraction and text are none.
pub(crate) fn count(value: &Value) -> Option<u64> {
    let number = value.as_number()?;
    number.as_u64().or_else(|| number.as_f64().and_then(of_float))
}

pub(crate) fn of_float(number: f64) -> Option<u64> {
    // What is too large becomes the largest, so that a sum with it is none that is believed.
    (number.fract() == 0.0 && number >= 0.0).then_some(number as u64)
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

    /// Less the figures that nobody can have meant: those beyond all bounds, and no token for an answer with content.
    #[must_use]
    pub fn believed(mut self, content: bool) -> Usage {
        self.output = self.output.filter(|output| *output > 0 || !content);
        for figure in self.figures() {
            *figure = figure.filter(|figure| *figure <= MOST);
        }
        self
    }

    /// All but the service.
    fn figures(&mut self) -> [&mut Option<u64>; 12] {
        [
            &mut self.input,
            &mut self.cached_input,
            &mut self.cache_write,
            &mut self.cache_write_1h,
            &mut self.output,
            &mut self.reasoning,
            &mut self.audio_input,
            &mut self.audio_output,
            &mut self.image_input,
            &mut self.image_output,
            &mut self.images,
            &mut self.milliseconds,
        ]
    }

    /// Takes each figure that `later` tells, as streams tell them cumulatively.
    pub fn merge(&mut self, later: &Usage) {
        let mut later = *later;
        for (mine, other) in self.figures().into_iter().zip(later.figures()) {
            *mine = other.or(*mine);
        }
        self.service = later.service.or(self.service);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn figures_are_whole_numbers_from_zero_on() {
        for (value, expected) in [
            (json!(0), Some(0)),
            (json!(7), Some(7)),
            (json!(7.0), Some(7)),
            (json!(1e3), Some(1_000)),
            (json!(7.5), None),
            (json!(-1), None),
            (json!(-0.5), None),
            (json!("7"), None),
            (json!(null), None),
            (json!(true), None),
            (json!([7]), None),
            (json!(u64::MAX), Some(u64::MAX)),
            (json!(1e300), Some(u64::MAX)),
        ] {
            assert_eq!(count(&value), expected, "{value}");
        }
    }

    #[test]
    fn what_nobody_can_have_meant_is_no_figure() {
        let reported = Usage { input: Some(1 << 63), output: Some(0), cached_input: Some(5), ..Usage::default() };
        assert_eq!(reported.believed(true), Usage { cached_input: Some(5), ..Usage::default() });
        assert_eq!(reported.believed(false), Usage { output: Some(0), cached_input: Some(5), ..Usage::default() });
    }
}
