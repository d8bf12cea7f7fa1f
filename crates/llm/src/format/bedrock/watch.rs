//! Watches the answers of Converse, streamed or whole.

use serde::Deserialize;

use super::errors::status;
use super::finish::explains;
use super::usage::ConverseFigures;
use crate::chat::StreamError;
use crate::json::lenient::{
    Filled, LenientCount, LenientList, LenientObject, LenientText, LenientTier, Present, is_object, object,
};
use crate::passthrough::content;
use crate::passthrough::observation::Parsed;
use crate::passthrough::summary::AnswerSummary;
use crate::usage::Usage;

/// The data of any event of a stream.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ConverseLine<'a> {
    start: Present,
    delta: Filled,
    #[serde(borrow)]
    stop_reason: LenientText<'a>,
    #[serde(flatten)]
    stated: StatedMetadata,
}

/// An answer that is not streamed.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ConverseAnswer<'a> {
    output: LenientObject<AnswerOutput>,
    #[serde(borrow)]
    stop_reason: LenientText<'a>,
    usage: LenientObject<StatedFigures>,
    service_tier: LenientObject<StatedTier>,
    #[serde(borrow)]
    message: LenientText<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct AnswerOutput {
    message: LenientObject<AnswerTurn>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct AnswerTurn {
    content: LenientList<ConverseBlock>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ConverseBlock {
    text: Filled,
    tool_use: Present,
    reasoning_content: Filled,
    citations_content: Filled,
    image: Present,
}

/// Usage and tier, as `metadata` states them.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct StatedMetadata {
    usage: LenientObject<StatedFigures>,
    service_tier: LenientObject<StatedTier>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
struct StatedTier {
    #[serde(rename = "type")]
    kind: LenientTier,
}

#[derive(Clone, Copy, Debug, Default)]
struct StatedFigures(ConverseFigures);

impl<'de> Deserialize<'de> for StatedFigures {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Default, Deserialize)]
        #[serde(default, rename_all = "camelCase")]
        struct Fields<'a> {
            input_tokens: LenientCount,
            output_tokens: LenientCount,
            cache_read_input_tokens: LenientCount,
            cache_write_input_tokens: LenientCount,
            #[serde(borrow)]
            cache_details: LenientList<CacheDetail<'a>>,
        }
        #[derive(Debug, Default, Deserialize)]
        #[serde(default, rename_all = "camelCase")]
        struct CacheDetail<'a> {
            #[serde(borrow)]
            ttl: LenientText<'a>,
            input_tokens: LenientCount,
        }
        let fields = Fields::deserialize(deserializer)?;
        let hour = fields.cache_details.iter().find(|detail| detail.ttl.is("1h"));
        Ok(StatedFigures(ConverseFigures {
            input: fields.input_tokens.0,
            output: fields.output_tokens.0,
            cache_read: fields.cache_read_input_tokens.0,
            cache_write: fields.cache_write_input_tokens.0,
            cache_write_1h: hour.and_then(|detail| detail.input_tokens.0),
        }))
    }
}

fn usage(figures: &LenientObject<StatedFigures>, tier: &LenientObject<StatedTier>) -> Usage {
    figures.0.unwrap_or_default().0.usage(tier.0.and_then(|tier| tier.kind.0))
}

impl ConverseBlock {
    fn filled(&self) -> bool {
        self.text.0 || self.tool_use.0 || self.reasoning_content.0 || self.citations_content.0 || self.image.0
    }
}

/// Reads the events of a stream.
#[derive(Debug, Default)]
pub(crate) struct Watcher(Usage);

impl Watcher {
    /// Whether an event after the first content needs no parsing.
    pub fn is_plain(&self, name: &str, data: &str) -> bool {
        name == "contentBlockDelta" && is_object(data)
    }

    /// Reads an event. Streams do not contain the model's name.
    pub fn read(&mut self, name: &str, data: &str, _unnamed: bool) -> Parsed {
        let mut slow = None;
        let Some(line) = object::<ConverseLine<'_>>(data.as_bytes(), &mut slow) else { return Parsed::malformed() };
        let mut parsed = Parsed::empty();
        match name {
            "contentBlockStart" => parsed.observation.content = line.start.0,
            "contentBlockDelta" => parsed.observation.content = line.delta.0,
            "messageStop" => {
                parsed.finished = true;
                parsed.explained = line.stop_reason.get().is_some_and(explains);
            }
            "metadata" => {
                self.0.merge(&usage(&line.stated.usage, &line.stated.service_tier));
                parsed.observation.terminal = true;
            }
            "" => return Parsed::malformed(),
            // The beginning, ends of blocks, and unknown events.
            _ => {}
        }
        parsed
    }

    /// The usage of the stream, as far as it was reported.
    pub fn usage(&self) -> Usage {
        self.0
    }

    /// Bytes of content in an event.
    pub fn content_bytes(&self, name: &str, data: &str) -> u64 {
        match name {
            "contentBlockDelta" => content::sum(data.as_bytes(), &[], |key| matches!(key, b"text" | b"input")),
            _ => 0,
        }
    }
}

/// An exception that the framing of a stream reports.
pub(crate) fn exception(name: &str, data: &str) -> StreamError {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Fields<'a> {
        #[serde(borrow)]
        message: LenientText<'a>,
        #[serde(borrow, rename = "Message")]
        other: LenientText<'a>,
    }
    let mut slow = None;
    let message = match object::<Fields<'_>>(data.as_bytes(), &mut slow) {
        Some(fields) => fields.message.get().or(fields.other.get()).unwrap_or_default().to_owned(),
        // The framing's own errors are plain text.
        None => data.to_owned(),
    };
    StreamError { kind: name.to_owned(), message, status: status(name) }
}

/// Bytes of content in a whole answer.
pub(crate) fn answer_bytes(body: &[u8]) -> u64 {
    content::sum(body, &[b"input"], |key| matches!(key, b"text" | b"input"))
}

/// Reads an answer that is not streamed; `None` if it is not an object.
pub(crate) fn summarize(body: &[u8]) -> Option<AnswerSummary> {
    let mut slow = None;
    let answer: ConverseAnswer<'_> = object(body, &mut slow)?;
    let usage = usage(&answer.usage, &answer.service_tier);
    let content = answer.output.0.as_ref().and_then(|output| output.message.0.as_ref()).map(|message| &message.content);
    let Some(content) = content.filter(|content| content.0.is_some()) else {
        // An error under status 200.
        if let Some(message) = answer.message.get() {
            let error = StreamError { kind: "error".to_owned(), message: message.to_owned(), status: None };
            return Some(AnswerSummary::of_error(error, usage, None));
        }
        return Some(AnswerSummary::of_malformed("`output.message.content` is missing"));
    };
    let filled = content.iter().any(ConverseBlock::filled);
    let empty = !filled && !answer.stop_reason.get().is_some_and(explains);
    Some(AnswerSummary { usage: usage.believed(filled), empty, ..AnswerSummary::default() })
}
