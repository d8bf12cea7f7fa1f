//! The gateway's metrics, by Prometheus's conventions. Label values are names of the policy or of closed lists, never
//! free text of a request.

use std::sync::Arc;
use std::time::Duration;

use outrigger_core::RefusalKind;
use outrigger_metrics::{
    Counter, CounterFamily, Error, FloatCounterFamily, FloatGaugeFamily, Gauge, GaugeFamily, Histogram,
    HistogramFamily, MetricDescription, Registry, whole,
};
use outrigger_policy::Unit;
use parking_lot::Mutex;

use crate::telemetry::attempt_error::AttemptError;
use crate::telemetry::record::Record;

/// From 5 ms to 5 min, for answers of models.
const SECONDS: [f64; 16] =
    [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 300.0];
/// From 10 µs to 10 ms, for the gateway's own time.
const OVERHEAD: [f64; 10] = [1e-5, 2e-5, 5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2];

/// A limit, and how much of it is used, in its unit.
#[derive(Clone, Debug)]
pub struct MeasuredLimit {
    pub name: String,
    pub unit: Unit,
    pub used: u64,
    pub max: u64,
    /// Age of what is known of the other gateways, if the limit is shared.
    pub age: Option<Duration>,
}

/// All metrics of one gateway.
#[derive(Clone, Debug)]
pub struct Metrics {
    registry: Registry,
    requests: CounterFamily<6>,
    duration: HistogramFamily<3>,
    first_token: HistogramFamily<1>,
    overhead: Histogram,
    attempts: CounterFamily<2>,
    failovers: CounterFamily<3>,
    refusals: CounterFamily<1>,
    tokens: CounterFamily<3>,
    cost: FloatCounterFamily<3>,
    budget_spent: FloatGaugeFamily<1>,
    budget_limit: FloatGaugeFamily<1>,
    limit_used: GaugeFamily<2>,
    limit_max: GaugeFamily<2>,
    limit_age: FloatGaugeFamily<1>,
    thresholds: CounterFamily<3>,
    failed_open: CounterFamily<2>,
    running: GaugeFamily<1>,
    running_max: GaugeFamily<1>,
    running_granted: GaugeFamily<1>,
    sessions: GaugeFamily<0>,
    forgotten_sessions: CounterFamily<0>,
    /// How many of them are counted already.
    counted_forgotten: Arc<Mutex<u64>>,
    /// Requests in progress.
    pub in_flight: Gauge,
    rule_errors: CounterFamily<1>,
    /// Decision lines that were dropped because the writer was behind.
    pub dropped_lines: Counter,
    revision: GaugeFamily<1>,
    operator: GaugeFamily<0>,
}

impl Metrics {
    /// Declares the metrics in the order of `docs/metrics.md`.
    ///
    /// # Errors
    /// If a metric is declared twice, which tests would detect.
    pub fn new() -> Result<Self, Error> {
        let mut registry = Registry::default();
        Ok(Metrics {
            requests: registry.counters(
                "outrigger_requests_total",
                "Requests answered",
                ["key", "provider", "model", "operation", "status", "stream"],
            )?,
            duration: registry.histograms(
                "outrigger_request_duration_seconds",
                "From the request's head to the answer's last byte",
                &SECONDS,
                ["provider", "operation", "stream"],
            )?,
            first_token: registry.histograms(
                "outrigger_time_to_first_token_seconds",
                "From the request's head to the first content of a stream",
                &SECONDS,
                ["provider"],
            )?,
            overhead: registry.histogram(
                "outrigger_overhead_seconds",
                "The time that the gateway itself added to a request",
                &OVERHEAD,
            )?,
            attempts: registry.counters(
                "outrigger_upstream_attempts_total",
                "Requests sent to providers, by outcome",
                ["provider", "result"],
            )?,
            failovers: registry.counters(
                "outrigger_failovers_total",
                "Fallbacks from a candidate to the next one",
                ["from", "to", "reason"],
            )?,
            refusals: registry.counters(
                "outrigger_refusals_total",
                "Requests refused by the gateway itself",
                ["type"],
            )?,
            tokens: registry.counters(
                "outrigger_tokens_total",
                "Tokens, as providers reported them",
                ["key", "provider", "type"],
            )?,
            cost: registry.float_counters(
                "outrigger_cost_usd_total",
                "The cost of answers with a known price, in dollars",
                ["key", "provider", "model"],
            )?,
            budget_spent: registry.float_gauges(
                "outrigger_budget_spent_usd",
                "The spent part of a limit on money in its window, in dollars",
                ["budget"],
            )?,
            budget_limit: registry.float_gauges(
                "outrigger_budget_limit_usd",
                "A limit on money, in dollars",
                ["budget"],
            )?,
            limit_used: registry.gauges(
                "outrigger_limit_used",
                "The used part of a limit on tokens or requests in its window",
                ["limit", "unit"],
            )?,
            limit_max: registry.gauges("outrigger_limit_max", "A limit on tokens or requests", ["limit", "unit"])?,
            limit_age: registry.float_gauges(
                "outrigger_limit_age_seconds",
                "The age of what is known of the other gateways that share a limit; absent if the limit is not shared",
                ["limit"],
            )?,
            thresholds: registry.counters(
                "outrigger_budget_thresholds_total",
                "Thresholds of budgets that were crossed",
                ["budget", "percent", "action"],
            )?,
            failed_open: registry.counters(
                "outrigger_limit_failed_open_total",
                "Attempts that a shared limit let pass without a grant, because the ledger could not be reached",
                ["limit", "unit"],
            )?,
            running: registry.gauges(
                "outrigger_concurrent_requests",
                "Requests in progress that a limit on concurrent requests counts",
                ["limit"],
            )?,
            running_max: registry.gauges(
                "outrigger_concurrent_requests_max",
                "A limit on concurrent requests: of all gateways, where they share it",
                ["limit"],
            )?,
            running_granted: registry.gauges(
                "outrigger_concurrent_requests_granted",
                "How many requests of a shared limit may be in progress here without asking the operator",
                ["limit"],
            )?,
            sessions: registry.gauges(
                "outrigger_sessions",
                "Sessions that have not ended; absent if no key limits sessions",
                [],
            )?,
            forgotten_sessions: registry.counters(
                "outrigger_sessions_forgotten_total",
                "Sessions that were forgotten before they ended, to make room for others; absent until a key limits sessions",
                [],
            )?,
            counted_forgotten: Arc::default(),
            in_flight: registry.gauge("outrigger_in_flight_requests", "Requests in progress")?,
            rule_errors: registry.counters(
                "outrigger_rule_errors_total",
                "Requests on which a rule's expression failed",
                ["rule"],
            )?,
            dropped_lines: registry
                .counter("outrigger_dropped_records_total", "Decision lines dropped because the writer was behind")?,
            revision: registry.gauges(
                "outrigger_config_revision_info",
                "The policy in force, as a label; always 1",
                ["revision"],
            )?,
            operator: registry.gauges(
                "outrigger_operator_connected",
                "1 while the stream to the operator is open, 0 while it is not; absent without an operator",
                [],
            )?,
            registry,
        })
    }

    /// Sets whether the operator's stream is open.
    pub fn set_connected(&self, connected: bool) {
        self.operator.with([]).set(connected.into());
    }

    /// Counts a finished request. `model` is a name of the policy, or `other`.
    pub fn count_request(&self, record: &Record, model: &str, refused: Option<RefusalKind>) {
        let provider = record.provider.as_deref().unwrap_or("none");
        let stream = if record.stream { "true" } else { "false" };
        let mut status = [0; 3];
        let key = if record.key.is_empty() { "none" } else { &record.key };
        let labels = [key, provider, model, record.operation, digits(record.status, &mut status), stream];
        self.requests.with(labels).inc();
        let seconds = record.latency_ms / 1_000.0;
        self.duration.with([provider, record.operation, stream]).observe(seconds);
        if let Some(ms) = record.ttft_ms {
            self.first_token.with([provider]).observe(ms / 1_000.0);
        }
        if let Some(us) = record.overhead_us {
            self.overhead.observe(us as f64 / 1e6);
        }
        for (kind, count) in [
            ("input", record.tokens.input),
            ("cached", record.tokens.cached),
            ("output", record.tokens.output),
            ("reasoning", record.tokens.reasoning),
        ] {
            if let Some(count) = count.filter(|count| *count > 0) {
                self.tokens.with([&*record.key, provider, kind]).inc_by(count);
            }
        }
        if let Some(cost) = record.cost_usd.as_deref().and_then(|cost| cost.parse().ok()).filter(|cost| *cost > 0.0) {
            self.cost.with([key, provider, model]).inc_by(cost);
        }
        let mut failed_at: Option<(&str, &str)> = None;
        for attempt in &record.attempts {
            self.attempts.with([&*attempt.provider, attempt.error.map_or("ok", AttemptError::as_str)]).inc();
            if let Some((from, reason)) = failed_at.filter(|(from, _)| *from != attempt.provider) {
                self.failovers.with([from, &*attempt.provider, reason]).inc();
            }
            failed_at = attempt.error.map(|error| (&*attempt.provider, error.as_str()));
        }
        if let Some(kind) = refused {
            self.refusals.with([kind.name()]).inc();
        }
    }

    /// Counts a request that was refused by its head.
    pub fn count_early_refusal(&self, kind: RefusalKind) {
        self.refusals.with([kind.name()]).inc();
    }

    /// Sets the levels of the limits in force. Removes all other limits.
    pub fn levels(&self, levels: impl Iterator<Item = MeasuredLimit>) {
        self.budget_spent.reset();
        self.budget_limit.reset();
        self.limit_used.reset();
        self.limit_max.reset();
        self.limit_age.reset();
        for MeasuredLimit { name, unit, used, max, age } in levels {
            if unit == Unit::Money {
                self.budget_spent.with([&*name]).set(used as f64 / 1e9);
                self.budget_limit.with([&*name]).set(max as f64 / 1e9);
            } else {
                self.limit_used.with([&*name, unit.word()]).set(whole(used));
                self.limit_max.with([&*name, unit.word()]).set(whole(max));
            }
            if let Some(age) = age {
                self.limit_age.with([&*name]).set(age.as_secs_f64());
            }
        }
    }

    /// How many sessions there are, and how many were forgotten.
    pub fn sessions(&self, counts: Option<(usize, u64)>) {
        self.sessions.reset();
        if let Some((live, forgotten)) = counts {
            self.sessions.with([]).set(whole(live as u64));
            // Two readers at one time must not count the same ones.
            let mut counted = self.counted_forgotten.lock();
            self.forgotten_sessions.with([]).inc_by(forgotten.saturating_sub(*counted));
            *counted = forgotten.max(*counted);
        }
    }

    /// Limits on concurrent requests as they stand: name, what runs here, what of a shared one was granted, and the limit.
    pub fn concurrency<'a>(&self, levels: impl Iterator<Item = (&'a str, u64, Option<u64>, u32)>) {
        self.running.reset();
        self.running_max.reset();
        self.running_granted.reset();
        for (name, running, granted, max) in levels {
            self.running.with([name]).set(whole(running));
            self.running_max.with([name]).set(max.into());
            if let Some(granted) = granted {
                self.running_granted.with([name]).set(whole(granted));
            }
        }
    }

    pub fn threshold_crossed(&self, budget: &str, percent: u32, action: &str) {
        self.thresholds.with([budget, &percent.to_string(), action]).inc();
    }

    /// An attempt passes a limit without a grant.
    pub fn failed_open(&self, limit: &str, unit: Unit) {
        self.failed_open.with([limit, unit.word()]).inc();
    }

    pub fn rule_failed(&self, rule: &str) {
        self.rule_errors.with([rule]).inc();
    }

    /// Sets the revision in force.
    pub fn set_revision(&self, revision: &str) {
        self.revision.reset();
        self.revision.with([revision]).set(1);
    }

    /// All declared metrics.
    #[must_use]
    pub fn described(&self) -> &[MetricDescription] {
        self.registry.described()
    }

    /// All metrics in the text format.
    #[must_use]
    pub fn text(&self) -> Vec<u8> {
        self.registry.text()
    }
}

/// A status as three digits, without an allocation.
fn digits(status: u16, buffer: &mut [u8; 3]) -> &str {
    for (at, power) in [100, 10, 1].into_iter().enumerate() {
        buffer[at] = b'0' + u8::try_from(status / power % 10).unwrap_or(0);
    }
    std::str::from_utf8(buffer).unwrap_or("0")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forgotten_sessions_are_counted_once_and_never_fewer() {
        let metrics = Metrics::new().unwrap();
        let told = |counts| {
            metrics.sessions(counts);
            let text = String::from_utf8(metrics.text()).unwrap();
            let line = text.lines().find_map(|line| line.strip_prefix("outrigger_sessions_forgotten_total "));
            line.map(|count| count.parse::<u64>().unwrap())
        };
        assert_eq!(told(None), None);
        // The third is an older reading that comes late. The last policy limits no sessions.
        let counts = [Some((1, 0)), Some((9, 5)), Some((9, 3)), Some((9, 7)), None];
        assert_eq!(counts.map(told), [Some(0), Some(5), Some(5), Some(7), Some(7)]);
    }
}
