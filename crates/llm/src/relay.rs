//! Watching same-dialect traffic go by.
//!
//! Where caller and upstream speak alike, bytes pass as they are; the gateway only needs to know
//! when content begins, what was used, how it ended, and whether it was an answer at all. So an
//! event is read into a few borrowed fields, and once content has begun most are not read, only
//! searched for the words that could matter. Fields of a type that is not expected are taken as
//! absent: what a client would survive is not called malformed.

mod anthropic;
mod gemini;
mod lenient;
mod openai;
mod said;
mod whole;

use crate::Dialect;
use crate::chat::StreamError;
use crate::sse::Event;
use crate::usage::Usage;

pub use said::whole as whole_said;
pub use whole::{Whole, whole};

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

/// What one event told.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Seen {
    /// Text, thinking, a refusal, audio, a tool's name or arguments. After the first content also
    /// any event that was not worth reading.
    pub content: bool,
    /// The dialect's own end: `[DONE]`, `message_stop`, `response.completed`, `.failed` or
    /// `.incomplete`, Gemini's finish reason (after which old Vertex models may send more).
    pub terminal: bool,
    /// An error told inside the stream.
    pub error: Option<StreamError>,
    /// OpenAI's usage chunk: `choices` is there and empty, and usage is told.
    pub usage_only: bool,
    /// The data is not JSON of this dialect.
    pub malformed: bool,
}

/// One event, read.
#[derive(Debug, Default)]
struct Told<T> {
    seen: Seen,
    /// A finish reason, or an end, was told.
    finished: bool,
    /// The reason explains an answer without content: length, a filter.
    explained: bool,
    tokens: Option<T>,
    model: Option<String>,
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
    pub fn see(&mut self, event: &Event) -> Seen {
        let data = event.data.as_deref().unwrap_or_else(|| bare(event)).trim();
        if data.is_empty() {
            return Seen::default();
        }
        self.said = self.said.saturating_add(said::said(self.dialect(), &event.name, data));
        let (content, unnamed) = (self.content, self.model.is_none());
        match &mut self.tokens {
            Tokens::OpenAi(tokens) => {
                if content && openai::is_plain(&event.name, data) {
                    return Seen { content: true, ..Seen::default() };
                }
                let mut told = openai::event(&event.name, data, unnamed);
                tokens.merge(told.tokens.take());
                self.note(told)
            }
            Tokens::Anthropic(tokens) => {
                if content && anthropic::is_plain(&event.name, data) {
                    return Seen { content: true, ..Seen::default() };
                }
                let mut told = anthropic::event(&event.name, data, unnamed);
                tokens.merge(told.tokens.take());
                self.note(told)
            }
            Tokens::Gemini(tokens) => {
                if content && gemini::is_plain(data) {
                    return Seen { content: true, ..Seen::default() };
                }
                let mut told = gemini::event(data, unnamed);
                tokens.merge(told.tokens.take());
                self.note(told)
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

    fn note<T>(&mut self, told: Told<T>) -> Seen {
        self.content |= told.seen.content;
        self.finished |= told.finished || told.seen.terminal;
        self.explained |= told.explained;
        if self.model.is_none() {
            self.model = told.model;
        }
        told.seen
    }
}

/// Vertex breaks off a stream with an error that stands there as plain JSON, in no `data` line.
fn bare(event: &Event) -> &str {
    let text = std::str::from_utf8(&event.raw).unwrap_or_default().trim();
    if lenient::is_object(text) { text } else { "" }
}

impl<T> Told<T> {
    fn malformed() -> Self {
        Told { seen: Seen { malformed: true, ..Seen::default() }, ..Told::blank() }
    }

    fn blank() -> Self {
        Told { seen: Seen::default(), finished: false, explained: false, tokens: None, model: None }
    }
}

#[cfg(test)]
mod tests;

#[cfg(test)]
mod usage_tests;
