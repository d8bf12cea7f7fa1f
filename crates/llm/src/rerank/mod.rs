//! Rerank: how relevant documents are to a query. Requests and answers that belong to no dialect, and their codecs.
//!
//! OpenAI has no such operation. Servers of its dialect (vLLM, SGLang, Together and others) have the one that Jina AI
//! made, at `/rerank`.
//!
//! | file | holds |
//! |---|---|
//! | `request` | a request and an answer of no dialect |
//! | `jina`, `cohere` | the two forms |
//! | `fields` | how the fields of each are handled in the other |

mod cohere;
pub mod fields;
mod jina;
mod request;

use std::borrow::Cow;

use serde_json::Value;

use crate::chat::JsonObject;
use crate::chat::fields::fit;
use crate::provider::Target;
use crate::usage::Usage;
use crate::{Dialect, EncodedRequest, Malformed, RequestError};

pub use request::{Ranked, RerankAnswer, RerankRequest};

/// Reads a caller's request.
///
/// # Errors
/// [`RequestError::Invalid`] if a field has the wrong shape. [`RequestError::Unsupported`] if the caller's dialect has
/// no such operation.
pub fn decode_request(caller: Dialect, body: &JsonObject) -> Result<RerankRequest<'_>, RequestError> {
    match caller {
        Dialect::OpenAi => jina::decode_request(body),
        Dialect::Cohere => cohere::decode_request(body),
        Dialect::Anthropic | Dialect::Gemini | Dialect::Bedrock | Dialect::Ollama => Err(none_at(caller)),
    }
}

/// Writes a request for an upstream.
///
/// # Errors
/// [`RequestError::Unsupported`] if the upstream does not rerank, or can't express something that would change the
/// answer.
pub fn encode_request(
    caller: Dialect,
    request: &RerankRequest<'_>,
    target: &Target<'_>,
) -> Result<EncodedRequest, RequestError> {
    let upstream = target.api.dialect;
    if !target.reranks() {
        return Err(none_at(upstream));
    }
    let left_out = fit(fields::of(caller), &request.fields, target.format())?;
    Ok(EncodedRequest { body: request.encode(target.model), left_out, max_output_tokens: None })
}

/// Reads an upstream's answer.
///
/// # Errors
/// [`Malformed`] if it has no results, or one without an index or a score.
pub fn decode_answer(upstream: Dialect, mut body: Value) -> Result<RerankAnswer, Malformed> {
    let problem = |problem: &str| Malformed { dialect: upstream, problem: problem.to_owned() };
    let usage = usage(upstream, &body);
    // SGLang answers with the list alone.
    let results = match body {
        Value::Array(_) => body,
        _ => body.get_mut("results").map(Value::take).unwrap_or_default(),
    };
    let Value::Array(results) = results else { return Err(problem("it has no results")) };
    let ranked = |result: Value| {
        let index = result.get("index")?.as_u64()?;
        let score = result.get("relevance_score").or_else(|| result.get("score"))?.as_number()?.clone();
        Some(Ranked { index, score })
    };
    let wrong = || problem("a result has no index or no score");
    let results = results.into_iter().map(|result| ranked(result).ok_or_else(wrong)).collect::<Result<_, _>>()?;
    Ok(RerankAnswer { results, usage })
}

/// Writes an answer for a caller. `model` is the name that it gets. `documents` are those of the request if it wants
/// them back.
#[must_use]
pub fn encode_answer(
    caller: Dialect,
    answer: &RerankAnswer,
    documents: &[Cow<'_, str>],
    model: &str,
    id: &str,
) -> Value {
    match caller {
        Dialect::Cohere => cohere::encode_answer(answer, id),
        _ => jina::encode_answer(answer, documents, model, id),
    }
}

/// The usage of an answer: searches or input tokens, as far as the provider reports them.
#[must_use]
pub fn usage(upstream: Dialect, body: &Value) -> Usage {
    let count = |path: &str| body.pointer(path).and_then(crate::usage::count);
    let input = match upstream {
        Dialect::Cohere => count("/meta/billed_units/input_tokens"),
        _ => count("/usage/prompt_tokens").or_else(|| count("/usage/total_tokens")),
    };
    Usage { input, searches: count("/meta/billed_units/search_units"), ..Usage::default() }
}

fn none_at(dialect: Dialect) -> RequestError {
    RequestError::Unsupported { field: "rerank".to_owned(), upstream: dialect }
}

#[cfg(test)]
mod tests;
