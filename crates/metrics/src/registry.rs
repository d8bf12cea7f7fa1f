//! The registry: declares, describes and writes metrics.

use prometheus::core::Collector;
use prometheus::{
    CounterVec, Encoder, Gauge as FloatGauge, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter as Counter,
    IntCounterVec, IntGauge as Gauge, IntGaugeVec, Opts, TextEncoder,
};

use crate::family::{CounterFamily, Family, FloatCounterFamily, FloatGaugeFamily, GaugeFamily, HistogramFamily};

/// Why a metric can't be declared: its name or a label is invalid, its help is empty, or the name is already used.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct Error(#[from] prometheus::Error);

/// The type of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricKind {
    Counter,
    Gauge,
    Histogram,
}

impl MetricKind {
    /// The type's name in the text format.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            MetricKind::Counter => "counter",
            MetricKind::Gauge => "gauge",
            MetricKind::Histogram => "histogram",
        }
    }
}

/// The description of one metric, from which pages of the documentation are generated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetricDescription {
    pub name: String,
    pub kind: MetricKind,
    pub labels: Vec<String>,
    pub help: String,
}

/// All metrics of one program. A clone refers to the same registry.
#[derive(Clone, Debug, Default)]
pub struct Registry {
    metrics: prometheus::Registry,
    described: Vec<MetricDescription>,
}

// Every method fails with `Error`, for the reasons that are listed there.
impl Registry {
    /// # Errors
    /// [`Error`].
    pub fn counter(&mut self, name: &str, help: &str) -> Result<Counter, Error> {
        self.declare(MetricKind::Counter, Counter::new(name, help)?)
    }

    /// # Errors
    /// [`Error`].
    pub fn counters<const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        labels: [&str; N],
    ) -> Result<CounterFamily<N>, Error> {
        let counters = IntCounterVec::new(Opts::new(name, help), &labels)?;
        self.declare(MetricKind::Counter, counters).map(Family::new)
    }

    /// # Errors
    /// [`Error`].
    pub fn float_counters<const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        labels: [&str; N],
    ) -> Result<FloatCounterFamily<N>, Error> {
        let counters = CounterVec::new(Opts::new(name, help), &labels)?;
        self.declare(MetricKind::Counter, counters).map(Family::new)
    }

    /// # Errors
    /// [`Error`].
    pub fn gauge(&mut self, name: &str, help: &str) -> Result<Gauge, Error> {
        self.declare(MetricKind::Gauge, Gauge::new(name, help)?)
    }

    /// # Errors
    /// [`Error`].
    pub fn gauges<const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        labels: [&str; N],
    ) -> Result<GaugeFamily<N>, Error> {
        let gauges = IntGaugeVec::new(Opts::new(name, help), &labels)?;
        self.declare(MetricKind::Gauge, gauges).map(Family::new)
    }

    /// # Errors
    /// [`Error`].
    pub fn float_gauge(&mut self, name: &str, help: &str) -> Result<FloatGauge, Error> {
        self.declare(MetricKind::Gauge, FloatGauge::new(name, help)?)
    }

    /// # Errors
    /// [`Error`].
    pub fn float_gauges<const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        labels: [&str; N],
    ) -> Result<FloatGaugeFamily<N>, Error> {
        let gauges = GaugeVec::new(Opts::new(name, help), &labels)?;
        self.declare(MetricKind::Gauge, gauges).map(Family::new)
    }

    /// `buckets` are the upper bounds, in ascending order; a bucket without a bound is added.
    ///
    /// # Errors
    /// [`Error`], also if the buckets are not in order.
    pub fn histogram(&mut self, name: &str, help: &str, buckets: &[f64]) -> Result<Histogram, Error> {
        let options = HistogramOpts::new(name, help).buckets(buckets.to_vec());
        self.declare(MetricKind::Histogram, Histogram::with_opts(options)?)
    }

    /// Like [`histogram`](Registry::histogram), with labels.
    ///
    /// # Errors
    /// [`Error`], also if the buckets are not in order.
    pub fn histograms<const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        buckets: &[f64],
        labels: [&str; N],
    ) -> Result<HistogramFamily<N>, Error> {
        let options = HistogramOpts::new(name, help).buckets(buckets.to_vec());
        self.declare(MetricKind::Histogram, HistogramVec::new(options, &labels)?).map(Family::new)
    }

    fn declare<M: Collector + Clone + 'static>(&mut self, kind: MetricKind, metric: M) -> Result<M, Error> {
        self.metrics.register(Box::new(metric.clone()))?;
        self.described.extend(metric.desc().into_iter().map(|desc| MetricDescription {
            name: desc.fq_name.clone(),
            kind,
            labels: desc.variable_labels.clone(),
            help: desc.help.clone(),
        }));
        Ok(metric)
    }

    /// Every declared metric, in the order of declaration, whether or not it was counted yet.
    #[must_use]
    pub fn described(&self) -> &[MetricDescription] {
        &self.described
    }

    /// All metrics in the text format, ordered by name. Families without a series are left out.
    #[must_use]
    pub fn text(&self) -> Vec<u8> {
        let mut text = Vec::new();
        // Writing to memory with valid names can't fail. If it does, the text contains what was written so far.
        let _ = TextEncoder::new().encode(&self.metrics.gather(), &mut text);
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(registry: &Registry) -> String {
        String::from_utf8(registry.text()).unwrap()
    }

    #[test]
    fn each_kind_is_written_in_its_way_by_name_with_values_escaped() {
        let mut registry = Registry::default();
        let histogram = registry.histogram("e_seconds", "took", &[0.5, 1.0]).unwrap();
        let amounts = registry.float_counters("d_usd_total", "cost", ["key"]).unwrap();
        let gauge = registry.gauge("c", "under way").unwrap();
        let gauges = registry.float_gauges("b_usd", "left", ["budget", "unit"]).unwrap();
        let counters = registry.counters("a_total", "a \"help\" \\ of\ntwo lines", ["key"]).unwrap();
        histogram.observe(0.5);
        histogram.observe(7.0);
        amounts.with(["x"]).inc_by(0.25);
        gauge.set(-3);
        gauges.with(["b", "usd"]).set(1.5);
        counters.with(["a \"value\" \\ of\ntwo lines"]).inc_by(2);
        assert_eq!(
            text(&registry),
            "# HELP a_total a \"help\" \\\\ of\\ntwo lines\n\
             # TYPE a_total counter\n\
             a_total{key=\"a \\\"value\\\" \\\\ of\\ntwo lines\"} 2\n\
             # HELP b_usd left\n\
             # TYPE b_usd gauge\n\
             b_usd{budget=\"b\",unit=\"usd\"} 1.5\n\
             # HELP c under way\n\
             # TYPE c gauge\n\
             c -3\n\
             # HELP d_usd_total cost\n\
             # TYPE d_usd_total counter\n\
             d_usd_total{key=\"x\"} 0.25\n\
             # HELP e_seconds took\n\
             # TYPE e_seconds histogram\n\
             e_seconds_bucket{le=\"0.5\"} 1\n\
             e_seconds_bucket{le=\"1\"} 1\n\
             e_seconds_bucket{le=\"+Inf\"} 2\n\
             e_seconds_sum 7.5\n\
             e_seconds_count 2\n"
        );
    }

    #[test]
    fn what_is_declared_is_described_in_that_order_and_counted_or_not() {
        let mut registry = Registry::default();
        registry.histograms("b_seconds", "took", &[1.0], ["path"]).unwrap();
        registry.float_gauge("a", "now").unwrap();
        registry.counter("c_total", "done").unwrap();
        let described: Vec<_> = registry
            .described()
            .iter()
            .map(|one| (&*one.name, one.kind.word(), one.labels.len(), &*one.help))
            .collect();
        assert_eq!(
            described,
            [("b_seconds", "histogram", 1, "took"), ("a", "gauge", 0, "now"), ("c_total", "counter", 0, "done")]
        );
        assert!(!text(&registry).contains("b_seconds"), "a family appears with its first series");
    }

    #[test]
    fn a_family_that_is_reset_tells_only_what_is_set_again() {
        let mut registry = Registry::default();
        let gauges = registry.gauges("a", "now", ["name"]).unwrap();
        gauges.with(["x"]).set(1);
        gauges.reset();
        gauges.with(["y"]).set(crate::whole(7_u64));
        assert_eq!(text(&registry), "# HELP a now\n# TYPE a gauge\na{name=\"y\"} 7\n");
        assert_eq!(crate::whole(u64::MAX), i64::MAX);
    }

    #[test]
    fn a_name_is_declared_once_and_is_one_that_the_format_allows() {
        let mut registry = Registry::default();
        registry.counter("a_total", "done").unwrap();
        assert!(registry.gauge("a_total", "done").is_err());
        assert!(registry.counter("a-b", "done").is_err());
        assert!(registry.counters("b_total", "done", ["a-b"]).is_err());
        assert!(registry.histogram("c", "took", &[2.0, 1.0]).is_err());
        assert_eq!(registry.described().len(), 1);
    }
}
