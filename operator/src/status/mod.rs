//! The statuses of objects.
//!
//! ```text
//! NamespacePlan (verdicts) ┐
//! what was written ────────┼─► Statuses ─► Update ─► write, then Events
//! pods and their gateways ─┤
//! figures of the ledger ───┘
//! ```
//!
//! Pure except for [`write()`]: times are arguments. A status stays the same while the facts do, so nothing is written
//! if nothing changed. Messages contain no numbers, and a condition's time changes only with its status. Numbers are in
//! `status.sidecars`, `status.summary` and `status.limits`, and change at most every [`NUMBERS`], except when a threshold is
//! reached. The number of writes per second for numbers alone is limited over all objects (`pace`).

pub(crate) mod action;
mod amount;
mod announce;
mod change;
mod conditions;
mod document;
pub mod events;
mod gateways;
mod limits;
mod pace;
pub mod publisher;
pub mod reason;
pub mod verdict;
mod write;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;
use tokio::time::Instant;

use crate::ledger::figures::LedgerFigures;
use crate::objects::binding::Binding;
use crate::objects::id::ObjectId;
use crate::plan::revision::{PolicyRevision, SidecarState};
use crate::state::index::IndexedObject;
use crate::status::events::NewEvent;
use crate::status::verdict::ObjectVerdict;
use change::FigureChange;
pub use conditions::{ConditionStatus, ConditionType, ORDER, ObjectCondition};
use conditions::{ObjectConditions, StatusInputs};
use document::{StatusContent, StoredCondition, ours, sidecars};
pub use gateways::{BEHIND, GatewayCounts, GatewayFleet, LivePod, RETURN, UNCONNECTED};
use pace::WritePace;
pub use write::{StatusWrite, write};

/// The shortest time between two writes of the same object for numbers alone.
pub const NUMBERS: Duration = Duration::from_secs(15);
/// Clocks are set: a time that is far away is checked again earlier.
const LOOK_MAX: Duration = Duration::from_secs(60 * 60);

/// The current time of both clocks: the monotonic clock and the wall clock.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    pub steady: Instant,
    pub time: Timestamp,
}

/// What to write and record for an object.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StatusUpdate {
    /// `None`: the stored status is right. Call [`Statuses::wrote`] after writing it.
    pub status: Option<Value>,
    /// The Events to record, once the status is written.
    pub events: Vec<NewEvent>,
    /// When to check again if nothing changes.
    pub again: Option<Instant>,
}

/// The leader's state for statuses. Each leader starts with an empty one.
#[derive(Debug)]
pub struct Statuses {
    fleet: GatewayFleet,
    /// The objects that a binding's policy is made of, and the other way round.
    objects: BTreeMap<Binding, BTreeSet<ObjectId>>,
    bindings: BTreeMap<ObjectId, BTreeSet<Binding>>,
    /// Objects that a policy no longer contains: they are concerned until gateways have loaded the policy without them.
    leaving: BTreeMap<Binding, BTreeSet<ObjectId>>,
    written: BTreeMap<ObjectId, WrittenStatus>,
    pace: WritePace,
}

/// The last write of an object's status.
#[derive(Clone, Debug)]
struct WrittenStatus {
    uid: String,
    /// What was known of the object then: its own watch may not have reported the write yet.
    resource_version: String,
    status: Value,
    at: Instant,
}

impl Statuses {
    /// For a leader that starts.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Statuses {
            fleet: GatewayFleet::new(now),
            objects: BTreeMap::new(),
            bindings: BTreeMap::new(),
            leaving: BTreeMap::new(),
            written: BTreeMap::new(),
            pace: WritePace::new(now),
        }
    }

    /// Applies a namespace's plan. `held` is [`crate::plan::revision::NamespacePlan::too_large`]: the written policies
    /// of these bindings stay. Returns the objects whose status may differ, in addition to those whose verdict does.
    pub fn planned(
        &mut self,
        namespace: &str,
        revisions: &BTreeMap<Binding, Arc<PolicyRevision>>,
        held: &BTreeSet<Binding>,
        now: Instant,
    ) -> BTreeSet<ObjectId> {
        let mut concerned = BTreeSet::new();
        let gone = |binding: &&Binding| !revisions.contains_key(*binding) && !held.contains(*binding);
        let gone: Vec<Binding> = self.of_namespace(namespace).filter(gone).cloned().collect();
        for binding in gone {
            self.fleet.forget(&binding);
            self.leaving.remove(&binding);
            concerned.extend(self.bind(&binding, BTreeSet::new()));
        }
        for (binding, revision) in revisions {
            let differs = self.fleet.planned(binding, Some(&revision.digest), now);
            concerned.extend(self.rebind(binding, &revision.objects));
            concerned.extend(self.concerned(differs.then_some(binding)));
        }
        for binding in held {
            let differs = self.fleet.planned(binding, None, now);
            concerned.extend(self.concerned(differs.then_some(binding)));
        }
        concerned
    }

    /// A policy was written; returns the objects whose status may differ.
    pub fn stands(&mut self, binding: &Binding, sequence: u64, digest: &str, now: Instant) -> BTreeSet<ObjectId> {
        let differs = self.fleet.written(binding, sequence, digest, now);
        let mut concerned = self.concerned(differs.then_some(binding));
        concerned.extend(self.let_go());
        concerned
    }

    /// A policy can't be written until a user does what the message asks; returns the objects whose status may differ.
    pub fn failed(&mut self, binding: &Binding, why: &str, now: Instant) -> BTreeSet<ObjectId> {
        let differs = self.fleet.failed(binding, why, now);
        self.concerned(differs.then_some(binding))
    }

    /// Updates all running gateways and the state of connected ones; returns the objects whose status may differ.
    pub fn look(&mut self, live: &[LivePod], states: &[SidecarState], now: Instant) -> BTreeSet<ObjectId> {
        let bindings = self.fleet.look(live, states, now);
        let mut concerned = self.concerned(&bindings);
        concerned.extend(self.let_go());
        concerned
    }

    /// The current status of an object, even if its watch has not reported the last write yet.
    #[must_use]
    pub fn standing<'a>(&'a self, known: &'a IndexedObject) -> Option<&'a Value> {
        standing(&self.written, known)
    }

    /// Whether this leader began so recently that it may not know all policies and gateways yet.
    #[must_use]
    pub fn is_beginning(&self, now: Instant) -> bool {
        self.fleet.returning(now).is_some()
    }

    /// When an object may be written again for numbers alone. Absent: this leader has not written it yet.
    #[must_use]
    pub fn numbers_at(&self, id: &ObjectId) -> Option<Instant> {
        self.written.get(id).map(|written| written.at + NUMBERS)
    }

    /// What is to be written of an object that was judged, and whose limits stand as the ledger says. `actions` were done on
    /// them just now.
    #[must_use]
    pub fn update(
        &mut self,
        known: &IndexedObject,
        verdict: &ObjectVerdict,
        ledger: &LedgerFigures,
        actions: &[Value],
        now: Now,
    ) -> StatusUpdate {
        let id = &known.version.id;
        let written = self.written.get(id).filter(|written| written.uid == known.version.uid);
        let before = standing(&self.written, known);
        let tally = self.fleet.tally(self.bindings.get(id).into_iter().flatten());
        let stands = |kind| StoredCondition::of(before, kind);
        let unresolved = stands(ConditionType::ResolvedRefs).filter(|stands| stands.truth == ConditionStatus::False);
        let sight = StatusInputs {
            id,
            verdict,
            tally: &tally,
            returning: self.fleet.returning(now.steady),
            programmed: stands(ConditionType::Programmed)
                .and_then(|stands| stands.condition(ConditionType::Programmed)),
            unresolved: unresolved.and_then(|stands| stands.time()),
            now: now.steady,
            time: now.time,
        };
        let ObjectConditions { all, settled, again } = sight.conditions();
        let spec = known.version.spec();
        let limits = spec.map(|spec| limits::of(id, spec, ledger, tally.live, now.time)).unwrap_or_default();
        let mut looks: BTreeSet<Instant> = again.into_iter().collect();
        looks.extend(limits.resets.map(|at| later(now, at)));
        let mut content =
            StatusContent { generation: verdict.generation, conditions: &all, tally: None, limits: &limits, actions };
        let same = before.is_some_and(|before| ours(before) == ours(&content.document(Some(before), now.time)));
        let change = change::of(before, &limits);
        // Numbers may wait; the other fields do not.
        if same && actions.is_empty() && change < FigureChange::Now {
            let stale = settled && before.and_then(|before| before.get("sidecars")) != Some(&sidecars(&tally));
            let numbers = stale || change == FigureChange::Amounts;
            let soon = written.map(|written| written.at + NUMBERS).filter(|free| now.steady < *free);
            // A turn is used only if there is something to write.
            let wait = numbers.then(|| soon.or_else(|| self.pace.free(id, now.steady)));
            if wait.is_none_or(|wait| wait.is_some()) {
                looks.extend(wait.flatten());
                return StatusUpdate { again: looks.into_iter().next(), ..StatusUpdate::default() };
            }
        }
        content.tally = settled.then_some(&tally);
        let mut events = announce::between(before, &all);
        events.extend(change::events(before, &limits));
        StatusUpdate { status: Some(content.document(before, now.time)), events, again: looks.into_iter().next() }
    }

    /// A status was written, based on what was known then.
    pub fn wrote(&mut self, known: &IndexedObject, status: Value, now: Instant) {
        let written = WrittenStatus {
            uid: known.version.uid.clone(),
            resource_version: known.resource_version.clone(),
            status,
            at: now,
        };
        self.written.insert(known.version.id.clone(), written);
        self.pace.wrote(&known.version.id, now);
    }

    /// An object is gone.
    pub fn forget(&mut self, id: &ObjectId) {
        self.written.remove(id);
        self.pace.forget(id);
    }

    fn of_namespace<'a>(&'a self, namespace: &'a str) -> impl Iterator<Item = &'a Binding> {
        self.objects.keys().filter(move |binding| binding.namespace == namespace)
    }

    /// Adds the objects of a binding's next policy, in addition to those of its current one; returns the added and
    /// removed ones.
    fn rebind(&mut self, binding: &Binding, objects: &BTreeSet<ObjectId>) -> BTreeSet<ObjectId> {
        let before = self.objects.get(binding).cloned().unwrap_or_default();
        let leaving: BTreeSet<ObjectId> = before.difference(objects).cloned().collect();
        let all = objects | &leaving;
        match leaving.is_empty() {
            true => self.leaving.remove(binding),
            false => self.leaving.insert(binding.clone(), leaving),
        };
        self.bind(binding, all)
    }

    /// Removes objects that gateways no longer use; returns them.
    fn let_go(&mut self) -> BTreeSet<ObjectId> {
        let taken: Vec<Binding> =
            self.leaving.keys().filter(|binding| self.fleet.has_taken(binding)).cloned().collect();
        let mut gone = BTreeSet::new();
        for binding in taken {
            let leaving = self.leaving.remove(&binding).unwrap_or_default();
            let left = self.objects.get(&binding).map(|objects| objects - &leaving).unwrap_or_default();
            gone.extend(self.bind(&binding, left));
        }
        gone
    }

    /// Sets the objects of a binding; returns the added and removed ones.
    fn bind(&mut self, binding: &Binding, objects: BTreeSet<ObjectId>) -> BTreeSet<ObjectId> {
        let before = match objects.is_empty() {
            true => self.objects.remove(binding),
            false => self.objects.insert(binding.clone(), objects.clone()),
        }
        .unwrap_or_default();
        for gone in before.difference(&objects) {
            if let Some(bindings) = self.bindings.get_mut(gone) {
                bindings.remove(binding);
                if bindings.is_empty() {
                    self.bindings.remove(gone);
                }
            }
        }
        for new in objects.difference(&before) {
            self.bindings.entry(new.clone()).or_default().insert(binding.clone());
        }
        before.symmetric_difference(&objects).cloned().collect()
    }

    fn concerned<'a>(&self, bindings: impl IntoIterator<Item = &'a Binding>) -> BTreeSet<ObjectId> {
        bindings.into_iter().filter_map(|binding| self.objects.get(binding)).flatten().cloned().collect()
    }
}

fn standing<'a>(written: &'a BTreeMap<ObjectId, WrittenStatus>, known: &'a IndexedObject) -> Option<&'a Value> {
    let written = written.get(&known.version.id).filter(|written| written.uid == known.version.uid);
    match written {
        Some(written) if written.resource_version == known.resource_version => Some(&written.status),
        _ => known.status.as_ref(),
    }
}

fn later(now: Now, at: Timestamp) -> Instant {
    let wait = Duration::try_from(at.duration_since(now.time)).unwrap_or_default();
    now.steady + wait.clamp(Duration::from_secs(1), LOOK_MAX)
}

#[cfg(test)]
mod tests;
