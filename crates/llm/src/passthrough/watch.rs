//! Watching same-dialect traffic go by.
//!
//! Where caller and upstream speak alike, bytes pass as they are; the gateway only needs to know
//! when content begins, what was used, how it ended, and whether it was an answer at all. So an
//! event is read into a few borrowed fields, and once content has begun most are not read, only
//! searched for the words that could matter. Fields of a type that is not expected are taken as
//! absent: what a client would survive is not called malformed.

use crate::Dialect;
use crate::framing::sse::Event;
use crate::tokens::usage::Usage;

use super::content;
use super::observation::{Observation, Parsed};
use crate::format::anthropic::watch as anthropic;
use crate::format::gemini::watch as gemini;
use crate::format::openai_chat::watch as openai;
use crate::json::lenient;

/// Watches a same-dialect stream go by.
#[derive(Debug)]
pub struct Watch {
    tokens: Tokens,
    content: bool,
    finished: bool,
    explained: bool,
    model: Option<String>,
    said: u64,
}

/// What the upstream told of usage so far, in its own terms.
#[derive(Debug)]
enum Tokens {
    OpenAi(Box<openai::Tokens>),
    Anthropic(anthropic::Tokens),
    Gemini(gemini::Tokens),
}

impl Watch {
    #[must_use]
    pub fn new(dialect: Dialect) -> Self {
        let tokens = match dialect {
            Dialect::OpenAi => Tokens::OpenAi(Box::default()),
            Dialect::Anthropic => Tokens::Anthropic(anthropic::Tokens::default()),
            Dialect::Gemini => Tokens::Gemini(gemini::Tokens::default()),
        };
        Watch { tokens, content: false, finished: false, explained: false, model: None, said: 0 }
    }

    /// Looks at the next event. Blocks without data tell nothing.
    pub fn observe(&mut self, event: &Event) -> Observation {
        let data = event.data.as_deref().unwrap_or_else(|| bare(event)).trim();
        if data.is_empty() {
            return Observation::default();
        }
        self.said = self.said.saturating_add(content::bytes_of_event(self.dialect(), &event.name, data));
        let (content, unnamed) = (self.content, self.model.is_none());
        match &mut self.tokens {
            Tokens::OpenAi(tokens) => {
                if content && openai::is_plain(&event.name, data) {
                    return Observation { content: true, ..Observation::default() };
                }
                let mut parsed = openai::event(&event.name, data, unnamed);
                tokens.merge(parsed.tokens.take());
                self.note(parsed)
            }
            Tokens::Anthropic(tokens) => {
                if content && anthropic::is_plain(&event.name, data) {
                    return Observation { content: true, ..Observation::default() };
                }
                let mut parsed = anthropic::event(&event.name, data, unnamed);
                tokens.merge(parsed.tokens.take());
                self.note(parsed)
            }
            Tokens::Gemini(tokens) => {
                if content && gemini::is_plain(data) {
                    return Observation { content: true, ..Observation::default() };
                }
                let mut parsed = gemini::event(data, unnamed);
                tokens.merge(parsed.tokens.take());
                self.note(parsed)
            }
        }
    }

    /// What was used, as told so far.
    #[must_use]
    pub fn usage(&self) -> Usage {
        let told = match &self.tokens {
            Tokens::OpenAi(tokens) => tokens.usage(),
            Tokens::Anthropic(tokens) => tokens.usage(),
            Tokens::Gemini(tokens) => tokens.usage(),
        };
        told.believed(self.content)
    }

    /// Bytes of content told so far: text, thinking, tools' arguments, refusals. About so many, since events are not
    /// read for it: from it the output of a stream is estimated that was cut off before it told.
    #[must_use]
    pub fn said(&self) -> u64 {
        self.said
    }

    fn dialect(&self) -> Dialect {
        match &self.tokens {
            Tokens::OpenAi(_) => Dialect::OpenAi,
            Tokens::Anthropic(_) => Dialect::Anthropic,
            Tokens::Gemini(_) => Dialect::Gemini,
        }
    }

    /// Whether a finish reason or an end was told. A stream that closes without is cut.
    #[must_use]
    pub fn finished(&self) -> bool {
        self.finished
    }

    /// Whether the answer ended with nothing in it, and no reason that explains that.
    #[must_use]
    pub fn empty(&self) -> bool {
        self.finished && !self.content && !self.explained
    }

    /// The model's name as the upstream tells it.
    #[must_use]
    pub fn model(&self) -> Option<&str> {
        self.model.as_deref()
    }

    fn note<T>(&mut self, parsed: Parsed<T>) -> Observation {
        self.content |= parsed.observation.content;
        self.finished |= parsed.finished || parsed.observation.terminal;
        self.explained |= parsed.explained;
        if self.model.is_none() {
            self.model = parsed.model;
        }
        parsed.observation
    }
}

/// Vertex breaks off a stream with an error that stands there as plain JSON, in no `data` line.
fn bare(event: &Event) -> &str {
    let text = std::str::from_utf8(&event.raw).unwrap_or_default().trim();
    if lenient::is_object(text) { text } else { "" }
}

#[cfg(test)]
mod tests;

#[cfg(test)]
mod usage_tests;
