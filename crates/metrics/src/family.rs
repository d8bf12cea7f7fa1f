//! Metrics of one name, which differ in the values of their labels.

use prometheus::core::{MetricVec, MetricVecBuilder};
use prometheus::{CounterVec, GaugeVec, HistogramVec, IntCounterVec, IntGaugeVec};

/// A metric for each combination of values of `N` labels. A series appears when it is first asked for.
#[derive(Clone, Debug)]
pub struct Family<V, const N: usize>(V);

/// Whole numbers that only grow.
pub type CounterFamily<const N: usize> = Family<IntCounterVec, N>;
/// Amounts that only grow, with fractions.
pub type FloatCounterFamily<const N: usize> = Family<CounterVec, N>;
/// Whole numbers that rise and fall.
pub type GaugeFamily<const N: usize> = Family<IntGaugeVec, N>;
/// Amounts that rise and fall, with fractions.
pub type FloatGaugeFamily<const N: usize> = Family<GaugeVec, N>;
/// Distributions, in buckets.
pub type HistogramFamily<const N: usize> = Family<HistogramVec, N>;

/// What a family is made of: a metric by the values of its labels.
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
        // It panics if their number is not that of the labels, and `Registry` makes a family of N with N.
        self.0.of(&values)
    }

    /// Removes every series. What is not set again is no longer reported.
    pub fn reset(&self) {
        self.0.clear();
    }
}

/// A count as the value of a gauge. A count that is too large becomes the largest value.
#[must_use]
pub fn whole(count: impl TryInto<i64>) -> i64 {
    count.try_into().unwrap_or(i64::MAX)
}
