//! Watches the events of an Anthropic message.

use serde::Deserialize;

use crate::chat::StreamError;
use crate::format::anthropic::usage::{UsageFigures, UsageStatements};
use crate::json::lenient::{
    Filled, LenientCount, LenientError, LenientList, LenientObject, LenientText, LenientTier, is_object, object,
};
use crate::passthrough::content;
use crate::passthrough::observation::{Observation, Parsed};
use crate::passthrough::summary::AnswerSummary;
use crate::usage::Usage;

/// A message, as the answer itself and in `message_start`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct AnswerMessage<'a> {
    #[serde(borrow, rename = "type")]
    pub kind: LenientText<'a>,
    #[serde(borrow)]
    pub model: LenientText<'a>,
    #[serde(borrow)]
    pub content: LenientList<AnswerBlock<'a>>,
    #[serde(borrow)]
    pub stop_reason: LenientText<'a>,
    pub usage: LenientObject<StatedUsage>,
    pub error: LenientError,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct StreamLine<'a> {
    #[serde(borrow, rename = "type")]
    kind: LenientText<'a>,
    #[serde(borrow)]
    message: LenientObject<AnswerMessage<'a>>,
    #[serde(borrow)]
    content_block: LenientObject<AnswerBlock<'a>>,
    #[serde(borrow)]
    delta: LenientObject<Delta<'a>>,
    usage: LenientObject<StatedUsage>,
    error: LenientError,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct AnswerBlock<'a> {
    #[serde(borrow, rename = "type")]
    kind: LenientText<'a>,
    text: Filled,
    thinking: Filled,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Delta<'a> {
    text: Filled,
    thinking: Filled,
    partial_json: Filled,
    citation: Filled,
    #[serde(borrow)]
    stop_reason: LenientText<'a>,
}

/// Anthropic's usage, from one event, or of one iteration.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Figures {
    input_tokens: LenientCount,
    cache_read_input_tokens: LenientCount,
    cache_creation_input_tokens: LenientCount,
    cache_creation: LenientObject<Creation>,
    output_tokens: LenientCount,
    output_tokens_details: LenientObject<OutputTokenDetails>,
    service_tier: LenientTier,
    speed: LenientTier,
    iterations: LenientList<Figures>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
struct Creation {
    ephemeral_5m_input_tokens: LenientCount,
    ephemeral_1h_input_tokens: LenientCount,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
struct OutputTokenDetails {
    thinking_tokens: LenientCount,
}

impl Figures {
    fn part(&self) -> UsageFigures {
        let creation = self.cache_creation.0.unwrap_or_default();
        UsageFigures {
            input: self.input_tokens.0,
            cache_read: self.cache_read_input_tokens.0,
            cache_write: self.cache_creation_input_tokens.0,
            cache_write_5m: creation.ephemeral_5m_input_tokens.0,
            cache_write_1h: creation.ephemeral_1h_input_tokens.0,
            output: self.output_tokens.0,
            thinking: self.output_tokens_details.0.and_then(|details| details.thinking_tokens.0),
        }
    }
}

/// The usage reported so far: see [`UsageStatements`].
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct StatedUsage(UsageStatements);

impl<'de> Deserialize<'de> for StatedUsage {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let figures = Figures::deserialize(deserializer)?;
        Ok(StatedUsage(UsageStatements {
            totals: figures.part(),
            iterations: figures.iterations.iter().map(Figures::part).reduce(UsageFigures::plus),
            service: figures.service_tier.0,
            speed: figures.speed.0,
        }))
    }
}

impl StatedUsage {
    /// Applies a later value.
    pub fn merge(&mut self, later: Option<StatedUsage>) {
        if let Some(StatedUsage(later)) = later {
            self.0.correct(later);
        }
    }

    fn without_output(self) -> StatedUsage {
        StatedUsage(self.0.without_output())
    }

    pub fn usage(&self) -> Usage {
        self.0.usage()
    }
}

impl AnswerBlock<'_> {
    /// Tool calls, results and redacted thinking always count as content.
    pub fn filled(&self) -> bool {
        match self.kind.get() {
            Some("text" | "thinking") | None => self.text.0 || self.thinking.0,
            Some(_) => true,
        }
    }
}

/// Whether a stop reason explains an answer without content. Unknown ones do.
pub(crate) fn explains(stop_reason: &LenientText<'_>) -> bool {
    stop_reason.get().is_some_and(|reason| !matches!(reason, "end_turn" | "tool_use"))
}

/// Reads the events of a stream.
#[derive(Debug, Default)]
pub(crate) struct Watcher(StatedUsage);

impl Watcher {
    /// Whether an event after the first content needs no parsing.
    pub fn is_plain(&self, name: &str, data: &str) -> bool {
        name == "content_block_delta" && is_object(data)
    }

    /// Reads an event. `unnamed`: the model's name is still unknown.
    pub fn read(&mut self, name: &str, data: &str, unnamed: bool) -> Parsed {
        event(name, data, unnamed).take_tokens(|tokens| self.0.merge(tokens))
    }

    /// The usage of the stream, as far as it was reported.
    pub fn usage(&self) -> Usage {
        self.0.usage()
    }

    /// Bytes of content in an event.
    pub fn content_bytes(&self, _name: &str, data: &str) -> u64 {
        let words = |key: &[u8]| matches!(key, b"text" | b"thinking" | b"partial_json");
        content::sum(data.as_bytes(), &[], words)
    }
}

/// Bytes of content in a whole message.
pub(crate) fn answer_bytes(body: &[u8]) -> u64 {
    content::sum(body, &[b"input"], |key| matches!(key, b"text" | b"thinking" | b"input"))
}

/// Reads an event. `unnamed`: the model's name is still unknown.
fn event(name: &str, data: &str, unnamed: bool) -> Parsed<StatedUsage> {
    let mut slow = None;
    let Some(line) = object::<StreamLine<'_>>(data.as_bytes(), &mut slow) else {
        if name == "error" {
            let error = StreamError { kind: "error".to_owned(), message: data.to_owned(), status: None };
            return Parsed {
                observation: Observation { error: Some(error), ..Observation::default() },
                ..Parsed::empty()
            };
        }
        return Parsed::malformed();
    };
    let mut parsed = Parsed::empty();
    parsed.tokens = line.usage.0;
    parsed.observation.error.clone_from(&line.error.0);
    match line.kind.get() {
        Some("message_start") => {
            if let Some(message) = &line.message.0 {
                parsed.tokens = message.usage.0.or(parsed.tokens).map(StatedUsage::without_output);
                parsed.model = if unnamed { message.model.owned() } else { None };
            }
        }
        Some("content_block_start") => {
            parsed.observation.content = line.content_block.0.as_ref().is_some_and(AnswerBlock::filled);
        }
        Some("content_block_delta") => {
            let delta = line.delta.0.as_ref();
            parsed.observation.content =
                delta.is_some_and(|delta| delta.text.0 || delta.thinking.0 || delta.partial_json.0 || delta.citation.0);
        }
        Some("message_delta") => {
            if let Some(delta) = &line.delta.0 {
                parsed.finished = delta.stop_reason.get().is_some();
                parsed.explained = explains(&delta.stop_reason);
            }
        }
        Some("message_stop") => parsed.observation.terminal = true,
        Some("error") => {
            let bare = || StreamError { kind: "error".to_owned(), message: String::new(), status: None };
            parsed.observation.error = Some(parsed.observation.error.take().unwrap_or_else(bare));
        }
        // Pings, ends of blocks, and unknown events.
        Some(_) => {}
        None if parsed.observation.error.is_none() => return Parsed::malformed(),
        None => {}
    }
    parsed
}

/// Reads a message that is not streamed; `None` if it is not an object.
pub(crate) fn summarize(body: &[u8]) -> Option<AnswerSummary> {
    let mut slow = None;
    let message: AnswerMessage<'_> = object(body, &mut slow)?;
    let usage = message.usage.0.map(|tokens| tokens.usage()).unwrap_or_default();
    let model = message.model.owned();
    if let Some(error) = message.error.0 {
        return Some(AnswerSummary::of_error(error, usage, model));
    }
    let Some(content) = &message.content.0 else { return Some(AnswerSummary::of_malformed("`content` is missing")) };
    let filled = content.iter().any(AnswerBlock::filled);
    let empty = !filled && !explains(&message.stop_reason);
    Some(AnswerSummary { usage: usage.believed(filled), model, empty, ..AnswerSummary::default() })
}
