//! The operator's Prometheus metrics. Labels have closed vocabularies, or name a namespace.

mod labels;

use prometheus::core::Collector;
use prometheus::proto::MetricType;
use prometheus::{
    Encoder, Gauge, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    Registry, TextEncoder,
};

use crate::admission::{DenialReason, Effect, Webhook};
use crate::api::CallFailure;
pub use labels::{LeaderWork, LeaderWorkResult};

const SECONDS: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0];

/// All metrics of one replica.
#[derive(Clone, Debug)]
pub struct OperatorMetrics {
    registry: Registry,
    reconciles: IntCounterVec,
    reconcile_seconds: HistogramVec,
    propagation: Histogram,
    writes: IntCounterVec,
    conflicts: IntCounterVec,
    queue: IntGaugeVec,
    api_requests: IntCounterVec,
    watch_failures: IntCounterVec,
    admissions: IntCounterVec,
    sidecars: IntGauge,
    live_sidecars: IntGauge,
    uninjected: IntGaugeVec,
    evictions: IntCounter,
    certificate_expiry: Gauge,
    leader: IntGauge,
}

/// What one metric is: what a page is written from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetricDescription {
    pub name: String,
    /// `counter`, `gauge` or `histogram`.
    pub kind: &'static str,
    pub labels: Vec<String>,
    pub help: String,
}

impl OperatorMetrics {
    /// # Errors
    /// Only when a metric is declared twice, which tests would show.
    pub fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let counters = |name: &str, help: &str, labels: &[&str]| {
            let counters = IntCounterVec::new(Opts::new(name, help), labels)?;
            registry.register(Box::new(counters.clone()))?;
            Ok::<_, prometheus::Error>(counters)
        };
        let gauges = |name: &str, help: &str, labels: &[&str]| {
            let gauges = IntGaugeVec::new(Opts::new(name, help), labels)?;
            registry.register(Box::new(gauges.clone()))?;
            Ok::<_, prometheus::Error>(gauges)
        };
        let gauge = |name: &str, help: &str| {
            let gauge = IntGauge::new(name, help)?;
            registry.register(Box::new(gauge.clone()))?;
            Ok::<_, prometheus::Error>(gauge)
        };
        let reconcile_seconds = HistogramVec::new(
            HistogramOpts::new("outrigger_operator_reconcile_seconds", "How long a piece of work took")
                .buckets(SECONDS.to_vec()),
            &["work"],
        )?;
        registry.register(Box::new(reconcile_seconds.clone()))?;
        let propagation = Histogram::with_opts(
            HistogramOpts::new(
                "outrigger_operator_propagation_seconds",
                "From the change of an object, as seen here, to the policy being written and pushed",
            )
            .buckets(SECONDS.to_vec()),
        )?;
        registry.register(Box::new(propagation.clone()))?;
        let certificate_expiry = Gauge::new(
            "outrigger_operator_certificate_expiry_timestamp_seconds",
            "When the certificate that is served runs out, in seconds since 1970; 0: there is none yet",
        )?;
        registry.register(Box::new(certificate_expiry.clone()))?;
        let evictions = IntCounter::new(
            "outrigger_operator_evictions_total",
            "Pods evicted because they should carry a gateway and did not",
        )?;
        registry.register(Box::new(evictions.clone()))?;
        Ok(OperatorMetrics {
            reconciles: counters(
                "outrigger_operator_reconciles_total",
                "Pieces of work done: a namespace planned, a policy written, a status written",
                &["work", "result"],
            )?,
            reconcile_seconds,
            propagation,
            writes: counters(
                "outrigger_operator_writes_total",
                "Writes of objects, by what came of them",
                &["kind", "result"],
            )?,
            conflicts: counters(
                "outrigger_operator_write_conflicts_total",
                "Writes that somebody else was quicker than, and that were done again",
                &["kind"],
            )?,
            queue: gauges(
                "outrigger_operator_queue_depth",
                "Pieces of work that wait or are under way; 0: nothing is left to do",
                &["work"],
            )?,
            api_requests: counters(
                "outrigger_operator_api_requests_total",
                "Requests to the API server; code none: there was no answer",
                &["verb", "code"],
            )?,
            watch_failures: counters(
                "outrigger_operator_watch_failures_total",
                "Times that a watch failed and was begun again",
                &["watch"],
            )?,
            admissions: counters(
                "outrigger_operator_admissions_total",
                "Reviews of the API server that were answered, by what became of the object",
                &["webhook", "effect", "reason"],
            )?,
            sidecars: gauge("outrigger_operator_connected_sidecars", "Gateways with an open stream to this replica")?,
            live_sidecars: gauge("outrigger_operator_live_sidecars", "Pods with a started gateway in the cluster")?,
            uninjected: gauges(
                "outrigger_uninjected_pods",
                "Pods that should carry a gateway and don't",
                &["namespace"],
            )?,
            evictions,
            certificate_expiry,
            leader: gauge("outrigger_operator_leader", "1: this replica leads")?,
            registry,
        })
    }

    /// A piece of work was done.
    pub fn reconciled(&self, work: LeaderWork, result: LeaderWorkResult, seconds: f64) {
        self.reconciles.with_label_values(&[work.word(), result.word()]).inc();
        self.reconcile_seconds.with_label_values(&[work.word()]).observe(seconds);
    }

    pub fn propagated(&self, seconds: f64) {
        self.propagation.observe(seconds);
    }

    /// An object was written, or was to be.
    pub fn wrote(&self, kind: &str, result: Result<(), CallFailure>) {
        let result = result.map_or_else(CallFailure::word, |()| LeaderWorkResult::Ok.word());
        self.writes.with_label_values(&[kind, result]).inc();
    }

    pub fn conflict(&self, kind: &str) {
        self.conflicts.with_label_values(&[kind]).inc();
    }

    pub fn queued(&self, work: LeaderWork, depth: usize) {
        self.queue.with_label_values(&[work.word()]).set(whole(depth));
    }

    pub fn api_request(&self, verb: &str, code: &str) {
        self.api_requests.with_label_values(&[verb, code]).inc();
    }

    pub fn watch_failed(&self, watch: &str) {
        self.watch_failures.with_label_values(&[watch]).inc();
    }

    pub fn admitted(&self, webhook: Webhook, effect: Effect, reason: Option<DenialReason>) {
        let reason = reason.map_or("", DenialReason::word);
        self.admissions.with_label_values(&[webhook.word(), effect.word(), reason]).inc();
    }

    pub fn connected(&self, sidecars: usize) {
        self.sidecars.set(whole(sidecars));
    }

    pub fn live(&self, sidecars: usize) {
        self.live_sidecars.set(whole(sidecars));
    }

    /// Of other namespaces nothing is told any more.
    pub fn uninjected<'a>(&self, namespaces: impl Iterator<Item = (&'a str, usize)>) {
        self.uninjected.reset();
        for (namespace, pods) in namespaces {
            self.uninjected.with_label_values(&[namespace]).set(whole(pods));
        }
    }

    pub fn evicted(&self) {
        self.evictions.inc();
    }

    pub fn certificate_expires(&self, at: jiff::Timestamp) {
        self.certificate_expiry.set(at.as_second() as f64);
    }

    pub fn leads(&self, leads: bool) {
        self.leader.set(i64::from(leads));
    }

    /// Every metric there is, whether or not it was counted yet.
    #[must_use]
    pub fn described(&self) -> Vec<MetricDescription> {
        // By name, so that a metric which is not described here does not compile.
        let OperatorMetrics {
            registry: _,
            reconciles,
            reconcile_seconds,
            propagation,
            writes,
            conflicts,
            queue,
            api_requests,
            watch_failures,
            admissions,
            sidecars,
            live_sidecars,
            uninjected,
            evictions,
            certificate_expiry,
            leader,
        } = self;
        let all: [&dyn Collector; 15] = [
            sidecars,
            live_sidecars,
            uninjected,
            propagation,
            reconciles,
            reconcile_seconds,
            writes,
            conflicts,
            queue,
            api_requests,
            watch_failures,
            admissions,
            evictions,
            certificate_expiry,
            leader,
        ];
        let described = |metric: &dyn Collector| {
            let kind = match metric.collect().first().map(|family| family.get_field_type()) {
                Some(MetricType::COUNTER) => "counter",
                Some(MetricType::HISTOGRAM) => "histogram",
                _ => "gauge",
            };
            let desc = metric.desc().into_iter().next()?;
            Some(MetricDescription {
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
            tracing::warn!(%error, "metrics can't be written");
        }
        text
    }
}

fn whole(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_has_a_name_of_ours_and_says_what_it_is() {
        let described = OperatorMetrics::new().unwrap().described();
        for metric in &described {
            assert!(metric.name.starts_with("outrigger_"), "{}", metric.name);
            assert!(!metric.help.is_empty(), "{}", metric.name);
        }
        assert_eq!(described.len(), 15);
    }

    #[test]
    fn namespaces_without_such_pods_are_told_of_no_more() {
        let metrics = OperatorMetrics::new().unwrap();
        metrics.uninjected([("a", 2)].into_iter());
        metrics.uninjected([("b", 1)].into_iter());
        let text = String::from_utf8(metrics.text()).unwrap();
        assert!(text.contains("outrigger_uninjected_pods{namespace=\"b\"} 1"));
        assert!(!text.contains("namespace=\"a\""));
    }
}
