//! Families: metrics of one name that differ in the values of their labels.

use prometheus::core::{MetricVec, MetricVecBuilder};
use prometheus::{CounterVec, GaugeVec, HistogramVec, IntCounterVec, IntGaugeVec};

/// A metric for each combination of values of `N` labels. A series is created when it is first used.
#[derive(Clone, Debug)]
pub struct Family<V, const N: usize>(V);

/// Counters with whole numbers.
pub type CounterFamily<const N: usize> = Family<IntCounterVec, N>;
/// Counters with fractions.
pub type FloatCounterFamily<const N: usize> = Family<CounterVec, N>;
/// Gauges with whole numbers.
pub type GaugeFamily<const N: usize> = Family<IntGaugeVec, N>;
/// Gauges with fractions.
pub type FloatGaugeFamily<const N: usize> = Family<GaugeVec, N>;
/// Histograms.
pub type HistogramFamily<const N: usize> = Family<HistogramVec, N>;

/// The inner type of a family: metrics by the values of their labels.
pub trait Vector {
    type Metric;

    /// The metric with these values, one for each label.
    fn of(&self, values: &[&str]) -> Self::Metric;

    /// Removes every series.
    fn clear(&self);
}

impl<B: MetricVecBuilder> Vector for MetricVec<B> {
    type Metric = B::M;

    fn of(&self, values: &[&str]) -> B::M {
        self.with_label_values(values)
    }

    fn clear(&self) {
        self.reset();
    }
}

impl<V: Vector, const N: usize> Family<V, N> {
    /// `vector` was made with `N` labels.
    pub(crate) fn new(vector: V) -> Self {
        Family(vector)
    }

    /// The metric with these values, in the order in which the labels were declared.
    #[must_use]
    pub fn with(&self, values: [&str; N]) -> V::Metric {
        // It panics if the number of values is wrong, but `Registry` creates a family of N with N labels.
        self.0.of(&values)
    }

    /// Removes every series. A series is reported again only when it is set again.
    pub fn reset(&self) {
        self.0.clear();
    }
}

/// A count as the value of a gauge. A count that is too large becomes the largest possible value.
#[must_use]
pub fn whole(count: impl TryInto<i64>) -> i64 {
    count.try_into().unwrap_or(i64::MAX)
}
