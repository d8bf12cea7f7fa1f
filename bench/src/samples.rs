//! Samples of durations, and their quantiles.

use std::time::Duration;

/// The durations of one kind in one round. All are kept, so quantiles are exact.
#[derive(Clone, Debug, Default)]
pub struct Samples(Vec<Duration>);

impl Samples {
    pub fn add(&mut self, sample: Duration) {
        self.0.push(sample);
    }

    pub fn extend(&mut self, more: Samples) {
        self.0.extend(more.0);
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The nearest-rank quantile in microseconds; `q` from 0 to 1. NaN without samples.
    #[must_use]
    pub fn quantile(&self, q: f64) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let rank = (q * sorted.len() as f64).ceil().max(1.0) as usize - 1;
        sorted.get(rank).map_or(f64::NAN, |sample| sample.as_secs_f64() * 1e6)
    }
}

/// The median; with an even number of figures, the mean of the two in the middle. NaN without figures.
#[must_use]
pub fn median(figures: impl IntoIterator<Item = f64>) -> f64 {
    let mut sorted: Vec<f64> = figures.into_iter().collect();
    sorted.sort_by(f64::total_cmp);
    let at = |index: usize| sorted.get(index).copied().unwrap_or(f64::NAN);
    match sorted.len() {
        0 => f64::NAN,
        len if len % 2 == 1 => at(len / 2),
        len => (at(len / 2 - 1) + at(len / 2)) / 2.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_samples() {
        let mut samples = Samples::default();
        (1..=100).rev().for_each(|us| samples.add(Duration::from_micros(us)));
        for (q, us) in [(0.0, 1.0), (0.5, 50.0), (0.99, 99.0), (1.0, 100.0)] {
            assert!((samples.quantile(q) - us).abs() < 1e-9, "{q}: {}", samples.quantile(q));
        }
        assert!(Samples::default().quantile(0.5).is_nan());
    }

    #[test]
    fn the_median_is_in_the_middle() {
        for (figures, expected) in [(vec![3.0, 1.0, 2.0], 2.0), (vec![4.0, 1.0, 2.0, 3.0], 2.5), (vec![7.0], 7.0)] {
            assert!((median(figures) - expected).abs() < 1e-9);
        }
        assert!(median([]).is_nan());
    }
}
