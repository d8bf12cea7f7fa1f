//! What a whole answer says, whatever its format.

use crate::chat::StreamError;
use crate::tokens::usage::Usage;

/// What a whole answer says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AnswerSummary {
    pub usage: Usage,
    /// The model's name as the upstream reports it.
    pub model: Option<String>,
    /// Nothing in it, neither words nor thoughts nor tool calls, and no finish reason that explains
    /// that.
    pub empty: bool,
    /// Why it is no answer of its operation.
    pub malformed: Option<String>,
    /// An error reported under 200. Then it is neither empty nor malformed.
    pub error: Option<StreamError>,
}

impl AnswerSummary {
    /// Of what is no answer, and why.
    pub(crate) fn of_malformed(why: &str) -> Self {
        AnswerSummary { malformed: Some(why.to_owned()), ..AnswerSummary::default() }
    }

    /// Of an error.
    pub(crate) fn of_error(error: StreamError, usage: Usage, model: Option<String>) -> Self {
        AnswerSummary { usage, model, error: Some(error), ..AnswerSummary::default() }
    }
}
