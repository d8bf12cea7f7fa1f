//! Embeddings that belong to no dialect, and their codecs.
//!
//! A caller's request is read into an [`EmbeddingsRequest`] and written for the upstream; the upstream's answer is read
//! into an [`EmbeddingsAnswer`] and written for the caller. A vector is meaningful only to its own model, so this is for
//! a caller's SDK, not for a fallback from one model to another.
//!
//! | file | holds |
//! |---|---|
//! | `request` | a request and an answer of no dialect |
//! | `openai`, `gemini`, `cohere`, `ollama` | the dialects; `gemini` also writes `predict` of Vertex AI |
//! | `base64` | vectors as Base64 |
//! | `fields` | how the fields of each dialect are handled in the others |

mod base64;
mod cohere;
pub mod fields;
mod gemini;
mod ollama;
mod openai;
mod request;

use serde_json::Value;

use crate::chat::JsonObject;
use crate::chat::fields::fit;
use crate::operation::Operation;
use crate::provider::{Target, UrlLayout};
use crate::usage::Usage;
use crate::{Dialect, Malformed, RequestError};

pub use request::{AnswerForm, EmbeddingInput, EmbeddingsAnswer, EmbeddingsRequest, EncodedEmbeddings, Task};

/// Reads a caller's request.
///
/// # Errors
/// [`RequestError::Invalid`] if a field has the wrong shape. [`RequestError::Unsupported`] if the caller's dialect has
/// no embeddings.
pub fn decode_request<'a>(operation: &Operation, body: &'a JsonObject) -> Result<EmbeddingsRequest<'a>, RequestError> {
    match operation.dialect {
        Dialect::OpenAi => openai::decode_request(body),
        Dialect::Gemini => gemini::decode_request(body, operation.path.ends_with("batchEmbedContents")),
        Dialect::Cohere => cohere::decode_request(body),
        Dialect::Ollama => ollama::decode_request(body, operation.path.ends_with("embed")),
        Dialect::Anthropic | Dialect::Bedrock => Err(none_at(operation.dialect)),
    }
}

/// Writes a request for an upstream.
///
/// # Errors
/// [`RequestError::Unsupported`] if the upstream has no embeddings, or can't express something that would change the
/// answer.
pub fn encode_request(
    caller: Dialect,
    request: &EmbeddingsRequest<'_>,
    target: &Target<'_>,
) -> Result<EncodedEmbeddings, RequestError> {
    let upstream = target.api.dialect;
    if !upstream.has_embeddings() {
        return Err(none_at(upstream));
    }
    let left_out = fit(fields::of(caller), &request.fields, target.format())?;
    if let Some(most) = most_inputs(target).filter(|most| request.inputs.len() > *most) {
        return Err(unsupported(format!("more than {most} inputs in one request"), upstream));
    }
    let (body, batch) = match upstream {
        Dialect::Gemini if target.api.url == UrlLayout::VertexGemini => (gemini::encode_prediction(request), true),
        Dialect::Gemini => gemini::encode_request(request, target.model),
        Dialect::Cohere => (cohere::encode_request(request, target.model)?, true),
        Dialect::Ollama => (ollama::encode_request(request, target.model), true),
        _ => (openai::encode_request(request, target.model), true),
    };
    Ok(EncodedEmbeddings { body, batch, left_out })
}

/// Reads an upstream's answer.
///
/// # Errors
/// [`Malformed`] if it contains no embedding, or one that is neither numbers nor Base64 of floats.
pub fn decode_answer(upstream: Dialect, body: Value) -> Result<EmbeddingsAnswer, Malformed> {
    let usage = usage(upstream, &body);
    let vectors = match upstream {
        Dialect::Gemini => gemini::decode_answer(body),
        Dialect::Cohere => cohere::decode_answer(body),
        Dialect::Ollama => ollama::decode_answer(body),
        Dialect::OpenAi | Dialect::Anthropic | Dialect::Bedrock => openai::decode_answer(body),
    }?;
    Ok(EmbeddingsAnswer { vectors, usage })
}

/// Writes an answer for a caller. `model` is the name that it gets.
///
/// # Errors
/// [`Malformed`] if the caller asked for one vector and there is another number.
pub fn encode_answer(
    caller: Dialect,
    answer: EmbeddingsAnswer,
    form: AnswerForm,
    model: &str,
    id: &str,
) -> Result<Value, Malformed> {
    match caller {
        Dialect::Gemini => gemini::encode_answer(answer, form),
        Dialect::Cohere => Ok(cohere::encode_answer(answer, form, id)),
        Dialect::Ollama => ollama::encode_answer(answer, form, model),
        Dialect::OpenAi | Dialect::Anthropic | Dialect::Bedrock => Ok(openai::encode_answer(answer, form, model)),
    }
}

/// The usage of an answer: input tokens, if the provider reports them.
#[must_use]
pub fn usage(upstream: Dialect, body: &Value) -> Usage {
    let count = |path: &str| body.pointer(path).and_then(Value::as_u64);
    let input = match upstream {
        Dialect::OpenAi => count("/usage/prompt_tokens"),
        Dialect::Gemini => count("/usageMetadata/promptTokenCount").or_else(|| gemini::counted(body)),
        Dialect::Cohere => count("/meta/billed_units/input_tokens"),
        Dialect::Ollama => count("/prompt_eval_count"),
        Dialect::Anthropic | Dialect::Bedrock => None,
    };
    Usage { input, ..Usage::default() }
}

/// The documented limit of inputs in one request. Servers of OpenAI's dialect differ, and say it themselves.
fn most_inputs(target: &Target<'_>) -> Option<usize> {
    match target.api.url {
        UrlLayout::Cohere => Some(96),
        UrlLayout::Gemini => Some(100),
        UrlLayout::VertexGemini => Some(250),
        _ => None,
    }
}

fn none_at(dialect: Dialect) -> RequestError {
    unsupported("embeddings", dialect)
}

fn unsupported(field: impl Into<String>, upstream: Dialect) -> RequestError {
    RequestError::Unsupported { field: field.into(), upstream }
}

#[cfg(test)]
mod tests;
