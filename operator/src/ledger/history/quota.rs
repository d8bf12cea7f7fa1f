//! Limits how many rows a pod may write, because the pod chooses the names of models.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use super::table::RowKey;

/// Different rows of a pod in a day. A gateway creates at most some thousands while nothing is stored.
const ROWS_MAX: usize = 5_000;
const DAY: u64 = 24;

/// Of all pods, since the day began.
#[derive(Debug, Default)]
pub(super) struct RowQuotas {
    day: u64,
    /// Hashes of rows by the pod's uid.
    seen: HashMap<String, HashSet<u64>>,
}

impl RowQuotas {
    /// Whether the row may be written: it was written before, or there is room.
    pub(super) fn allows(&mut self, key: &RowKey, hour: u64) -> bool {
        if self.day != hour / DAY {
            self.day = hour / DAY;
            self.seen.clear();
        }
        let mut hasher = DefaultHasher::new();
        key.hash(&mut hasher);
        let hash = hasher.finish();
        let seen = self.seen.entry(key.pod.clone()).or_default();
        seen.contains(&hash) || (seen.len() < ROWS_MAX && seen.insert(hash))
    }

    /// Whether reports of this process of the pod may be written. A process counts as a row, because a pod chooses its
    /// epochs too.
    pub(super) fn allows_process(&mut self, pod: &str, epoch: u64, hour: u64) -> bool {
        self.allows(&RowKey { pod: pod.to_owned(), epoch, ..RowKey::default() }, hour)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_that_invents_models_is_limited_and_others_are_not() {
        let mut quotas = RowQuotas::default();
        let key =
            |pod: &str, model: usize| RowKey { pod: pod.to_owned(), model: model.to_string(), ..RowKey::default() };
        assert!((0..ROWS_MAX).all(|model| quotas.allows(&key("a", model), 48)));
        assert!(!quotas.allows(&key("a", ROWS_MAX), 48));
        assert!(quotas.allows(&key("a", 7), 49), "it is there already");
        assert!(quotas.allows(&key("b", ROWS_MAX), 49));
        assert!(quotas.allows(&key("a", ROWS_MAX), 72), "the next day");
    }

    #[test]
    fn a_pod_that_invents_processes_is_limited() {
        let mut quotas = RowQuotas::default();
        let epochs = (0..ROWS_MAX as u64).collect::<Vec<_>>();
        assert!(epochs.iter().all(|epoch| quotas.allows_process("a", *epoch, 48)));
        assert!(!quotas.allows_process("a", epochs.len() as u64, 48));
        assert!(quotas.allows_process("a", 7, 49), "it is known already");
        assert!(quotas.allows_process("b", 0, 49));
    }
}
