//! The leader's state of namespaces and policies. An entry is removed with the last object that needs it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::apply::sequence_bump::SequenceBumps;
use crate::objects::binding::Binding;
use crate::plan::revision::PolicyRevision;
use crate::reconcile::value_wait::ValueWait;

/// How often generated Secrets are compared with what they should be. They are not watched, because the operator may
/// have no right to watch in those namespaces. Without a change, each check is one read.
pub(super) const SECRETS: Duration = Duration::from_secs(60 * 60);

#[derive(Debug, Default)]
pub(super) struct State {
    pub planned: BTreeMap<String, PlannedNamespace>,
    /// When the change was seen that a namespace will be planned for, and that a policy will be written for.
    pub since: BTreeMap<String, Instant>,
    pub pending: BTreeMap<Binding, Instant>,
    pub value_wait: ValueWait,
    pub bumps: SequenceBumps,
    /// When the Secret of a binding was last checked.
    pub secrets: BTreeMap<Binding, Instant>,
}

#[derive(Debug, Default)]
pub(super) struct PlannedNamespace {
    pub revisions: BTreeMap<Binding, Arc<PolicyRevision>>,
    pub too_large: BTreeSet<Binding>,
    /// Bindings that no longer exist, until their policies are removed.
    pub going: BTreeSet<Binding>,
}

impl PlannedNamespace {
    pub fn is_empty(&self) -> bool {
        self.revisions.is_empty() && self.too_large.is_empty() && self.going.is_empty()
    }
}

impl State {
    /// Forgets a removed policy, and its namespace with the last one.
    pub fn forget(&mut self, binding: &Binding) {
        self.pending.remove(binding);
        self.bumps.forget(binding);
        self.secrets.remove(binding);
        if let Some(planned) = self.planned.get_mut(&binding.namespace) {
            planned.going.remove(binding);
            if planned.is_empty() {
                self.planned.remove(&binding.namespace);
            }
        }
    }

    /// Whether a Secret is due for a check. If so, it counts as checked.
    pub fn secret_check_due(&mut self, binding: &Binding, now: Instant) -> bool {
        let last = *self.secrets.entry(binding.clone()).or_insert(now);
        let due = now >= last + SECRETS;
        if due {
            self.secrets.insert(binding.clone(), now);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_namespace_is_forgotten_with_its_last_policy() {
        let (mut state, now) = (State::default(), Instant::now());
        let bindings = [Binding::of("shop", "search"), Binding::of("shop", "batch")];
        let going = bindings.iter().cloned().collect();
        state.planned.insert("shop".to_owned(), PlannedNamespace { going, ..PlannedNamespace::default() });
        for binding in &bindings {
            state.pending.insert(binding.clone(), now);
            assert!(state.bumps.due(binding, now).is_some());
            assert!(!state.secret_check_due(binding, now));
        }
        state.forget(&bindings[0]);
        assert!(state.planned.contains_key("shop"), "the other policy remains");
        state.forget(&bindings[1]);
        assert_eq!(format!("{state:?}"), format!("{:?}", State::default()));
    }

    #[test]
    fn a_secret_is_checked_every_hour() {
        let (mut state, began) = (State::default(), Instant::now());
        let binding = Binding::of("shop", "search");
        let due: Vec<u64> = (0..=7_300)
            .filter(|second| state.secret_check_due(&binding, began + Duration::from_secs(*second)))
            .collect();
        assert_eq!(due, [3_600, 7_200]);
    }
}
