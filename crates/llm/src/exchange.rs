//! The inputs and outputs of a translation, besides the conversation.

use bytes::Bytes;

use crate::chat::JsonObject;
use crate::chat::origin::Origin;

/// A request written in an upstream's dialect.
#[derive(Clone, Debug, PartialEq)]
pub struct EncodedRequest {
    /// The body. It contains the model's name if the dialect wants it there.
    pub body: JsonObject,
    /// The caller's fields that were omitted because they are hints, by the caller's names.
    pub left_out: Vec<String>,
    /// The limit of output tokens in the body. It is not always the caller's: Anthropic requires one, and includes
    /// thinking.
    pub max_output_tokens: Option<u64>,
}

/// Data for writing an answer that the gateway knows and the upstream may not.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// The id of the answer, used if the upstream gave none.
    pub id: String,
    /// The model's name, used if the upstream gave none.
    pub model: String,
    /// Seconds since 1970, for dialects that have this field.
    pub created: u64,
    /// Milliseconds until the upstream's answer began, for dialects that have this field.
    pub latency_ms: u64,
    /// Whether to end the stream with a usage chunk. Only for OpenAI callers.
    pub stream_usage: bool,
    /// The body of the caller's request, of which the answer repeats something. Only for callers of OpenAI's Responses.
    pub request: Bytes,
    /// Whose thoughts and signatures the answer has: of the target that gave it
    /// ([`Target::origin`](crate::provider::Target::origin)).
    pub origin: Origin,
}
