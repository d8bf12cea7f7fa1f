//! Answers of operations other than conversations, not streamed.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::Dialect;
use crate::format::cohere::watch as cohere;
use crate::format::gemini::watch as gemini;
use crate::format::openai_chat::watched_usage::OpenAiUsage;
use crate::json::lenient::{
    LenientCount, LenientError, LenientList, LenientMillis, LenientObject, LenientText, LenientTier, Present, object,
};
use crate::operation::OperationKind;
use crate::passthrough::summary::AnswerSummary;
use crate::usage::Usage;

/// Answers other than conversations.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Plain<'a> {
    #[serde(borrow)]
    model: LenientText<'a>,
    usage: LenientObject<OpenAiUsage>,
    usage_metadata: LenientObject<gemini::UsageMetadata>,
    /// Of Cohere, except for conversations.
    meta: LenientObject<cohere::UsageFields>,
    error: LenientError,
    data: Present,
    results: Present,
    embedding: Present,
    embeddings: Present,
    /// Of an embedding model at Vertex AI.
    predictions: Present,
    #[serde(rename = "input_tokens")]
    input_tokens: LenientCount,
    /// Of Ollama's embeddings.
    #[serde(rename = "prompt_eval_count")]
    prompt_eval_count: LenientCount,
    /// Seconds of transcribed audio.
    duration: LenientMillis,
    #[serde(rename = "service_tier")]
    service_tier: LenientTier,
}

/// The answer to a request to count tokens.
#[must_use]
pub fn token_count(dialect: Dialect, tokens: u64) -> Value {
    match dialect {
        Dialect::Gemini => json!({"totalTokens": tokens}),
        _ => json!({"input_tokens": tokens}),
    }
}

/// Embeddings, counted tokens and lists of models; `None` if it is not an object.
pub(crate) fn plain(dialect: Dialect, kind: OperationKind, body: &[u8]) -> Option<AnswerSummary> {
    let mut slow = None;
    let plain: Plain<'_> = object(body, &mut slow)?;
    let openai = plain.usage.0.map(|tokens| tokens.usage());
    let gemini = plain.usage_metadata.0.as_ref().map(gemini::UsageMetadata::usage);
    let cohere = plain.meta.0.map(|meta| meta.usage());
    let ollama = Usage { input: plain.prompt_eval_count.0, ..Usage::default() };
    let usage = openai.or(gemini).or(cohere).unwrap_or(ollama).believed(false);
    let model = plain.model.owned();
    if let Some(error) = plain.error.0 {
        return Some(AnswerSummary::of_error(error, usage, model));
    }
    let (there, field) = match (kind, dialect) {
        (OperationKind::Embeddings, Dialect::Gemini) => {
            (plain.embedding.0 || plain.embeddings.0 || plain.predictions.0, "embeddings")
        }
        (OperationKind::Embeddings, Dialect::Cohere) => (plain.embeddings.0, "embeddings"),
        (OperationKind::Embeddings, Dialect::Ollama) => (plain.embeddings.0 || plain.embedding.0, "embeddings"),
        (OperationKind::Embeddings, _) => (plain.data.0, "data"),
        // Google omits zeros.
        (OperationKind::CountTokens, Dialect::Gemini) => (true, "totalTokens"),
        (OperationKind::CountTokens, _) => (plain.input_tokens.0.is_some(), "input_tokens"),
        (_, Dialect::Gemini) => (true, "models"),
        _ => (plain.data.0, "data"),
    };
    if !there {
        return Some(AnswerSummary::of_malformed(&format!("`{field}` is missing")));
    }
    Some(AnswerSummary { usage, model, ..AnswerSummary::default() })
}

/// Relevances of documents. Some servers answer with the list alone.
pub(crate) fn reranked(body: &[u8]) -> AnswerSummary {
    if body.trim_ascii_start().starts_with(b"[") {
        return AnswerSummary::default();
    }
    let mut slow = None;
    let Some(plain) = object::<Plain<'_>>(body, &mut slow) else {
        return AnswerSummary::of_malformed("not a JSON object");
    };
    let tokens = plain.usage.0.map(|tokens| tokens.usage());
    let usage = tokens.or(plain.meta.0.map(|meta| meta.usage())).unwrap_or_default().believed(false);
    let model = plain.model.owned();
    match plain.error.0 {
        Some(error) => AnswerSummary::of_error(error, usage, model),
        None if !plain.results.0 => AnswerSummary::of_malformed("`results` is missing"),
        None => AnswerSummary { usage, model, ..AnswerSummary::default() },
    }
}

/// Usage, model and error, if the answer is JSON that contains them.
pub(crate) fn other(body: &[u8]) -> AnswerSummary {
    let mut slow: Option<Value> = None;
    let Some(plain) = object::<Plain<'_>>(body, &mut slow) else { return AnswerSummary::default() };
    let mut usage = plain.usage.0.map(|tokens| tokens.usage()).unwrap_or_default();
    usage.milliseconds = usage.milliseconds.or(plain.duration.0);
    usage.service = usage.service.or(plain.service_tier.0);
    usage = usage.believed(false);
    AnswerSummary { usage, model: plain.model.owned(), error: plain.error.0, ..AnswerSummary::default() }
}

/// Generated images.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Pictures<'a> {
    #[serde(borrow)]
    model: LenientText<'a>,
    usage: LenientObject<OpenAiUsage>,
    data: LenientList<Picture>,
    error: LenientError,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Picture {}

/// Reads an answer with generated images.
pub(crate) fn pictures(body: &[u8]) -> AnswerSummary {
    let mut slow: Option<Value> = None;
    let Some(pictures) = object::<Pictures<'_>>(body, &mut slow) else { return AnswerSummary::default() };
    let mut usage = pictures.usage.0.map(|tokens| tokens.usage()).unwrap_or_default();
    usage.images = pictures.data.count().map(|count| u64::try_from(count).unwrap_or(u64::MAX));
    // All output is images; the older models do not report that.
    usage.image_output = usage.image_output.or(usage.output);
    usage = usage.believed(false);
    AnswerSummary { usage, model: pictures.model.owned(), error: pictures.error.0, ..AnswerSummary::default() }
}
