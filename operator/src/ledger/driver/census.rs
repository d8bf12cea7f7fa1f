//! Finds pods that are gone for good.
//!
//! A watch may be behind, so a pod counts as gone only after it was missing for a while. A gateway whose pod is wrongly
//! counted as gone loses only what it still held.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use tokio::time::Instant;

/// Missing pods.
#[derive(Debug, Default)]
pub(in crate::ledger) struct PodCensus {
    missed: HashMap<String, Instant>,
}

impl PodCensus {
    /// The `holders` that were missing for this long. They are returned again until they are no holders any more.
    pub(in crate::ledger) fn gone(
        &mut self,
        holders: Vec<String>,
        there: &HashSet<String>,
        missed_for: Duration,
        now: Instant,
    ) -> Vec<String> {
        let missing: Vec<String> = holders.into_iter().filter(|pod| !there.contains(pod)).collect();
        let mut missed = HashMap::with_capacity(missing.len());
        for pod in &missing {
            missed.insert(pod.clone(), self.missed.get(pod).copied().unwrap_or(now));
        }
        self.missed = missed;
        let long = |pod: &String| self.missed.get(pod).is_some_and(|since| now.duration_since(*since) >= missed_for);
        missing.into_iter().filter(long).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_is_gone_when_it_is_missing_for_a_while() {
        let mut census = PodCensus::default();
        let begin = Instant::now();
        let mut gone = |seconds: u64, there: &[&str]| {
            let there = there.iter().map(|pod| (*pod).to_owned()).collect();
            census.gone(
                vec!["a".to_owned(), "b".to_owned()],
                &there,
                Duration::from_secs(10),
                begin + Duration::from_secs(seconds),
            )
        };
        assert_eq!(gone(0, &["a", "b"]), [""; 0]);
        assert_eq!(gone(2, &["a"]), [""; 0]);
        assert_eq!(gone(4, &["a", "b"]), [""; 0], "the watch was behind");
        assert_eq!(gone(6, &["a"]), [""; 0]);
        assert_eq!(gone(15, &["a"]), [""; 0]);
        assert_eq!(gone(16, &["a"]), ["b"]);
        assert_eq!(gone(18, &[]), ["b"], "until it is no holder any more");
    }
}
