//! What happened to a request, for those who ask afterwards.

mod bounds;
mod error_type;

use std::time::SystemTime;

pub(crate) use bounds::cut;
pub use error_type::ErrorType;
use outrigger_llm::tokens::usage::Usage;
use outrigger_policy::Decision;
use serde::{Serialize, Serializer};

use crate::telemetry::attempt_error::AttemptError;

/// One decision and what came of it. Unknown is null, never 0. No prompt, no credential.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Record {
    #[serde(serialize_with = "time")]
    pub time: Option<SystemTime>,
    pub decision: String,
    pub trace_id: String,
    pub request_id: String,
    pub key: String,
    pub namespace: String,
    pub workload: Option<String>,
    pub dialect: &'static str,
    pub operation: &'static str,
    pub stream: bool,
    pub model_requested: Option<String>,
    pub provider: Option<String>,
    pub model: Option<String>,
    pub rule: Option<String>,
    /// The rules with `chain` that led to it, in order.
    pub chain: Vec<String>,
    pub revision: String,
    pub candidates: Vec<CandidateRecord>,
    pub attempts: Vec<AttemptRecord>,
    pub fallback_reason: Option<AttemptError>,
    pub latency_ms: f64,
    pub ttft_ms: Option<f64>,
    /// What the gateway itself took: until the first byte went up, and from the first byte that
    /// came until it went down. Waiting and connecting are not in it.
    pub overhead_us: Option<u64>,
    /// The same for one later chunk of a stream, on average.
    pub chunk_overhead_us: Option<f64>,
    pub tokens: Tokens,
    pub cost_usd: Option<String>,
    pub usage_estimated: bool,
    pub cache: Option<&'static str>,
    /// The filter that answered the request by itself, refused it, or failed its answer.
    pub filter: Option<&'static str>,
    /// The gateway capped the answer, for want of money or tokens.
    pub capped: bool,
    /// The limits that the attempts were counted against, as they stood at the end.
    pub budgets: Vec<BudgetRecord>,
    /// What a rule in `mode: Shadow` would have done.
    pub shadow: Option<ShadowRecord>,
    /// Fields that were left out as hints.
    pub adapted: Vec<String>,
    pub status: u16,
    pub error_type: Option<ErrorType>,
}

#[derive(Clone, Debug, Serialize)]
pub struct CandidateRecord {
    pub provider: String,
    pub model: String,
    pub skipped: Option<String>,
}

/// A limit, and how far it is used. Money is in dollars, as a decimal; tokens and requests are numbers.
#[derive(Clone, Debug, Serialize)]
pub struct BudgetRecord {
    pub name: String,
    pub unit: &'static str,
    pub spent: String,
    pub limit: String,
    #[serde(serialize_with = "time")]
    pub as_of: Option<SystemTime>,
}

#[derive(Clone, Debug, Serialize)]
pub struct ShadowRecord {
    pub rule: String,
    /// `None`: it would have refused.
    pub provider: Option<String>,
    pub model: Option<String>,
}

#[derive(Clone, Debug, Serialize)]
pub struct AttemptRecord {
    pub provider: String,
    pub model: String,
    pub credential: Option<String>,
    pub status: Option<u16>,
    pub error: Option<AttemptError>,
    pub ms: f64,
}

#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Tokens {
    pub input: Option<u64>,
    pub cached: Option<u64>,
    pub output: Option<u64>,
    pub reasoning: Option<u64>,
}

impl From<Usage> for Tokens {
    fn from(usage: Usage) -> Self {
        Tokens { input: usage.input, cached: usage.cached_input, output: usage.output, reasoning: usage.reasoning }
    }
}

/// The candidates of a decision, as they are told.
#[must_use]
pub fn candidates(decision: &Decision) -> Vec<CandidateRecord> {
    let told = |candidate: &outrigger_policy::Candidate| CandidateRecord {
        provider: candidate.name.to_string(),
        model: candidate.model.to_string(),
        skipped: candidate.skipped.as_ref().map(ToString::to_string),
    };
    decision.candidates.iter().map(told).collect()
}

/// What a rule that only watches would have decided.
#[must_use]
pub fn shadow(shadow: &outrigger_policy::Shadow) -> ShadowRecord {
    let (provider, model) =
        shadow.first.as_ref().map(|(provider, model)| (provider.to_string(), model.to_string())).unzip();
    ShadowRecord { rule: shadow.rule.to_string(), provider, model }
}

/// As RFC 3339 has it, or null.
pub(crate) fn time<S: Serializer>(time: &Option<SystemTime>, serializer: S) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => serializer.collect_str(&humantime::format_rfc3339_micros(*time)),
        None => serializer.serialize_none(),
    }
}
