//! A summary of an answer that is not streamed, in any format.

use crate::chat::StreamError;
use crate::usage::Usage;

/// A summary of an answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AnswerSummary {
    pub usage: Usage,
    /// The model's name from the upstream.
    pub model: Option<String>,
    /// Whether it has no content, neither text nor thoughts nor tool calls, and no finish reason that explains that.
    pub empty: bool,
    /// Why it is not an answer of its operation.
    pub malformed: Option<String>,
    /// An error with status 200. Then it is neither empty nor malformed.
    pub error: Option<StreamError>,
}

impl AnswerSummary {
    /// The summary of something that is not an answer.
    pub(crate) fn of_malformed(why: &str) -> Self {
        AnswerSummary { malformed: Some(why.to_owned()), ..AnswerSummary::default() }
    }

    /// The summary of an error.
    pub(crate) fn of_error(error: StreamError, usage: Usage, model: Option<String>) -> Self {
        AnswerSummary { usage, model, error: Some(error), ..AnswerSummary::default() }
    }
}
