//! What is counted, in Prometheus's terms. Label values are names of the policy or of closed
//! vocabularies, never a request's free text.

use outrigger_core::RefusalKind;
use outrigger_policy::Unit;
use prometheus::core::Collector;
use prometheus::proto::MetricType;
use prometheus::{
    CounterVec, Encoder, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge,
    IntGaugeVec, Opts, Registry, TextEncoder,
};

use crate::runtime::limits::unit;
use crate::telemetry::attempt_error::AttemptError;
use crate::telemetry::record::Record;

/// From 5 ms to 5 min: answers of models.
const SECONDS: [f64; 16] =
    [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 300.0];
/// From 10 µs to 10 ms: the gateway itself.
const OVERHEAD: [f64; 10] = [1e-5, 2e-5, 5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2];

/// All metrics of one gateway.
#[derive(Clone, Debug)]
pub struct Metrics {
    registry: Registry,
    requests: IntCounterVec,
    duration: HistogramVec,
    first_token: HistogramVec,
    overhead: Histogram,
    failovers: IntCounterVec,
    attempts: IntCounterVec,
    tokens: IntCounterVec,
    refusals: IntCounterVec,
    /// Requests under way.
    pub in_flight: IntGauge,
    revision: IntGaugeVec,
    operator: IntGaugeVec,
    /// Decision lines that were dropped because the writer was behind.
    pub dropped_lines: IntCounter,
    rule_errors: IntCounterVec,
    cost: CounterVec,
    budget_spent: GaugeVec,
    budget_limit: GaugeVec,
    limit_used: IntGaugeVec,
    limit_max: IntGaugeVec,
    thresholds: IntCounterVec,
}

/// What one metric is: what `docs/metrics.md` is written from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Described {
    pub name: String,
    /// `counter`, `gauge` or `histogram`.
    pub kind: &'static str,
    pub labels: Vec<String>,
    pub help: String,
}

impl Metrics {
    /// # Errors
    /// Only when a metric is declared twice, which tests would show.
    pub fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let counters = |name: &str, help: &str, labels: &[&str]| {
            let counters = IntCounterVec::new(Opts::new(name, help), labels)?;
            registry.register(Box::new(counters.clone()))?;
            Ok::<_, prometheus::Error>(counters)
        };
        let histograms = |name: &str, help: &str, buckets: &[f64], labels: &[&str]| {
            let options = HistogramOpts::new(name, help).buckets(buckets.to_vec());
            let histograms = HistogramVec::new(options, labels)?;
            registry.register(Box::new(histograms.clone()))?;
            Ok::<_, prometheus::Error>(histograms)
        };
        let gauges = |name: &str, help: &str, labels: &[&str]| {
            let gauges = GaugeVec::new(Opts::new(name, help), labels)?;
            registry.register(Box::new(gauges.clone()))?;
            Ok::<_, prometheus::Error>(gauges)
        };
        let whole_gauges = |name: &str, help: &str, labels: &[&str]| {
            let gauges = IntGaugeVec::new(Opts::new(name, help), labels)?;
            registry.register(Box::new(gauges.clone()))?;
            Ok::<_, prometheus::Error>(gauges)
        };
        let cost = CounterVec::new(
            Opts::new("outrigger_cost_usd_total", "What answers cost, in dollars, where their price is known"),
            &["key", "provider", "model"],
        )?;
        registry.register(Box::new(cost.clone()))?;
        let overhead = Histogram::with_opts(
            HistogramOpts::new("outrigger_overhead_seconds", "What the gateway itself added to a request")
                .buckets(OVERHEAD.to_vec()),
        )?;
        registry.register(Box::new(overhead.clone()))?;
        let in_flight = IntGauge::new("outrigger_in_flight_requests", "Requests under way")?;
        registry.register(Box::new(in_flight.clone()))?;
        let revision = IntGaugeVec::new(
            Opts::new("outrigger_config_revision_info", "The policy in force, as a label; always 1"),
            &["revision"],
        )?;
        registry.register(Box::new(revision.clone()))?;
        let operator = IntGaugeVec::new(
            Opts::new(
                "outrigger_operator_connected",
                "1 while the stream to the operator is open, 0 while it is not; absent where there is none to connect to",
            ),
            &[],
        )?;
        registry.register(Box::new(operator.clone()))?;
        let dropped_lines =
            IntCounter::new("outrigger_dropped_records_total", "Decision lines dropped because the writer was behind")?;
        registry.register(Box::new(dropped_lines.clone()))?;
        Ok(Metrics {
            requests: counters(
                "outrigger_requests_total",
                "Requests answered",
                &["key", "provider", "model", "operation", "status", "stream"],
            )?,
            duration: histograms(
                "outrigger_request_duration_seconds",
                "From the request's head to the answer's last byte",
                &SECONDS,
                &["provider", "operation", "stream"],
            )?,
            first_token: histograms(
                "outrigger_time_to_first_token_seconds",
                "From the request's head to the first content of a stream",
                &SECONDS,
                &["provider"],
            )?,
            overhead,
            failovers: counters(
                "outrigger_failovers_total",
                "Candidates given up for the next one",
                &["from", "to", "reason"],
            )?,
            attempts: counters(
                "outrigger_upstream_attempts_total",
                "Requests sent to providers, by what came of them",
                &["provider", "result"],
            )?,
            tokens: counters("outrigger_tokens_total", "Tokens, as providers told them", &["key", "provider", "type"])?,
            refusals: counters("outrigger_refusals_total", "Requests refused by the gateway itself", &["type"])?,
            rule_errors: counters(
                "outrigger_rule_errors_total",
                "Requests on which a rule's expression failed",
                &["rule"],
            )?,
            budget_spent: gauges(
                "outrigger_budget_spent_usd",
                "What is spent of a limit on money in its window, in dollars",
                &["budget"],
            )?,
            budget_limit: gauges("outrigger_budget_limit_usd", "A limit on money, in dollars", &["budget"])?,
            limit_used: whole_gauges(
                "outrigger_limit_used",
                "What is used of a limit on tokens or requests in its window",
                &["limit", "unit"],
            )?,
            limit_max: whole_gauges("outrigger_limit_max", "A limit on tokens or requests", &["limit", "unit"])?,
            thresholds: counters(
                "outrigger_budget_thresholds_total",
                "Thresholds of budgets that were crossed",
                &["budget", "percent", "action"],
            )?,
            cost,
            in_flight,
            revision,
            operator,
            dropped_lines,
            registry,
        })
    }

    /// Whether the operator's stream is open.
    pub fn connected(&self, connected: bool) {
        self.operator.with_label_values::<&str>(&[]).set(connected.into());
    }

    /// Counts a finished request. `model` is a name of the policy, or `other`.
    pub fn recorded(&self, record: &Record, model: &str, refused: Option<RefusalKind>) {
        let provider = record.provider.as_deref().unwrap_or("none");
        let stream = if record.stream { "true" } else { "false" };
        let mut status = [0; 3];
        let key = if record.key.is_empty() { "none" } else { &record.key };
        let labels = [key, provider, model, record.operation, digits(record.status, &mut status), stream];
        self.requests.with_label_values(&labels).inc();
        let seconds = record.latency_ms / 1_000.0;
        self.duration.with_label_values(&[provider, record.operation, stream]).observe(seconds);
        if let Some(ms) = record.ttft_ms {
            self.first_token.with_label_values(&[provider]).observe(ms / 1_000.0);
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
                self.tokens.with_label_values(&[&*record.key, provider, kind]).inc_by(count);
            }
        }
        if let Some(cost) = record.cost_usd.as_deref().and_then(|cost| cost.parse().ok()).filter(|cost| *cost > 0.0) {
            self.cost.with_label_values(&[key, provider, model]).inc_by(cost);
        }
        let mut failed_at: Option<(&str, &str)> = None;
        for attempt in &record.attempts {
            self.attempts
                .with_label_values(&[&*attempt.provider, attempt.error.map_or("ok", AttemptError::as_str)])
                .inc();
            if let Some((from, reason)) = failed_at.filter(|(from, _)| *from != attempt.provider) {
                self.failovers.with_label_values(&[from, &*attempt.provider, reason]).inc();
            }
            failed_at = attempt.error.map(|error| (&*attempt.provider, error.as_str()));
        }
        if let Some(kind) = refused {
            self.refusals.with_label_values(&[kind.name()]).inc();
        }
    }

    /// Counts a request that was refused by its head alone.
    pub fn turned_away(&self, kind: RefusalKind) {
        self.refusals.with_label_values(&[kind.name()]).inc();
    }

    /// The limits in force as they stand: name, unit, what is spent, and the limit. Of others nothing is told any more.
    pub fn levels(&self, levels: impl Iterator<Item = (String, Unit, u64, u64)>) {
        self.budget_spent.reset();
        self.budget_limit.reset();
        self.limit_used.reset();
        self.limit_max.reset();
        for (name, kind, spent, max) in levels {
            if kind == Unit::Money {
                self.budget_spent.with_label_values(&[&*name]).set(spent as f64 / 1e9);
                self.budget_limit.with_label_values(&[&*name]).set(max as f64 / 1e9);
            } else {
                let whole = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
                self.limit_used.with_label_values(&[&*name, unit(kind)]).set(whole(spent));
                self.limit_max.with_label_values(&[&*name, unit(kind)]).set(whole(max));
            }
        }
    }

    pub fn threshold_crossed(&self, budget: &str, percent: u32, action: &str) {
        self.thresholds.with_label_values(&[budget, &percent.to_string(), action]).inc();
    }

    pub fn rule_failed(&self, rule: &str) {
        self.rule_errors.with_label_values(&[rule]).inc();
    }

    /// The policy in force is now this one.
    pub fn in_force(&self, revision: &str) {
        self.revision.reset();
        self.revision.with_label_values(&[revision]).set(1);
    }

    /// Every metric there is, whether or not it was counted yet.
    #[must_use]
    pub fn described(&self) -> Vec<Described> {
        // By name, so that a metric which is not described here does not compile.
        let Metrics {
            registry: _,
            requests,
            duration,
            first_token,
            overhead,
            failovers,
            attempts,
            tokens,
            refusals,
            in_flight,
            revision,
            operator,
            dropped_lines,
            rule_errors,
            cost,
            budget_spent,
            budget_limit,
            limit_used,
            limit_max,
            thresholds,
        } = self;
        let all: [&dyn Collector; 19] = [
            requests,
            duration,
            first_token,
            overhead,
            attempts,
            failovers,
            refusals,
            tokens,
            cost,
            budget_spent,
            budget_limit,
            limit_used,
            limit_max,
            thresholds,
            in_flight,
            rule_errors,
            dropped_lines,
            revision,
            operator,
        ];
        let described = |metric: &dyn Collector| {
            let kind = match metric.collect().first().map(|family| family.get_field_type()) {
                Some(MetricType::COUNTER) => "counter",
                Some(MetricType::HISTOGRAM) => "histogram",
                _ => "gauge",
            };
            let desc = metric.desc().into_iter().next()?;
            Some(Described {
                name: desc.fq_name.clone(),
                kind,
                labels: desc.variable_labels.clone(),
                help: desc.help.clone(),
            })
        };
        all.into_iter().filter_map(described).collect()
    }

    /// All of it, in the text format.
    #[must_use]
    pub fn text(&self) -> Vec<u8> {
        let mut text = Vec::new();
        if let Err(error) = TextEncoder::new().encode(&self.registry.gather(), &mut text) {
            tracing::warn!(%error, "metrics cannot be written");
        }
        text
    }
}

/// A status in three digits, without an allocation.
fn digits(status: u16, buffer: &mut [u8; 3]) -> &str {
    for (at, power) in [100, 10, 1].into_iter().enumerate() {
        buffer[at] = b'0' + u8::try_from(status / power % 10).unwrap_or(0);
    }
    std::str::from_utf8(buffer).unwrap_or("0")
}
