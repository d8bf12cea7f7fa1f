//! What an event of a stream says, whatever its format.

use crate::chat::StreamError;

/// What one event says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Observation {
    /// Text, thinking, a refusal, audio, a tool's name or arguments. After the first content also
    /// any event that was not worth reading.
    pub content: bool,
    /// The dialect's own end: `[DONE]`, `message_stop`, `response.completed`, `.failed` or
    /// `.incomplete`, Gemini's finish reason (after which old Vertex models may send more).
    pub terminal: bool,
    /// An error reported inside the stream.
    pub error: Option<StreamError>,
    /// OpenAI's usage chunk: `choices` is there and empty, and usage is reported.
    pub usage_only: bool,
    /// The data is not JSON of this dialect.
    pub malformed: bool,
}

/// One event as a format reads it. `T`: usage in the format's own terms.
#[derive(Debug, Default)]
pub(crate) struct Parsed<T = ()> {
    pub observation: Observation,
    /// A finish reason, or an end, was told.
    pub finished: bool,
    /// The reason explains an answer without content: length, a filter.
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

    /// The same once `take` has had its usage.
    pub fn take_tokens(self, take: impl FnOnce(Option<T>)) -> Parsed {
        let Parsed { observation, finished, explained, tokens, model } = self;
        take(tokens);
        Parsed { observation, finished, explained, tokens: None, model }
    }
}
