//! What happened to a request, for those who ask afterwards: a ring in memory, a line each.

mod bounds;

use crate::telemetry::attempt_error::AttemptError;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::io::{self, Write};
use std::iter;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, SyncSender, TrySendError};
use std::time::{Duration, SystemTime};

pub(crate) use bounds::cut;
use outrigger_llm::tokens::usage::Usage;
use outrigger_policy::{Decision, Printable};
use serde::{Serialize, Serializer};
use tokio::sync::oneshot;

/// Records kept for `/decisions`, as long as they take no more than these bytes together.
const KEPT: usize = 1_000;
const KEPT_BYTES: usize = 4 << 20;
/// Lines waiting to be written, and the bytes of their records; beyond that they are dropped and counted.
const WAITING: usize = 4_096;
const WAITING_BYTES: usize = 4 << 20;
/// Bytes after which lines are written, though more are waiting.
const WRITTEN_AT_ONCE: usize = 64 << 10;
/// How long the writer lets lines gather: to wake it for each would cost a busy gateway more than writing does.
const GATHERS: Duration = Duration::from_millis(20);
/// How long the end waits for the last lines. Somebody may hold standard output and not read it.
const LAST_LINES: Duration = Duration::from_secs(1);

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
    pub error_type: Option<String>,
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
    ring: Mutex<Ring>,
    writer: Option<SyncSender<ToldRecord>>,
    /// Bytes of the records that wait for the writer.
    waiting: Arc<AtomicUsize>,
}

#[derive(Debug, Default)]
struct Ring {
    /// Each with the bytes that it takes.
    records: VecDeque<(Arc<Record>, usize)>,
    bytes: usize,
}

/// What the writer is told.
#[derive(Debug)]
enum ToldRecord {
    Record(Arc<Record>, usize),
    /// Say when everything before this is written.
    End(oneshot::Sender<()>),
}

impl Records {
    /// Starts the writer.
    #[must_use]
    pub fn new(lines: Lines) -> Self {
        let waiting = Arc::new(AtomicUsize::new(0));
        let writer = (lines != Lines::Off).then(|| {
            let (sender, receiver) = mpsc::sync_channel(WAITING);
            let waiting = Arc::clone(&waiting);
            std::thread::Builder::new()
                .name("records".to_owned())
                .spawn(move || write(&receiver, &waiting, lines, &mut io::stdout()))
                .map(|_| sender)
                .ok()
        });
        Records { ring: Mutex::default(), writer: writer.flatten(), waiting }
    }

    /// Keeps a record. False: its line was dropped, for the writer is behind.
    pub fn add(&self, mut record: Record) -> bool {
        let bytes = record.bound();
        let record = Arc::new(record);
        {
            let mut ring = self.ring.lock();
            ring.bytes += bytes;
            ring.records.push_back((Arc::clone(&record), bytes));
            while ring.records.len() > KEPT || ring.bytes > KEPT_BYTES {
                let Some((_, bytes)) = ring.records.pop_front() else { break };
                ring.bytes -= bytes;
            }
        }
        let Some(writer) = &self.writer else { return true };
        if self.waiting.fetch_add(bytes, Ordering::AcqRel) > WAITING_BYTES {
            self.waiting.fetch_sub(bytes, Ordering::AcqRel);
            return false;
        }
        match writer.try_send(ToldRecord::Record(record, bytes)) {
            Ok(()) => true,
            Err(error) => {
                self.waiting.fetch_sub(bytes, Ordering::AcqRel);
                !matches!(error, TrySendError::Full(_))
            }
        }
    }

    /// Waits until the lines so far are written, or cannot be.
    pub async fn written(&self) {
        let Some(writer) = &self.writer else { return };
        let (said, written) = oneshot::channel();
        if writer.try_send(ToldRecord::End(said)).is_ok() {
            let _ = tokio::time::timeout(LAST_LINES, written).await;
        }
    }

    /// About how many bytes the last ones take, as text as well.
    #[must_use]
    pub fn bytes(&self, most: usize) -> usize {
        let ring = self.ring.lock();
        ring.records.iter().rev().take(most).map(|(_, bytes)| bytes).sum()
    }

    /// The last ones, newest first; or the one of an id.
    #[must_use]
    pub fn last(&self, id: Option<&str>, most: usize) -> Vec<Arc<Record>> {
        let ring = self.ring.lock();
        let asked = |record: &&Arc<Record>| id.is_none_or(|id| record.decision == id || record.request_id == id);
        ring.records.iter().rev().map(|(record, _)| record).filter(asked).take(most).cloned().collect()
    }
}

/// Writes until nobody can add a record any more, or nobody reads: what remains then is the ring.
fn write(told: &Receiver<ToldRecord>, waiting: &AtomicUsize, lines: Lines, out: &mut impl Write) {
    let mut text = Vec::new();
    let mut ends = Vec::new();
    while let Ok(first) = told.recv() {
        if matches!(first, ToldRecord::Record(..)) {
            std::thread::sleep(GATHERS);
        }
        // One call to the system carries all that came meanwhile.
        for told in iter::once(first).chain(told.try_iter()) {
            match told {
                ToldRecord::Record(record, bytes) => {
                    line(&record, lines, &mut text);
                    waiting.fetch_sub(bytes, Ordering::AcqRel);
                }
                ToldRecord::End(said) => ends.push(said),
            }
            if text.len() >= WRITTEN_AT_ONCE {
                break;
            }
        }
        if out.write_all(&text).is_err() {
            break;
        }
        text.clear();
        for said in ends.drain(..) {
            // Whoever asked may have stopped waiting.
            let _ = said.send(());
        }
    }
}

fn line(record: &Record, lines: Lines, text: &mut Vec<u8>) {
    // Into memory neither can fail.
    let _ = match lines {
        Lines::Off => return,
        Lines::Json => serde_json::to_writer(&mut *text, record).map_err(io::Error::from),
        Lines::Pretty { colour } => text.write_all(pretty(record, colour).as_bytes()),
    };
    text.push(b'\n');
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
        (Some(provider), Some(model)) => {
            line.push_str(&paint("1", Printable(format!("{provider}/{model}")).to_string()))
        }
        _ => line.push_str(&Printable(record.model_requested.as_deref().unwrap_or("-")).to_string()),
    }
    line.push_str(&format!("  {}  {}{}", record.key, record.operation, if record.stream { " stream" } else { "" }));
    if let (Some(input), Some(output)) = (record.tokens.input, record.tokens.output) {
        line.push_str(&format!("  {input}+{output} tokens"));
    }
    if let Some(cost) = record.cost_usd.as_deref().filter(|cost| *cost != "0.00") {
        line.push_str(&format!("  ${cost}"));
    }
    if let Some(rule) = &record.rule {
        line.push_str(&format!("  rule {}", Printable(rule)));
    }
    let failed: Vec<String> = record
        .attempts
        .iter()
        .filter_map(|attempt| attempt.error.map(|error| format!("{}: {}", attempt.provider, error.as_str())))
        .collect();
    if !failed.is_empty() {
        line.push_str(&paint("33", format!("  ({})", Printable(failed.join(", ")))));
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
    fn the_ring_takes_no_more_than_its_bytes() {
        let records = Records::new(Lines::Off);
        let adapted = vec!["x".repeat(400); 60];
        for _ in 0..KEPT {
            assert!(records.add(Record { adapted: adapted.clone(), ..Record::default() }));
        }
        let kept = records.last(None, usize::MAX).len();
        assert!((100..200).contains(&kept), "{kept}");
    }

    #[test]
    fn lines_that_wait_go_out_together() {
        struct Calls(Vec<String>);
        impl Write for Calls {
            fn write(&mut self, text: &[u8]) -> io::Result<usize> {
                self.0.push(String::from_utf8_lossy(text).into_owned());
                Ok(text.len())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let (sender, receiver) = mpsc::sync_channel(4);
        for n in 0..3 {
            let record = Record { decision: format!("d{n}"), ..Record::default() };
            sender.send(ToldRecord::Record(Arc::new(record), 10)).unwrap();
        }
        let (said, mut written) = oneshot::channel();
        sender.send(ToldRecord::End(said)).unwrap();
        drop(sender);
        let mut calls = Calls(Vec::new());
        let waiting = AtomicUsize::new(30);
        write(&receiver, &waiting, Lines::Json, &mut calls);
        assert_eq!(waiting.into_inner(), 0);
        assert_eq!(written.try_recv(), Ok(()));
        let [text] = calls.0.as_slice() else { panic!("{} calls", calls.0.len()) };
        let decisions: Vec<String> = text
            .lines()
            .map(|line| {
                serde_json::from_str::<serde_json::Value>(line).unwrap()["decision"].as_str().unwrap().to_owned()
            })
            .collect();
        assert_eq!(decisions, ["d0", "d1", "d2"]);
        assert!(text.ends_with('\n'));
    }

    #[test]
    fn a_terminal_obeys_no_name() {
        let record = Record {
            status: 404,
            model_requested: Some("\x1b]52;c;aGk=\x07\r\n200  all is well\u{202e}".to_owned()),
            operation: "chat",
            ..Record::default()
        };
        let line = pretty(&record, false);
        assert!(line.contains("\\u{1b}]52;c;aGk=\\u{7}\\r\\n200  all is well\\u{202e}"), "{line}");
        assert!(line.chars().all(outrigger_policy::is_printable), "{line:?}");
    }

    #[test]
    fn a_person_reads_a_line() {
        let attempt = AttemptRecord {
            provider: "openai".to_owned(),
            model: "gpt-4o".to_owned(),
            credential: None,
            status: Some(429),
            error: Some(AttemptError::RateLimited),
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
