//! Watches the events of a response, and responses that are not streamed.

use serde::Deserialize;

use crate::chat::StreamError;
use crate::format::openai_chat::watched_usage::{OpenAiUsage, with_service};
use crate::json::lenient::{Filled, LenientError, LenientList, LenientObject, LenientText, LenientTier, object};
use crate::json::raw;
use crate::passthrough::content;
use crate::passthrough::observation::Parsed;
use crate::passthrough::summary::AnswerSummary;

/// A response, as the answer itself and inside lifecycle events.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ResponseObject<'a> {
    #[serde(borrow)]
    pub object: LenientText<'a>,
    #[serde(borrow)]
    pub model: LenientText<'a>,
    #[serde(borrow)]
    pub status: LenientText<'a>,
    #[serde(borrow)]
    pub output: LenientList<OutputItem<'a>>,
    usage: LenientObject<OpenAiUsage>,
    service_tier: LenientTier,
    pub error: LenientError,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct OutputItem<'a> {
    #[serde(borrow, rename = "type")]
    kind: LenientText<'a>,
    content: Filled,
    summary: Filled,
    encrypted_content: Filled,
}

impl OutputItem<'_> {
    /// Calls and similar items always count as content; messages and reasoning if they are not empty.
    pub fn filled(&self) -> bool {
        match self.kind.get() {
            Some("message" | "reasoning") | None => self.content.0 || self.summary.0 || self.encrypted_content.0,
            Some(_) => true,
        }
    }

    /// Like [`OutputItem::filled`], for an item that has just started in a stream.
    fn begins(&self) -> bool {
        !matches!(self.kind.get(), Some("reasoning")) && self.filled() || self.summary.0
    }
}

impl ResponseObject<'_> {
    pub fn tokens(&self) -> Option<OpenAiUsage> {
        with_service(self.usage.0, self.service_tier)
    }

    /// Whether the status explains an answer without content.
    pub fn explained(&self) -> bool {
        self.status.get().is_some_and(|status| !matches!(status, "completed" | "failed"))
    }
}

/// The parts of an event besides the response or item in it.
pub(crate) struct EventParts<'e, 'a> {
    pub response: Option<&'e ResponseObject<'a>>,
    pub item: Option<&'e OutputItem<'a>>,
    pub error: Option<&'e StreamError>,
    /// Whether the event itself contains a piece of text, arguments or an image.
    pub filled: bool,
}

/// Reads an event of type `kind`. `fault` reads the code and the message in the event itself.
pub(crate) fn event(
    kind: &str,
    parts: &EventParts<'_, '_>,
    fault: impl FnOnce() -> StreamError,
) -> Parsed<OpenAiUsage> {
    let mut parsed = Parsed::empty();
    let mut failure = None;
    if let Some(response) = parts.response {
        parsed.model = response.model.owned();
        parsed.tokens = response.tokens();
        failure.clone_from(&response.error.0);
        parsed.explained = response.explained();
    }
    match kind {
        "error" => failure = Some(parts.error.cloned().unwrap_or_else(fault)),
        "response.failed" => {
            parsed.observation.terminal = true;
            failure = Some(failure.unwrap_or_else(fault));
        }
        "response.completed" | "response.incomplete" | "response.cancelled" => {
            parsed.observation.terminal = true;
            // The last event may contain the whole answer.
            let output = parts.response.into_iter().flat_map(|response| response.output.iter());
            parsed.observation.content = output.into_iter().any(OutputItem::filled);
        }
        "response.output_item.added" => parsed.observation.content = parts.item.is_some_and(OutputItem::begins),
        "response.output_item.done" => parsed.observation.content = parts.item.is_some_and(OutputItem::filled),
        _ => parsed.observation.content = parts.filled,
    }
    parsed.observation.error = failure;
    parsed
}

/// Bytes of content in an event. Each piece is repeated when it is done; audio and images are not text.
pub(crate) fn content_bytes(name: &str, data: &[u8]) -> u64 {
    let piece = name.is_empty() || name.ends_with(".delta") && !name.ends_with("audio.delta");
    if piece { content::sum(data, &[], |key| key == b"delta") } else { 0 }
}

/// Bytes of content in a response, which repeats its instructions next to its output.
pub(crate) fn answer_bytes(body: &[u8]) -> u64 {
    let output = std::str::from_utf8(body).ok().and_then(|text| raw::member(text, "output"));
    let words = |key: &[u8]| matches!(key, b"text" | b"arguments" | b"input" | b"code" | b"refusal");
    output.map_or(0, |output| content::sum(output.as_bytes(), &[], words))
}

/// Reads a response that is not streamed; `None` if it is not an object.
pub(crate) fn summarize(body: &[u8]) -> Option<AnswerSummary> {
    let mut slow = None;
    let response: ResponseObject<'_> = object(body, &mut slow)?;
    let usage = response.tokens().map(|tokens| tokens.usage()).unwrap_or_default();
    let model = response.model.owned();
    let explained = response.explained();
    if let Some(error) = response.error.0 {
        return Some(AnswerSummary::of_error(error, usage, model));
    }
    if response.output.0.is_none() && !(response.object.is("response") && explained) {
        return Some(AnswerSummary::of_malformed("`output` is missing"));
    }
    let filled = response.output.iter().any(OutputItem::filled);
    let empty = !explained && !filled;
    Some(AnswerSummary { usage: usage.believed(filled), model, empty, ..AnswerSummary::default() })
}
