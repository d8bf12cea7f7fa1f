//! What happened to a request, for those who ask afterwards: a ring in memory, a line each.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::mpsc::{self, SyncSender, TrySendError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use outrigger_llm::usage::Usage;
use outrigger_policy::Decision;
use serde::{Serialize, Serializer};

/// Records kept for `/decisions`.
const KEPT: usize = 1_000;
/// Lines waiting to be written; beyond that they are dropped and counted.
const WAITING: usize = 4_096;

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
    pub revision: String,
    pub candidates: Vec<CandidateRecord>,
    pub attempts: Vec<AttemptRecord>,
    pub fallback_reason: Option<&'static str>,
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
    pub budgets: Vec<serde_json::Value>,
    /// Fields that were left out as hints.
    pub adapted: Vec<String>,
    pub status: u16,
    pub error_type: Option<String>,
}

#[derive(Clone, Debug, Serialize)]
pub struct CandidateRecord {
    pub provider: String,
    pub model: String,
    pub skipped: Option<String>,
}

#[derive(Clone, Debug, Serialize)]
pub struct AttemptRecord {
    pub provider: String,
    pub model: String,
    pub credential: Option<String>,
    pub status: Option<u16>,
    pub error: Option<&'static str>,
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

fn time<S: Serializer>(time: &Option<SystemTime>, serializer: S) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => serializer.collect_str(&humantime::format_rfc3339_micros(*time)),
        None => serializer.serialize_none(),
    }
}

/// How decision lines are written to standard output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lines {
    /// One JSON object a line.
    #[default]
    Json,
    /// For a person at a terminal.
    Pretty {
        colour: bool,
    },
    Off,
}

/// Where records go: the ring, and a writer of its own that no request waits for.
#[derive(Debug)]
pub struct Records {
    ring: Mutex<VecDeque<Arc<Record>>>,
    writer: Option<SyncSender<Arc<Record>>>,
}

impl Records {
    /// Starts the writer.
    #[must_use]
    pub fn new(lines: Lines) -> Self {
        let writer = (lines != Lines::Off).then(|| {
            let (sender, receiver) = mpsc::sync_channel::<Arc<Record>>(WAITING);
            std::thread::Builder::new()
                .name("records".to_owned())
                .spawn(move || {
                    for record in receiver {
                        // Nobody reads standard output any more: what remains is the ring.
                        if write_line(&record, lines).is_err() {
                            break;
                        }
                    }
                })
                .map(|_| sender)
                .ok()
        });
        Records { ring: Mutex::default(), writer: writer.flatten() }
    }

    /// Keeps a record. False: its line was dropped, for the writer is behind.
    pub fn add(&self, record: Record) -> bool {
        let record = Arc::new(record);
        {
            let mut ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
            if ring.len() == KEPT {
                ring.pop_front();
            }
            ring.push_back(Arc::clone(&record));
        }
        match &self.writer {
            None => true,
            Some(writer) => !matches!(writer.try_send(record), Err(TrySendError::Full(_))),
        }
    }

    /// The last ones, newest first; or the one of an id.
    #[must_use]
    pub fn last(&self, id: Option<&str>, most: usize) -> Vec<Arc<Record>> {
        let ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        let asked = |record: &&Arc<Record>| id.is_none_or(|id| record.decision == id || record.request_id == id);
        ring.iter().rev().filter(asked).take(most).cloned().collect()
    }
}

fn write_line(record: &Record, lines: Lines) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match lines {
        Lines::Off => Ok(()),
        Lines::Json => {
            serde_json::to_writer(&mut out, record)?;
            out.write_all(b"\n")
        }
        Lines::Pretty { colour } => writeln!(out, "{}", pretty(record, colour)),
    }
}

/// `200  412ms  openai/gpt-4o-mini  search  chat  19+5 tokens  (openai: rate_limited → anthropic)`
fn pretty(record: &Record, colour: bool) -> String {
    let paint = |code: &str, text: String| if colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text };
    let status = match record.status {
        200..=299 => paint("32", record.status.to_string()),
        400..=499 => paint("33", record.status.to_string()),
        _ => paint("31", record.status.to_string()),
    };
    let mut line = format!("{status}  {:>6.0}ms  ", record.latency_ms);
    match (&record.provider, &record.model) {
        (Some(provider), Some(model)) => line.push_str(&paint("1", format!("{provider}/{model}"))),
        _ => line.push_str(record.model_requested.as_deref().unwrap_or("-")),
    }
    line.push_str(&format!("  {}  {}{}", record.key, record.operation, if record.stream { " stream" } else { "" }));
    if let (Some(input), Some(output)) = (record.tokens.input, record.tokens.output) {
        line.push_str(&format!("  {input}+{output} tokens"));
    }
    if let Some(rule) = &record.rule {
        line.push_str(&format!("  rule {rule}"));
    }
    let failed: Vec<String> = record
        .attempts
        .iter()
        .filter_map(|attempt| attempt.error.map(|error| format!("{}: {error}", attempt.provider)))
        .collect();
    if !failed.is_empty() {
        line.push_str(&paint("33", format!("  ({})", failed.join(", "))));
    }
    if let Some(error) = &record.error_type {
        line.push_str(&paint("31", format!("  {error}")));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ring_gives_the_newest_first_and_forgets_the_oldest() {
        let records = Records::new(Lines::Off);
        for n in 0..KEPT + 5 {
            assert!(records.add(Record { decision: format!("d{n}"), ..Record::default() }));
        }
        let last = records.last(None, 2);
        assert_eq!(last[0].decision, format!("d{}", KEPT + 4));
        assert_eq!(records.last(None, usize::MAX).len(), KEPT);
        assert!(records.last(Some("d0"), 1).is_empty());
        assert_eq!(records.last(Some("d9"), 1).len(), 1);
    }

    #[test]
    fn a_person_reads_a_line() {
        let attempt = AttemptRecord {
            provider: "openai".to_owned(),
            model: "gpt-4o".to_owned(),
            credential: None,
            status: Some(429),
            error: Some("rate_limited"),
            ms: 3.0,
        };
        let record = Record {
            status: 200,
            latency_ms: 412.3,
            provider: Some("anthropic".to_owned()),
            model: Some("claude".to_owned()),
            key: "search".to_owned(),
            operation: "chat",
            tokens: Tokens { input: Some(19), output: Some(5), ..Tokens::default() },
            attempts: vec![attempt],
            ..Record::default()
        };
        assert_eq!(
            pretty(&record, false),
            "200     412ms  anthropic/claude  search  chat  19+5 tokens  (openai: rate_limited)"
        );
    }
}
