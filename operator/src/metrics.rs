//! The operator's Prometheus metrics. Labels have closed vocabularies, or name a namespace.

mod labels;

use outrigger_metrics::{
    Counter, CounterFamily, Error, FloatGauge, Gauge, GaugeFamily, Histogram, HistogramFamily, MetricDescription,
    Registry, whole,
};

use crate::admission::{DenialReason, Effect, Webhook};
use crate::api::{CallCounter, CallFailure};
use crate::ledger::finding_words;
use crate::ledger::store::fault::StoreFault;
pub use labels::{LeaderWork, LeaderWorkResult, LedgerWrite};
use outrigger_ledger::permits::PermitFindingKind;
use outrigger_ledger::shared::leader::FindingKind;

const SECONDS: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0];

/// All metrics of one replica.
#[derive(Clone, Debug)]
pub struct OperatorMetrics {
    registry: Registry,
    sidecars: Gauge,
    live_sidecars: Gauge,
    uninjected: GaugeFamily<1>,
    propagation: Histogram,
    reconciles: CounterFamily<2>,
    reconcile_seconds: HistogramFamily<1>,
    writes: CounterFamily<2>,
    conflicts: CounterFamily<1>,
    queue: GaugeFamily<1>,
    api_requests: CounterFamily<2>,
    watch_failures: CounterFamily<1>,
    admissions: CounterFamily<3>,
    evictions: Counter,
    certificate_expiry: FloatGauge,
    leader: Gauge,
    ledger_leads: Gauge,
    ledger_holders: Gauge,
    ledger_answers: Histogram,
    ledger_writes: CounterFamily<1>,
    ledger_findings: CounterFamily<1>,
    ledger_actions: CounterFamily<2>,
    ledger_dropped: Gauge,
    permit_findings: CounterFamily<1>,
    ledger_faults: GaugeFamily<1>,
    ledger_restored: Counter,
    usage_faults: GaugeFamily<1>,
    usage_refused: Counter,
}

impl OperatorMetrics {
    /// Declares the metrics in the order of `docs/operator-metrics.md`.
    ///
    /// # Errors
    /// Fails only if a metric is declared twice, which the tests would find.
    pub fn new() -> Result<Self, Error> {
        let mut registry = Registry::default();
        Ok(OperatorMetrics {
            sidecars: registry
                .gauge("outrigger_operator_connected_sidecars", "Gateways with an open stream to this replica")?,
            live_sidecars: registry
                .gauge("outrigger_operator_live_sidecars", "Pods with a started gateway in the cluster")?,
            uninjected: registry.gauges(
                "outrigger_uninjected_pods",
                "Pods that should carry a gateway and don't",
                ["namespace"],
            )?,
            propagation: registry.histogram(
                "outrigger_operator_propagation_seconds",
                "Time from an object's change, as this replica sees it, until the policy is written and pushed",
                &SECONDS,
            )?,
            reconciles: registry.counters(
                "outrigger_operator_reconciles_total",
                "Pieces of work done: a namespace planned, a policy written, a status written",
                ["work", "result"],
            )?,
            reconcile_seconds: registry.histograms(
                "outrigger_operator_reconcile_seconds",
                "How long a piece of work took",
                &SECONDS,
                ["work"],
            )?,
            writes: registry.counters(
                "outrigger_operator_writes_total",
                "Writes of objects, by result",
                ["kind", "result"],
            )?,
            conflicts: registry.counters(
                "outrigger_operator_write_conflicts_total",
                "Writes that conflicted with another writer's and were retried",
                ["kind"],
            )?,
            queue: registry.gauges(
                "outrigger_operator_queue_depth",
                "Pieces of work that are queued or running; 0: nothing is left to do",
                ["work"],
            )?,
            api_requests: registry.counters(
                "outrigger_operator_api_requests_total",
                "Requests to the API server; code none: there was no answer",
                ["verb", "code"],
            )?,
            watch_failures: registry.counters(
                "outrigger_operator_watch_failures_total",
                "Times that a watch failed and was restarted",
                ["watch"],
            )?,
            admissions: registry.counters(
                "outrigger_operator_admissions_total",
                "Admission reviews that were answered, by effect on the object",
                ["webhook", "effect", "reason"],
            )?,
            evictions: registry.counter(
                "outrigger_operator_evictions_total",
                "Pods evicted because they should carry a gateway and did not",
            )?,
            certificate_expiry: registry.float_gauge(
                "outrigger_operator_certificate_expiry_timestamp_seconds",
                "When the served certificate expires, in seconds since 1970; 0: there is none yet",
            )?,
            leader: registry.gauge("outrigger_operator_leader", "1: this replica leads")?,
            ledger_leads: registry.gauge(
                "outrigger_operator_ledger_leader",
                "1: this replica has read the ledger's records and grants",
            )?,
            ledger_holders: registry.gauge(
                "outrigger_operator_ledger_holders",
                "Pods whose gateways hold, or may hold, a grant of a shared limit",
            )?,
            ledger_answers: registry.histogram(
                "outrigger_operator_ledger_answer_seconds",
                "Time from a gateway's request for a grant until the ledger's answer, as it leaves this replica",
                &SECONDS,
            )?,
            ledger_writes: registry.counters(
                "outrigger_operator_ledger_writes_total",
                "Writes of the ledger's records, by result",
                ["result"],
            )?,
            ledger_findings: registry.counters(
                "outrigger_operator_ledger_findings_total",
                "Impossible reports of gateways, which were refused in whole or in part",
                ["finding"],
            )?,
            ledger_actions: registry.counters(
                "outrigger_operator_ledger_actions_total",
                "Actions on limits that annotations asked for, by what came of them",
                ["verb", "result"],
            )?,
            ledger_dropped: registry.gauge(
                "outrigger_operator_ledger_dropped_reports",
                "Reports of gateways dropped since the start, because they came faster than the ledger takes them; gateways repeat them",
            )?,
            permit_findings: registry.counters(
                "outrigger_operator_concurrency_findings_total",
                "Reports of gateways about concurrent requests that can't be; nothing was granted for them",
                ["finding"],
            )?,
            ledger_faults: registry.gauges(
                "outrigger_operator_ledger_store_fault",
                "1: the ledger's store fails for this reason, and grants wait; none: it serves",
                ["fault"],
            )?,
            ledger_restored: registry.counter(
                "outrigger_operator_ledger_restored_records_total",
                "Records of the ledger that somebody deleted or set back, and that the operator wrote again",
            )?,
            usage_faults: registry.gauges(
                "outrigger_operator_usage_history_fault",
                "1: PostgreSQL fails for this reason, and gateways keep their rows of the usage history until it serves",
                ["fault"],
            )?,
            usage_refused: registry.counter(
                "outrigger_operator_usage_rows_refused_total",
                "Rows of the usage history that gateways can't report: of other keys or times, or too many",
            )?,
            registry,
        })
    }

    /// Records a finished piece of work.
    pub fn reconciled(&self, work: LeaderWork, result: LeaderWorkResult, seconds: f64) {
        self.reconciles.with([work.word(), result.word()]).inc();
        self.reconcile_seconds.with([work.word()]).observe(seconds);
    }

    pub fn propagated(&self, seconds: f64) {
        self.propagation.observe(seconds);
    }

    /// Records an object's write, or its failure.
    pub fn wrote(&self, kind: &str, result: Result<(), CallFailure>) {
        let result = result.map_or_else(CallFailure::word, |()| LeaderWorkResult::Ok.word());
        self.writes.with([kind, result]).inc();
    }

    pub fn conflict(&self, kind: &str) {
        self.conflicts.with([kind]).inc();
    }

    pub fn queued(&self, work: LeaderWork, depth: usize) {
        self.queue.with([work.word()]).set(whole(depth));
    }

    pub fn watch_failed(&self, watch: &str) {
        self.watch_failures.with([watch]).inc();
    }

    pub fn admitted(&self, webhook: Webhook, effect: Effect, reason: Option<DenialReason>) {
        let reason = reason.map_or("", DenialReason::word);
        self.admissions.with([webhook.word(), effect.word(), reason]).inc();
    }

    pub fn connected(&self, sidecars: usize) {
        self.sidecars.set(whole(sidecars));
    }

    pub fn live(&self, sidecars: usize) {
        self.live_sidecars.set(whole(sidecars));
    }

    /// Sets the number for each namespace, and removes all other namespaces.
    pub fn uninjected<'a>(&self, namespaces: impl Iterator<Item = (&'a str, usize)>) {
        self.uninjected.reset();
        for (namespace, pods) in namespaces {
            self.uninjected.with([namespace]).set(whole(pods));
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

    /// Whether this replica's ledger grants.
    pub fn ledger_leads(&self, leads: bool) {
        self.ledger_leads.set(i64::from(leads));
    }

    pub fn ledger_holders(&self, pods: usize) {
        self.ledger_holders.set(whole(pods));
    }

    /// Records the time until a gateway's request was answered.
    pub fn ledger_answered(&self, seconds: f64) {
        self.ledger_answers.observe(seconds);
    }

    pub fn ledger_wrote(&self, result: LedgerWrite) {
        self.ledger_writes.with([result.word()]).inc();
    }

    pub fn ledger_finding(&self, kind: FindingKind) {
        self.ledger_findings.with([finding_words::word(kind)]).inc();
    }

    pub fn permit_finding(&self, kind: PermitFindingKind) {
        let word = match kind {
            PermitFindingKind::More => "more",
            PermitFindingKind::NotAllowed => "not_allowed",
            PermitFindingKind::Absurd => "absurd",
        };
        self.permit_findings.with([word]).inc();
    }

    /// `verb` is forgive, reset or raise; absent: the annotation can't be read.
    pub fn ledger_acted(&self, verb: Option<&str>, done: bool) {
        let verb = verb.unwrap_or("unknown").to_ascii_lowercase();
        self.ledger_actions.with([verb.as_str(), if done { "ok" } else { "refused" }]).inc();
    }

    pub fn ledger_dropped(&self, reports: u64) {
        self.ledger_dropped.set(whole(reports));
    }

    /// Why the ledger's store fails; `None`: it serves.
    pub fn ledger_fault(&self, fault: Option<StoreFault>) {
        self.ledger_faults.reset();
        if let Some(fault) = fault {
            self.ledger_faults.with([fault.word()]).set(1);
        }
    }

    /// A record of the ledger was written again.
    pub fn ledger_restored(&self) {
        self.ledger_restored.inc();
    }

    /// Why the usage history can't be written; `None`: it is.
    pub fn usage_fault(&self, fault: Option<StoreFault>) {
        self.usage_faults.reset();
        if let Some(fault) = fault {
            self.usage_faults.with([fault.word()]).set(1);
        }
    }

    pub fn usage_rows_refused(&self, rows: usize) {
        self.usage_refused.inc_by(u64::try_from(rows).unwrap_or(u64::MAX));
    }

    /// Every metric, whether or not it was counted yet.
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

impl CallCounter for OperatorMetrics {
    fn api_request(&self, verb: &str, code: &str) {
        self.api_requests.with([verb, code]).inc();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_has_our_prefix_and_a_help_text() {
        let metrics = OperatorMetrics::new().unwrap();
        let described = metrics.described();
        for metric in described {
            assert!(metric.name.starts_with("outrigger_"), "{}", metric.name);
            assert!(!metric.help.is_empty(), "{}", metric.name);
        }
        assert_eq!(described.len(), 27);
    }

    #[test]
    fn namespaces_without_uninjected_pods_are_removed() {
        let metrics = OperatorMetrics::new().unwrap();
        metrics.uninjected([("a", 2)].into_iter());
        metrics.uninjected([("b", 1)].into_iter());
        let text = String::from_utf8(metrics.text()).unwrap();
        assert!(text.contains("outrigger_uninjected_pods{namespace=\"b\"} 1"));
        assert!(!text.contains("namespace=\"a\""));
    }
}
