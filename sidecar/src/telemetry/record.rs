//! The decision record of a request.

mod bounds;
mod error_type;

use std::time::SystemTime;

pub(crate) use bounds::cut;
pub use error_type::ErrorType;
use outrigger_llm::usage::Usage;
use outrigger_policy::Decision;
use serde::{Serialize, Serializer};

use crate::telemetry::attempt_error::AttemptError;

/// A decision and its outcome. Unknown values are null, never 0. It contains no prompt and no credential.
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
    /// The rules with `chain` that led to `rule`, in order.
    pub chain: Vec<String>,
    /// The limit that had too little left for the first decision, so that the policy decided once more.
    pub decided_again: Option<String>,
    pub revision: String,
    /// A hash of the session, if one is counted.
    pub session: Option<String>,
    pub candidates: Vec<CandidateRecord>,
    pub attempts: Vec<AttemptRecord>,
    pub fallback_reason: Option<AttemptError>,
    pub latency_ms: f64,
    pub ttft_ms: Option<f64>,
    /// The gateway's own time: until the first byte was sent to the upstream, and from its first byte until the first
    /// one was sent to the caller. Waiting and connecting do not count.
    pub overhead_us: Option<u64>,
    /// The gateway's own time for a later chunk of a stream, on average.
    pub chunk_overhead_us: Option<f64>,
    pub tokens: Tokens,
    pub cost_usd: Option<String>,
    pub usage_estimated: bool,
    pub cache: Option<&'static str>,
    /// The filter that answered or refused the request, or rejected its answer.
    pub filter: Option<&'static str>,
    /// The gateway capped the answer, for lack of money or tokens.
    pub capped: bool,
    /// A limit let it pass without a grant, because the ledger could not be reached.
    pub failed_open: bool,
    /// The limits that the attempts counted against, as of the end.
    pub budgets: Vec<BudgetRecord>,
    /// What a rule in `mode: Shadow` would have done.
    pub shadow: Option<ShadowRecord>,
    /// The fields that were dropped because they are only hints.
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
    /// When the period began that was charged.
    #[serde(serialize_with = "time")]
    pub since: Option<SystemTime>,
    #[serde(serialize_with = "time")]
    pub as_of: Option<SystemTime>,
}

#[derive(Clone, Debug, Serialize)]
pub struct ShadowRecord {
    pub rule: String,
    /// `None` if it would have refused.
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

/// The candidates of a decision, for its record.
#[must_use]
pub fn candidates(decision: &Decision) -> Vec<CandidateRecord> {
    let candidate_record = |candidate: &outrigger_policy::Candidate| CandidateRecord {
        provider: candidate.name.to_string(),
        model: candidate.model.to_string(),
        skipped: candidate.skipped.as_ref().map(ToString::to_string),
    };
    decision.candidates.iter().map(candidate_record).collect()
}

/// The decision of a rule in shadow mode, for the record.
#[must_use]
pub fn shadow(shadow: &outrigger_policy::Shadow) -> ShadowRecord {
    let (provider, model) =
        shadow.first.as_ref().map(|(provider, model)| (provider.to_string(), model.to_string())).unzip();
    ShadowRecord { rule: shadow.rule.to_string(), provider, model }
}

/// Serializes a time as RFC 3339, or null.
pub(crate) fn time<S: Serializer>(time: &Option<SystemTime>, serializer: S) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => serializer.collect_str(&humantime::format_rfc3339_micros(*time)),
        None => serializer.serialize_none(),
    }
}
