//! Watches Cohere's answers.

use serde::Deserialize;

use super::finish;
use crate::chat::StreamError;
use crate::json::lenient::{Filled, LenientCount, LenientError, LenientObject, LenientText, is_object, object};
use crate::passthrough::content;
use crate::passthrough::observation::Parsed;
use crate::passthrough::summary::AnswerSummary;
use crate::usage::Usage;

/// An event of a stream.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct CohereEvent<'a> {
    #[serde(borrow, rename = "type")]
    kind: LenientText<'a>,
    #[serde(borrow)]
    delta: LenientObject<EventDelta<'a>>,
    /// Of an error, which has no type.
    #[serde(borrow)]
    message: LenientText<'a>,
    #[serde(borrow)]
    error_type: LenientText<'a>,
    error: LenientError,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct EventDelta<'a> {
    message: Filled,
    #[serde(borrow)]
    finish_reason: LenientText<'a>,
    #[serde(borrow)]
    error: LenientText<'a>,
    usage: LenientObject<UsageFields>,
}

/// A whole answer.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct CohereAnswer<'a> {
    message: LenientObject<CohereMessage>,
    #[serde(borrow)]
    finish_reason: LenientText<'a>,
    #[serde(borrow)]
    model: LenientText<'a>,
    usage: LenientObject<UsageFields>,
    error: LenientError,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct CohereMessage {
    content: Filled,
    tool_plan: Filled,
    tool_calls: Filled,
}

/// The message of an error, where an answer has an object.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ErrorAnswer<'a> {
    #[serde(borrow)]
    message: LenientText<'a>,
    #[serde(borrow)]
    error_type: LenientText<'a>,
}

/// `usage`, and `meta` of embeddings and of rerank.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct UsageFields {
    billed_units: LenientObject<Counts>,
    tokens: LenientObject<Counts>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
struct Counts {
    input_tokens: LenientCount,
    output_tokens: LenientCount,
    reasoning_tokens: LenientCount,
    search_units: LenientCount,
}

impl UsageFields {
    /// See `usage.rs` for the meaning of the two.
    pub fn usage(&self) -> Usage {
        let (billed, all) = (self.billed_units.0.unwrap_or_default(), self.tokens.0.unwrap_or_default());
        Usage {
            input: billed.input_tokens.0.or(all.input_tokens.0),
            output: billed.output_tokens.0.or(all.output_tokens.0),
            reasoning: all.reasoning_tokens.0,
            searches: billed.search_units.0,
            ..Usage::default()
        }
    }
}

/// Whether a finish reason explains an answer without content. Unknown ones do.
fn explains(reason: &LenientText<'_>) -> bool {
    reason.get().is_some_and(|reason| !matches!(reason, "COMPLETE" | "TOOL_CALL"))
}

fn failure(reason: &LenientText<'_>, message: &LenientText<'_>) -> Option<StreamError> {
    let failed = reason.get().is_some_and(finish::is_failure);
    (failed || message.get().is_some()).then(|| StreamError {
        kind: reason.get().filter(|_| failed).unwrap_or("ERROR").to_owned(),
        message: message.get().unwrap_or("the model failed").to_owned(),
        status: None,
    })
}

/// Reads the events of a stream.
#[derive(Debug, Default)]
pub(crate) struct Watcher(UsageFields);

impl Watcher {
    /// Whether an event after the first content needs no parsing.
    pub fn is_plain(&self, name: &str, data: &str) -> bool {
        matches!(name, "content-delta" | "tool-call-delta" | "tool-plan-delta" | "citation-start") && is_object(data)
    }

    /// Reads an event. Cohere does not name the model.
    pub fn read(&mut self, _name: &str, data: &str, _unnamed: bool) -> Parsed {
        event(data).take_tokens(|tokens| self.0 = tokens.unwrap_or(self.0))
    }

    /// The usage of the stream, as far as it was reported.
    pub fn usage(&self) -> Usage {
        self.0.usage()
    }

    /// Bytes of content in an event.
    pub fn content_bytes(&self, _name: &str, data: &str) -> u64 {
        answer_bytes(data.as_bytes())
    }
}

/// Bytes of content in an event or an answer. What citations quote is not generated.
pub(crate) fn answer_bytes(body: &[u8]) -> u64 {
    content::sum(body, &[b"citations"], |key| matches!(key, b"text" | b"thinking" | b"tool_plan" | b"arguments"))
}

fn event(data: &str) -> Parsed<UsageFields> {
    let mut parsed = Parsed::empty();
    if data == "[DONE]" {
        parsed.observation.terminal = true;
        return parsed;
    }
    let mut slow = None;
    let Some(line) = object::<CohereEvent<'_>>(data.as_bytes(), &mut slow) else { return Parsed::malformed() };
    parsed.observation.error = line.error.0;
    match line.kind.get() {
        Some("message-end") => {
            parsed.observation.terminal = true;
            parsed.finished = true;
            if let Some(delta) = &line.delta.0 {
                parsed.tokens = delta.usage.0;
                parsed.explained = explains(&delta.finish_reason);
                let failure = || failure(&delta.finish_reason, &delta.error);
                parsed.observation.error = parsed.observation.error.or_else(failure);
            }
        }
        // Citations and ends of blocks have no content.
        Some(_) => parsed.observation.content = line.delta.0.is_some_and(|delta| delta.message.0),
        None if parsed.observation.error.is_some() => {}
        None => match line.message.get() {
            Some(message) => {
                let kind = line.error_type.get().unwrap_or("ERROR").to_owned();
                let error = StreamError { kind, message: message.to_owned(), status: None };
                parsed.observation.error = Some(error);
            }
            None => return Parsed::malformed(),
        },
    }
    parsed
}

/// Reads an answer that is not streamed; `None` if it is not an object.
pub(crate) fn summarize(body: &[u8]) -> Option<AnswerSummary> {
    let mut slow = None;
    let answer: CohereAnswer<'_> = object(body, &mut slow)?;
    let usage = answer.usage.0.map(|fields| fields.usage()).unwrap_or_default();
    let model = answer.model.owned();
    if let Some(error) = answer.error.0.or_else(|| failure(&answer.finish_reason, &LenientText::default())) {
        return Some(AnswerSummary::of_error(error, usage, model));
    }
    let Some(message) = &answer.message.0 else {
        let mut slow = None;
        let error: ErrorAnswer<'_> = object(body, &mut slow)?;
        return Some(match error.message.get() {
            Some(text) => {
                let kind = error.error_type.get().unwrap_or("ERROR").to_owned();
                let error = StreamError { kind, message: text.to_owned(), status: None };
                AnswerSummary::of_error(error, usage, model)
            }
            None => AnswerSummary::of_malformed("`message` is missing"),
        });
    };
    let filled = message.content.0 || message.tool_plan.0 || message.tool_calls.0;
    let empty = !filled && !explains(&answer.finish_reason);
    Some(AnswerSummary { usage: usage.believed(filled), model, empty, ..AnswerSummary::default() })
}
