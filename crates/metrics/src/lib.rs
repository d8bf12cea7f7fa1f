//! Metrics in Prometheus's text format (version 0.0.4): a registry that also describes what it holds, and families of
//! metrics whose number of labels is part of their type.
//!
//! ```
//! use outrigger_metrics::{CounterFamily, Registry};
//!
//! # fn main() -> Result<(), outrigger_metrics::Error> {
//! let mut registry = Registry::default();
//! let requests: CounterFamily<2> = registry.counters("requests_total", "Requests answered", ["key", "status"])?;
//! requests.with(["search", "200"]).inc();
//! let text = "# HELP requests_total Requests answered\n# TYPE requests_total counter\n\
//!             requests_total{key=\"search\",status=\"200\"} 1\n";
//! assert_eq!(String::from_utf8_lossy(&registry.text()), text);
//! # Ok(())
//! # }
//! ```
//!
//! The `prometheus` crate counts, escapes and writes. Others were compared with it:
//!
//! - `prometheus-client` writes OpenMetrics only: another content type, another order, an `# EOF`. Its label sets are
//!   structs that own their strings, so each count of a request would allocate.
//! - `metrics` with `metrics-exporter-prometheus` has one recorder for a process, but tests run many gateways in one. It
//!   keeps each observation of a histogram until a task of its own sums them up.
//!
//! In `prometheus` a count is a hash of the labels, a read lock and an atomic addition. It allocates nothing once the series
//! exists. But it takes label values as a slice and panics if their number is wrong. Here that does not compile.
//!
//! A series is never forgotten, unless its family is [reset](Family::reset). So label values must come from a closed list
//! or be names of the configuration. Text of a request is neither.

mod family;
mod registry;

pub use family::{
    CounterFamily, Family, FloatCounterFamily, FloatGaugeFamily, GaugeFamily, HistogramFamily, Vector, whole,
};
pub use prometheus::{Gauge as FloatGauge, Histogram, IntCounter as Counter, IntGauge as Gauge};
pub use registry::{Error, MetricDescription, MetricKind, Registry};
