//! Watches OpenAI's answers: chunks of chat and text completions, and the events of responses.

use std::sync::LazyLock;

use memchr::memmem::Finder;
use serde::Deserialize;

use crate::chat::StreamError;
use crate::format::openai_chat::watched_usage::{OpenAiUsage, with_service};
use crate::format::openai_responses::watch::{self as openai_responses, EventParts, OutputItem, ResponseObject};
use crate::json::lenient::{
    Filled, LenientError, LenientList, LenientObject, LenientText, LenientTier, has_value, is_object, object,
};
use crate::passthrough::content;
use crate::passthrough::observation::{Observation, Parsed};
use crate::passthrough::summary::AnswerSummary;
use crate::usage::Usage;

/// A chunk or a whole answer of (chat) completions, or an event of responses.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Chunk<'a> {
    #[serde(borrow, rename = "type")]
    kind: LenientText<'a>,
    #[serde(borrow)]
    object: LenientText<'a>,
    #[serde(borrow)]
    pub model: LenientText<'a>,
    #[serde(borrow)]
    pub choices: LenientList<Choice<'a>>,
    usage: LenientObject<OpenAiUsage>,
    x_groq: LenientObject<Groq>,
    service_tier: LenientTier,
    pub error: LenientError,
    // Responses: the events' own fields.
    #[serde(borrow)]
    response: LenientObject<ResponseObject<'a>>,
    #[serde(borrow)]
    item: LenientObject<OutputItem<'a>>,
    delta: Filled,
    text: Filled,
    arguments: Filled,
    refusal: Filled,
    partial_image_b64: Filled,
    #[serde(borrow)]
    code: LenientText<'a>,
    #[serde(borrow)]
    message: LenientText<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Choice<'a> {
    delta: LenientObject<AnswerWords>,
    message: LenientObject<AnswerWords>,
    text: Filled,
    #[serde(borrow)]
    finish_reason: LenientText<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct AnswerWords {
    content: Filled,
    /// The thinking of DeepSeek and vLLM; OpenRouter, Groq and Ollama use `reasoning`.
    reasoning_content: Filled,
    reasoning: Filled,
    reasoning_details: Filled,
    refusal: Filled,
    tool_calls: Filled,
    function_call: Filled,
    audio: Filled,
    images: Filled,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Groq {
    usage: LenientObject<OpenAiUsage>,
}

impl Choice<'_> {
    pub fn filled(&self) -> bool {
        let filled = |filled: &LenientObject<AnswerWords>| filled.0.as_ref().is_some_and(AnswerWords::filled);
        self.text.0 || filled(&self.delta) || filled(&self.message)
    }

    /// Whether the finish reason explains an answer without content. Unknown ones do.
    pub fn explained(&self) -> bool {
        let reason = self.finish_reason.get();
        reason.is_some_and(|reason| !["stop", "eos", "tool_calls", "function_call", "error"].contains(&reason))
    }
}

impl AnswerWords {
    fn filled(&self) -> bool {
        self.content.0
            || self.reasoning_content.0
            || self.reasoning.0
            || self.reasoning_details.0
            || self.refusal.0
            || self.tool_calls.0
            || self.function_call.0
            || self.audio.0
            || self.images.0
    }
}

impl Chunk<'_> {
    pub fn tokens(&self) -> Option<OpenAiUsage> {
        with_service(self.used(), self.service_tier)
    }

    fn used(&self) -> Option<OpenAiUsage> {
        self.usage.0.or_else(|| self.x_groq.0.as_ref().and_then(|groq| groq.usage.0))
    }
}

/// Reads the chunks of a stream, and the events of a response.
#[derive(Debug, Default)]
pub(crate) struct Watcher(OpenAiUsage);

impl Watcher {
    /// Whether an event after the first content needs no parsing.
    pub fn is_plain(&self, name: &str, data: &str) -> bool {
        is_plain(name, data)
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
    pub fn content_bytes(&self, name: &str, data: &str) -> u64 {
        /// For events of a response without a name.
        static RESPONSE: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(r#""type":"response."#));
        let bytes = data.as_bytes();
        match name.starts_with("response.") || RESPONSE.find(bytes).is_some() {
            true => openai_responses::content_bytes(name, bytes),
            false => answer_bytes(bytes),
        }
    }
}

/// Bytes of content in a chunk or an answer.
pub(crate) fn answer_bytes(data: &[u8]) -> u64 {
    static DELTA: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(r#""delta""#));
    // Perplexity sends the new piece and, next to it, all text so far.
    let whole: &[&[u8]] = match DELTA.find(data) {
        Some(_) => &[b"arguments", b"message"],
        None => &[b"arguments"],
    };
    // Some send the same thought under two names, or once more as details with a text.
    let (mut thoughts, mut text, mut other) = ([0, 0], 0, 0);
    content::values(data, whole, |key, length| match key {
        b"reasoning_content" => thoughts[0] += length,
        b"reasoning" => thoughts[1] += length,
        b"text" => text += length,
        b"content" | b"refusal" | b"arguments" => other += length,
        _ => {}
    });
    match thoughts.into_iter().max() {
        Some(thought) if thought > 0 => other + thought,
        _ => other + text,
    }
}

fn is_plain(name: &str, data: &str) -> bool {
    static WORDS: LazyLock<[Finder<'static>; 4]> =
        LazyLock::new(|| [r#""finish_reason""#, r#""usage""#, r#""error""#, r#""response""#].map(Finder::new));
    is_object(data) && name != "error" && !WORDS.iter().any(|word| has_value(data.as_bytes(), word))
}

/// Reads an event. `unnamed`: the model's name is still unknown.
fn event(name: &str, data: &str, unnamed: bool) -> Parsed<OpenAiUsage> {
    if data == "[DONE]" {
        return Parsed { observation: Observation { terminal: true, ..Observation::default() }, ..Parsed::empty() };
    }
    let mut slow = None;
    let Some(chunk) = object::<Chunk<'_>>(data.as_bytes(), &mut slow) else {
        if name == "error" {
            let error = StreamError { kind: "error".to_owned(), message: data.to_owned(), status: None };
            return Parsed {
                observation: Observation { error: Some(error), ..Observation::default() },
                ..Parsed::empty()
            };
        }
        return Parsed::malformed();
    };
    let kind = chunk.kind.get().unwrap_or_default();
    let mut parsed = match chunk.choices.0.as_ref() {
        None if kind == "error" || name == "error" || kind.starts_with("response.") => {
            let parts = EventParts {
                response: chunk.response.0.as_ref(),
                item: chunk.item.0.as_ref(),
                error: chunk.error.0.as_ref(),
                filled: chunk.delta.0
                    || chunk.text.0
                    || chunk.arguments.0
                    || chunk.refusal.0
                    || chunk.partial_image_b64.0,
            };
            let fault =
                || LenientError::of(&chunk.code, &LenientText::default(), &LenientText::default(), &chunk.message);
            openai_responses::event(kind, &parts, fault)
        }
        // A ping, or an unknown event.
        None if !kind.is_empty() => Parsed::empty(),
        None if chunk.error.0.is_none() && chunk.used().is_none() && chunk.object.get().is_none() => {
            return Parsed::malformed();
        }
        None => Parsed::empty(),
        Some(choices) => {
            let mut parsed = Parsed::empty();
            parsed.observation.content = choices.iter().any(Choice::filled);
            parsed.observation.usage_only = choices.is_empty() && chunk.used().is_some();
            parsed.finished = choices.iter().any(|choice| choice.finish_reason.get().is_some());
            parsed.explained = choices.iter().any(Choice::explained);
            parsed
        }
    };
    parsed.observation.error = parsed.observation.error.or_else(|| chunk.error.0.clone());
    parsed.tokens = parsed.tokens.or_else(|| chunk.tokens());
    if unnamed {
        parsed.model = parsed.model.or_else(|| chunk.model.owned());
    }
    parsed
}

/// Reads an answer that is not streamed; `None` if it is not an object.
pub(crate) fn summarize(body: &[u8]) -> Option<AnswerSummary> {
    let mut slow = None;
    let chunk: Chunk<'_> = object(body, &mut slow)?;
    let usage = chunk.tokens().map(|tokens| tokens.usage()).unwrap_or_default();
    let model = chunk.model.owned();
    if let Some(error) = chunk.error.0 {
        return Some(AnswerSummary::of_error(error, usage, model));
    }
    let Some(choices) = &chunk.choices.0 else { return Some(AnswerSummary::of_malformed("`choices` is missing")) };
    let filled = choices.iter().any(Choice::filled);
    let empty = !filled && !choices.iter().any(Choice::explained);
    Some(AnswerSummary { usage: usage.believed(filled), model, empty, ..AnswerSummary::default() })
}
