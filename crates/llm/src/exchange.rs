//! What goes into a translation beside the conversation, and what comes out of it.

use crate::chat::JsonObject;

/// A request written in an upstream's dialect.
#[derive(Clone, Debug, PartialEq)]
pub struct EncodedRequest {
    /// The body; the model's name stands in it where the dialect wants it there.
    pub body: JsonObject,
    /// The caller's fields that were left out as hints, in the caller's words.
    pub left_out: Vec<String>,
    /// The cap on output tokens that stands in the body: not always the caller's, for Anthropic wants one, and counts
    /// thinking in.
    pub max_output_tokens: Option<u64>,
}

/// What an answer is written with: things that the gateway knows and the upstream may not.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// The answer's id, used where the upstream gave none.
    pub id: String,
    /// The model's name to write, used where the upstream gave none.
    pub model: String,
    /// Seconds since 1970, for dialects that have it.
    pub created: u64,
    /// OpenAI callers alone: end the stream with a usage chunk.
    pub stream_usage: bool,
}
