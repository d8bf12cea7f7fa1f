//! Writes statuses, and records Events where a condition turned.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use kube::Client;
use parking_lot::{Mutex, MutexGuard};
use tokio::time::Instant;

use crate::metrics::{LeaderWork, LeaderWorkResult, OperatorMetrics};
use crate::objects::binding::Binding;
use crate::objects::id::ObjectId;
use crate::plan::revision::{PolicyRevision, WrittenRevision};
use crate::runtime::queue::{Queue, WorkOutcome};
use crate::state::caches::Caches;
use crate::status::events::{EventRecorder, Subject};
use crate::status::verdict::ObjectVerdict;
use crate::status::{LivePod, Now, StatusWrite, Statuses, write};
use crate::stream::Hub;

/// A change is mostly planned, written and taken by gateways within this: one status instead of three.
const DEBOUNCE: Duration = Duration::from_millis(50);

/// Writes statuses, for the leader.
pub struct StatusPublisher {
    client: Client,
    caches: Arc<Caches>,
    hub: Arc<Hub>,
    metrics: Arc<OperatorMetrics>,
    events: EventRecorder,
    state: Mutex<State>,
    queue: Queue<ObjectId>,
}

struct State {
    statuses: Statuses,
    /// Of each namespace's last plan.
    verdicts: BTreeMap<String, BTreeMap<ObjectId, ObjectVerdict>>,
}

impl StatusPublisher {
    #[must_use]
    pub fn new(
        client: Client,
        caches: Arc<Caches>,
        hub: Arc<Hub>,
        metrics: Arc<OperatorMetrics>,
        identity: &str,
    ) -> Self {
        let now = Instant::now();
        StatusPublisher {
            client,
            caches,
            hub,
            metrics,
            events: EventRecorder::new(identity, now),
            state: Mutex::new(State { statuses: Statuses::new(now), verdicts: BTreeMap::new() }),
            queue: Queue::new(DEBOUNCE),
        }
    }

    /// This replica leads from now on.
    pub fn begin(&self) {
        self.lock().statuses = Statuses::new(Instant::now());
        self.look();
    }

    pub fn end(&self) {
        self.queue.clear();
    }

    /// A namespace was planned.
    pub fn planned(
        &self,
        namespace: &str,
        revisions: &BTreeMap<Binding, Arc<PolicyRevision>>,
        held: &BTreeSet<Binding>,
        verdicts: BTreeMap<ObjectId, ObjectVerdict>,
    ) {
        let mut state = self.lock();
        let mut concerned = state.statuses.planned(namespace, revisions, held, Instant::now());
        let before = state.verdicts.remove(namespace).unwrap_or_default();
        concerned.extend(verdicts.iter().filter(|(id, now)| before.get(id) != Some(now)).map(|(id, _)| id.clone()));
        // Those that are gone are forgotten.
        concerned.extend(before.into_keys().filter(|id| !verdicts.contains_key(id)));
        if !verdicts.is_empty() {
            state.verdicts.insert(namespace.to_owned(), verdicts);
        }
        drop(state);
        self.add(concerned);
    }

    /// A policy stands in the cluster.
    pub fn stands(&self, written: &WrittenRevision) {
        let PolicyRevision { binding, digest, .. } = &*written.revision;
        let concerned = self.lock().statuses.stands(binding, written.sequence, digest, Instant::now());
        self.add(concerned);
    }

    /// A policy can't be written, and somebody has to do something about it.
    pub fn failed(&self, binding: &Binding, why: &str) {
        let concerned = self.lock().statuses.failed(binding, why, Instant::now());
        self.add(concerned);
    }

    /// Looks at gateways: those that run, and those that are connected.
    pub fn look(&self) {
        let live: Vec<LivePod> =
            self.caches.pods.live().into_iter().map(|pod| LivePod { uid: pod.uid, binding: pod.binding }).collect();
        let concerned = self.lock().statuses.look(&live, &self.hub.states(), Instant::now());
        self.add(concerned);
    }

    /// Objects were changed, if only in their status: somebody else may have written there.
    pub fn add(&self, objects: impl IntoIterator<Item = ObjectId>) {
        objects.into_iter().for_each(|object| self.queue.add(object));
    }

    /// Statuses that are to be looked at.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.queue.depth()
    }

    /// Writes statuses, one after the other, for ever; called several times at once.
    pub async fn publish_all(&self) {
        loop {
            let id = self.queue.next().await;
            let began = Instant::now();
            let outcome = self.publish(&id).await;
            let result = if outcome == WorkOutcome::Failed { LeaderWorkResult::Error } else { LeaderWorkResult::Ok };
            self.metrics.reconciled(LeaderWork::Status, result, began.elapsed().as_secs_f64());
            self.queue.done(id, outcome);
        }
    }

    async fn publish(&self, id: &ObjectId) -> WorkOutcome {
        let Some(known) = self.caches.index().get(id).cloned() else {
            self.lock().statuses.forget(id);
            return WorkOutcome::Done;
        };
        let now = Now { steady: Instant::now(), time: Timestamp::now() };
        let update = {
            let state = self.lock();
            let verdict = state.verdicts.get(&id.namespace).and_then(|verdicts| verdicts.get(id));
            // Not planned yet, in this version: that will bring it here again.
            let Some(verdict) = verdict.filter(|verdict| verdict.generation == known.version.generation) else {
                return WorkOutcome::Done;
            };
            state.statuses.update(&known, verdict, now)
        };
        let again = update.again.map_or(WorkOutcome::Done, WorkOutcome::Again);
        let Some(status) = update.status else { return again };
        match write(&self.client, id, &known.resource_version, &status).await {
            Ok(StatusWrite::Done) => {
                self.metrics.wrote(id.kind.name(), Ok(()));
                self.lock().statuses.wrote(&known, status, now.steady);
            }
            Ok(StatusWrite::Moved) => {
                self.metrics.conflict(id.kind.name());
                return WorkOutcome::Done;
            }
            Err(error) => {
                self.metrics.wrote(id.kind.name(), Err(error.failure()));
                tracing::warn!(object = %id, %error, "a status could not be written; tried again");
                return WorkOutcome::Failed;
            }
        }
        let subject = Subject::of(id, &known.version.uid);
        for event in &update.events {
            if let Err(error) = self.events.record(&self.client, &subject, event).await {
                tracing::debug!(object = %id, %error, "an Event could not be told");
            }
        }
        again
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }
}

impl fmt::Debug for StatusPublisher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StatusPublisher").field("depth", &self.depth()).finish_non_exhaustive()
    }
}
