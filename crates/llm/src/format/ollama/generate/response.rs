//! A complete answer of `POST /api/generate`.

use serde_json::Value;

use crate::Answer;
use crate::chat::ChatResponse;
use crate::format::ollama::response::{AnswerOf, encode_as};

/// Encodes an answer in the schema of Ollama's SDKs. It has no `context`, which only an Ollama server could read.
#[must_use]
pub fn encode(response: &ChatResponse, answer: &Answer) -> Value {
    encode_as(AnswerOf::Generate, response, answer)
}
