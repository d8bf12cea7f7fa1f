//! Relays answers to the caller, in the caller's dialect, and reads their usage.

mod broken_stream;
mod stream;
mod stream_body;
mod stream_translator;
mod whole;

use std::sync::Arc;
use std::time::Instant;

use outrigger_llm::chat::origin::Origin;
use outrigger_llm::embeddings::AnswerForm;
use outrigger_llm::provider::Api;
use outrigger_policy::Stay;
use serde::Serialize;

pub use stream::Relay;
pub use whole::{WholeAnswer, binary, whole_answer};

use crate::completion::Completion;
use crate::runtime::health::BackendHealth;
use crate::telemetry::attempt_error::AttemptError;

/// How an answer is converted for the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conversion {
    /// Not at all.
    Same,
    /// A conversation, to another dialect. The caller may want one tool call at most.
    Across { one_call: bool },
    /// Embeddings, to another dialect, in this form.
    Embeddings(AnswerForm),
    /// Relevances of documents, to another dialect. The caller may want its documents back.
    Rerank { returns_documents: bool },
}

/// The upstream that answered, and the conversion that its answer needs.
#[derive(Debug)]
pub struct AnswerSource {
    pub upstream: &'static Api,
    pub conversion: Conversion,
    /// The provider's name in the key.
    pub provider: Arc<str>,
    pub model: Arc<str>,
    /// Whose thoughts and signatures the answer has.
    pub origin: Origin,
    /// The gateway requested the usage chunk, so it removes it again.
    pub requests_usage: bool,
    pub stay: Stay,
    pub health: Arc<BackendHealth>,
    pub sent_at: Instant,
}

/// The `extra_fields` that the gateway adds to answers of the OpenAI dialect.
#[derive(Serialize)]
struct ExtraFields<'a> {
    provider: &'a str,
    model_requested: Option<&'a str>,
    model: &'a str,
    request_type: &'a str,
    /// Milliseconds.
    latency: f64,
    rule: Option<&'a str>,
    attempts: usize,
    fallback_reason: Option<AttemptError>,
    cost_usd: Option<f64>,
    decision: &'a str,
}

/// The `extra_fields` of an answer, as JSON. `cost`: nano-dollars, if known.
pub fn extra_fields(completion: &Completion, source: &AnswerSource, cost: Option<u64>) -> String {
    let context = &completion.context;
    let fields = ExtraFields {
        provider: &source.provider,
        model_requested: context.model.as_deref(),
        model: &source.model,
        request_type: context.request_type().name(),
        latency: crate::duration::ms(context.started.elapsed()),
        rule: completion.record().rule.as_deref(),
        attempts: completion.record().attempts.len().max(1),
        fallback_reason: completion.record().fallback_reason,
        cost_usd: cost.map(|cost| cost as f64 / 1e9),
        decision: &context.decision_id,
    };
    serde_json::to_string(&fields).unwrap_or_else(|_| "{}".to_owned())
}
