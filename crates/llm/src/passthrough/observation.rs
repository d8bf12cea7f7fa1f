//! Observations of a stream's event, in any format.

use crate::chat::StreamError;

/// The observations of one event.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Observation {
    /// Whether it has content: text, thinking, a refusal, audio, a tool's name or arguments. After the first content
    /// this is also set for events that were not parsed.
    pub content: bool,
    /// Whether it is the dialect's own end: `[DONE]`, `message_stop`, `response.completed`, `.failed` or `.incomplete`,
    /// Gemini's finish reason (after which old Vertex models may send more).
    pub terminal: bool,
    /// An error reported inside the stream.
    pub error: Option<StreamError>,
    /// Whether it is OpenAI's usage chunk: `choices` is present and empty, and usage is reported.
    pub usage_only: bool,
    /// Whether the data is not JSON of this dialect.
    pub malformed: bool,
}

/// One event, as a format parses it. `T`: usage in the format's own type.
#[derive(Debug, Default)]
pub(crate) struct Parsed<T = ()> {
    pub observation: Observation,
    /// Whether it has a finish reason, or an end.
    pub finished: bool,
    /// Whether the reason explains an answer without content: length, a filter.
    pub explained: bool,
    pub tokens: Option<T>,
    pub model: Option<String>,
}

impl<T> Parsed<T> {
    pub fn malformed() -> Self {
        Parsed { observation: Observation { malformed: true, ..Observation::default() }, ..Parsed::empty() }
    }

    pub fn empty() -> Self {
        Parsed { observation: Observation::default(), finished: false, explained: false, tokens: None, model: None }
    }

    /// Passes the usage to `take`, and returns the rest.
    pub fn take_tokens(self, take: impl FnOnce(Option<T>)) -> Parsed {
        let Parsed { observation, finished, explained, tokens, model } = self;
        take(tokens);
        Parsed { observation, finished, explained, tokens: None, model }
    }
}
