//! What the leader remembers of namespaces and policies. An entry goes with the last object that needs it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::apply::sequence_bump::SequenceBumps;
use crate::objects::binding::Binding;
use crate::plan::revision::PolicyRevision;
use crate::reconcile::value_wait::ValueWait;

/// How often generated Secrets are held against what they should be. They are not watched: where copies lie, the operator may
/// have no right to. A read each is all that is asked of the API server where nothing changes.
pub(super) const SECRETS: Duration = Duration::from_secs(60 * 60);

#[derive(Debug, Default)]
pub(super) struct State {
    pub planned: BTreeMap<String, PlannedNamespace>,
    /// When the change was seen that a namespace is to be planned for, and a policy to be written for.
    pub since: BTreeMap<String, Instant>,
    pub pending: BTreeMap<Binding, Instant>,
    pub value_wait: ValueWait,
    pub bumps: SequenceBumps,
    /// When the Secret of a binding was last held against what it should be.
    pub secrets: BTreeMap<Binding, Instant>,
}

#[derive(Debug, Default)]
pub(super) struct PlannedNamespace {
    pub revisions: BTreeMap<Binding, Arc<PolicyRevision>>,
    pub held: BTreeSet<Binding>,
    /// Those that nobody needs, as long as they are not gone.
    pub going: BTreeSet<Binding>,
}

impl PlannedNamespace {
    pub fn is_empty(&self) -> bool {
        self.revisions.is_empty() && self.held.is_empty() && self.going.is_empty()
    }
}

impl State {
    /// A policy is gone; of its namespace nothing is kept once that was the last.
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

    /// Whether a Secret is to be looked at again, which then counts as done.
    pub fn doubts(&mut self, binding: &Binding, now: Instant) -> bool {
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
    fn nothing_is_kept_of_a_namespace_whose_last_policy_is_gone() {
        let (mut state, now) = (State::default(), Instant::now());
        let bindings = [Binding::of("shop", "search"), Binding::of("shop", "batch")];
        let going = bindings.iter().cloned().collect();
        state.planned.insert("shop".to_owned(), PlannedNamespace { going, ..PlannedNamespace::default() });
        for binding in &bindings {
            state.pending.insert(binding.clone(), now);
            assert!(state.bumps.due(binding, now).is_some());
            assert!(!state.doubts(binding, now));
        }
        state.forget(&bindings[0]);
        assert!(state.planned.contains_key("shop"), "the other is still there");
        state.forget(&bindings[1]);
        assert_eq!(format!("{state:?}"), format!("{:?}", State::default()));
    }

    #[test]
    fn a_secret_is_looked_at_every_hour() {
        let (mut state, began) = (State::default(), Instant::now());
        let binding = Binding::of("shop", "search");
        let doubted: Vec<u64> =
            (0..=7_300).filter(|second| state.doubts(&binding, began + Duration::from_secs(*second))).collect();
        assert_eq!(doubted, [3_600, 7_200]);
    }
}
