//! The usage of an answer, with one meaning for all dialects.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Tokens of one answer, and other units. Absent means that the upstream did not report it; it never means zero.
///
/// The dialects disagree on what includes what; here `input` *includes* cached and cache-writing tokens (like OpenAI's
/// `prompt_tokens` and unlike Anthropic's `input_tokens`), and `output` *includes* reasoning (like OpenAI's and unlike
/// Gemini's `candidatesTokenCount`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// All input tokens, including cached ones.
    pub input: Option<u64>,
    /// Included in `input`: read from the provider's prompt cache.
    pub cached_input: Option<u64>,
    /// Included in `input`: written to the cache for five minutes (or, if a provider has one kind, for any time).
    pub cache_write: Option<u64>,
    /// Included in `input`: written to the cache for an hour.
    pub cache_write_1h: Option<u64>,
    /// All output tokens, including reasoning.
    pub output: Option<u64>,
    /// Included in `output`: reasoning.
    pub reasoning: Option<u64>,
    /// Included in `input`: audio.
    pub audio_input: Option<u64>,
    /// Included in `output`: audio.
    pub audio_output: Option<u64>,
    /// Included in `input`: images.
    pub image_input: Option<u64>,
    /// Included in `output`: images.
    pub image_output: Option<u64>,
    /// Generated images.
    pub images: Option<u64>,
    /// Transcribed audio.
    pub milliseconds: Option<u64>,
    /// Searches: queries over documents, as Cohere bills them.
    pub searches: Option<u64>,
    /// The service tier of the answer, if reported: it may differ from the requested one.
    pub service: Option<ServiceTier>,
}

/// The largest plausible number of tokens in one answer: no window and no stream is longer.
const MOST: u64 = 10_000_000_000;

/// A number in an answer: an integer, which some providers write with a decimal point. `None` for negative numbers,
/// fractions and text.
pub(crate) fn count(value: &Value) -> Option<u64> {
    let number = value.as_number()?;
    number.as_u64().or_else(|| number.as_f64().and_then(of_float))
}

pub(crate) fn of_float(number: f64) -> Option<u64> {
    // A number that is too large becomes the largest one, which is implausible in any sum.
    (number.fract() == 0.0 && number >= 0.0).then_some(number as u64)
}

/// A service tier with its own price.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ServiceTier {
    /// The default: `standard`, `on_demand`.
    Default,
    Batch,
    Flex,
    Priority,
    /// Anthropic's `speed`.
    Fast,
    Ultrafast,
}

impl ServiceTier {
    /// The name in price tables.
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

    /// Parses a provider's name, in any case. `auto` is a request and not a tier; unknown names give `None`.
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
    /// Whether the upstream reported no numbers, even if it reported the service tier.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Usage { service: self.service, ..Usage::default() }
    }

    /// Without implausible numbers: those beyond all limits, and zero tokens for an answer with content.
    #[must_use]
    pub fn believed(mut self, content: bool) -> Usage {
        self.output = self.output.filter(|output| *output > 0 || !content);
        for figure in self.figures() {
            *figure = figure.filter(|figure| *figure <= MOST);
        }
        self
    }

    /// All numbers, without the service tier.
    fn figures(&mut self) -> [&mut Option<u64>; 13] {
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
            &mut self.searches,
        ]
    }

    /// Applies each number that `later` has, because streams report cumulative numbers.
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
    fn figures_are_non_negative_whole_numbers() {
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
    fn implausible_numbers_are_dropped() {
        let reported = Usage { input: Some(1 << 63), output: Some(0), cached_input: Some(5), ..Usage::default() };
        assert_eq!(reported.believed(true), Usage { cached_input: Some(5), ..Usage::default() });
        assert_eq!(reported.believed(false), Usage { output: Some(0), cached_input: Some(5), ..Usage::default() });
    }
}
