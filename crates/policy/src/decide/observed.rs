//! Measurements of one model at one backend: how long answers take, and how many attempts fail.
//!
//! There are two averages: the time to the first token of a stream, and the total time of an answer that is not
//! streamed. A request is compared by its own kind. A failure is not part of any average of times (a fast failure is
//! not a fast answer): it counts in the rate of failures, which [`crate::Pace`] contains too.
//!
//! Old measurements lose weight with time, so that a backend without requests is tried again.

use std::time::Duration;

use crate::request::Pace;

/// How fast a high average of streams decreases, in seconds, and how much older times of whole answers count.
const DECAY_SECONDS: f64 = 30.0;
/// The smallest weight of a new whole answer: answers differ in length, so the last few are averaged.
const MIN_WEIGHT: f64 = 0.2;
/// The remaining weight of earlier attempts after another one: about twenty attempts count.
const REMAINING_WEIGHT: f64 = 0.95;
/// The half-life of failures, in seconds.
const HALF_LIFE: f64 = 180.0;
/// This many successful attempts are assumed at the start, so that one failure weighs little.
const ASSUMED_SUCCESSES: f64 = 3.0;

/// How an answer is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// The time to the first token of a stream.
    FirstToken,
    /// The time to the end of an answer that is not streamed.
    Whole,
}

/// See the module. Times are durations since any fixed moment.
#[derive(Clone, Copy, Debug, Default)]
pub struct Observed {
    first_token: Option<Average>,
    whole: Option<Average>,
    tried: f64,
    failed: f64,
    /// When `tried` and `failed` were last updated.
    counted: Duration,
}

#[derive(Clone, Copy, Debug)]
struct Average {
    ms: f64,
    at: Duration,
}

impl Observed {
    /// Records the time of an answer.
    pub fn took(&mut self, measure: Measure, took: Duration, now: Duration) {
        let ms = took.as_secs_f64() * 1_000.0;
        let slot = self.slot(measure);
        let Some(average) = slot else {
            *slot = Some(Average { ms, at: now });
            return;
        };
        let decay = (-now.saturating_sub(average.at).as_secs_f64() / DECAY_SECONDS).exp();
        let weight = match measure {
            // A higher value counts at once, a lower one gradually.
            Measure::FirstToken if ms >= average.ms => 1.0,
            Measure::FirstToken => 1.0 - decay,
            Measure::Whole => (1.0 - decay).max(MIN_WEIGHT),
        };
        *average = Average { ms: average.ms + (ms - average.ms) * weight, at: now };
    }

    /// Records a wait that was given up: the answer takes at least this long.
    pub fn waited(&mut self, measure: Measure, waited: Duration, now: Duration) {
        let ms = waited.as_secs_f64() * 1_000.0;
        if self.slot(measure).is_none_or(|average| average.ms < ms) {
            *self.slot(measure) = Some(Average { ms, at: now });
        }
    }

    /// Records the end of an attempt.
    pub fn ended(&mut self, succeeded: bool, now: Duration) {
        let kept = REMAINING_WEIGHT * self.left(now);
        self.tried = self.tried * kept + 1.0;
        self.failed = self.failed * kept + if succeeded { 0.0 } else { 1.0 };
        self.counted = self.counted.max(now);
    }

    /// The current pace of answers of this kind; `None` if unknown.
    #[must_use]
    pub fn pace(&self, measure: Measure, now: Duration) -> Option<Pace> {
        let average = match measure {
            Measure::FirstToken => self.first_token,
            Measure::Whole => self.whole,
        };
        let left = self.left(now);
        let errors = self.failed * left / (self.tried * left + ASSUMED_SUCCESSES);
        if average.is_none() && errors == 0.0 {
            return None;
        }
        let age = average.map_or(Duration::ZERO, |average| now.saturating_sub(average.at));
        Some(Pace { ms: average.map(|average| average.ms), age, errors, in_flight: 0 })
    }

    fn slot(&mut self, measure: Measure) -> &mut Option<Average> {
        match measure {
            Measure::FirstToken => &mut self.first_token,
            Measure::Whole => &mut self.whole,
        }
    }

    /// The remaining weight of earlier attempts.
    fn left(&self, now: Duration) -> f64 {
        0.5f64.powf(now.saturating_sub(self.counted).as_secs_f64() / HALF_LIFE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn streams_and_whole_answers_are_measured_separately() {
        let mut observed = Observed::default();
        assert_eq!(observed.pace(Measure::Whole, at(0)), None);
        observed.took(Measure::FirstToken, at(100), at(0));
        assert_eq!(observed.pace(Measure::Whole, at(0)), None, "streams say nothing of whole answers");
        observed.took(Measure::Whole, at(9_000), at(0));
        assert_eq!(observed.pace(Measure::FirstToken, at(0)).and_then(|pace| pace.ms), Some(100.0));
        assert_eq!(observed.pace(Measure::Whole, at(0)).and_then(|pace| pace.ms), Some(9_000.0));
    }

    #[test]
    fn one_long_answer_changes_the_average_little() {
        let mut observed = Observed::default();
        (0..10).for_each(|_| observed.took(Measure::Whole, at(1_000), at(0)));
        observed.took(Measure::Whole, at(10_000), at(0));
        let ms = observed.pace(Measure::Whole, at(0)).and_then(|pace| pace.ms).unwrap();
        assert!((2_700.0..2_900.0).contains(&ms), "{ms}");
    }

    #[test]
    fn an_abandoned_wait_counts_as_the_shortest_possible_time() {
        let mut observed = Observed::default();
        observed.waited(Measure::Whole, at(5_000), at(0));
        observed.waited(Measure::Whole, at(1_000), at(0));
        assert_eq!(observed.pace(Measure::Whole, at(0)).and_then(|pace| pace.ms), Some(5_000.0));
    }

    #[test]
    fn the_rate_of_failures_decays_with_time() {
        let rate = |outcomes: &[bool], later: u64| {
            let mut observed = Observed::default();
            observed.took(Measure::Whole, at(1), at(0));
            outcomes.iter().for_each(|succeeded| observed.ended(*succeeded, at(0)));
            observed.pace(Measure::Whole, at(later)).unwrap().errors
        };
        let half: Vec<bool> = (0..100).map(|index| index % 2 == 0).collect();
        for (name, outcomes, later, expected) in [
            ("nothing but successes", &[true; 9][..], 0, 0.0..0.001),
            ("one failure alone is no verdict", &[false], 0, 0.2..0.3),
            ("nothing but failures", &[false; 100], 0, 0.8..1.0),
            ("half of them", &half, 0, 0.4..0.5),
            ("half of them, an hour ago", &half, 3_600_000, 0.0..0.01),
        ] {
            let observed = rate(outcomes, later);
            assert!(expected.contains(&observed), "{name}: {observed}");
        }
    }
}
