//! Recent findings: repeated false reports of a pod are reported only from time to time.

use std::collections::HashMap;
use std::time::Duration;

use outrigger_ledger::shared::leader::FindingKind;
use tokio::time::Instant;

/// A pod's findings of one kind are reported once in this time. All of them are counted.
const AGAIN: Duration = Duration::from_secs(10);

/// Recently reported findings.
#[derive(Debug, Default)]
pub(super) struct RecentFindings {
    reported: HashMap<(String, FindingKind), Instant>,
    tidied: Option<Instant>,
}

impl RecentFindings {
    /// Whether to report it: the pod had no recent finding of this kind.
    pub(super) fn is_new(&mut self, pod: &str, kind: FindingKind, now: Instant) -> bool {
        if self.tidied.is_none_or(|at| now.duration_since(at) >= AGAIN) {
            self.reported.retain(|_, at| now.duration_since(*at) < AGAIN);
            self.tidied = Some(now);
        }
        let key = (pod.to_owned(), kind);
        let is_new = self.reported.get(&key).is_none_or(|at| now.duration_since(*at) >= AGAIN);
        if is_new {
            self.reported.insert(key, now);
        }
        is_new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_pod_is_reported_at_intervals_for_each_kind() {
        let mut recent = RecentFindings::default();
        let begun = Instant::now();
        let at = |seconds| begun + Duration::from_secs(seconds);
        for (seconds, pod, kind, is_new) in [
            (0, "a", FindingKind::Less, true),
            (0, "a", FindingKind::Less, false),
            (0, "a", FindingKind::More, true),
            (1, "b", FindingKind::Less, true),
            (9, "a", FindingKind::Less, false),
            (10, "a", FindingKind::Less, true),
            (10, "b", FindingKind::Less, false),
            (11, "b", FindingKind::Less, true),
        ] {
            assert_eq!(recent.is_new(pod, kind, at(seconds)), is_new, "{pod} {kind:?} at {seconds}");
        }
        recent.is_new("c", FindingKind::Less, at(60));
        assert_eq!(recent.reported.len(), 1, "what is long ago is forgotten");
    }
}
