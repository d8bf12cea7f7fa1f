//! Writes statuses, and records Events when a condition changes or a threshold of a limit is reached. Before that it passes
//! the actions in an object's annotation to the ledger.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ManagedFieldsEntry;
use kube::api::DynamicObject;
use kube::{Api, Client};
use outrigger_ledger::shared::leader::ActionRefusal;
use parking_lot::{Mutex, MutexGuard};
use serde_json::Value;
use tokio::time::Instant;

use crate::api::{resource, timed};
use crate::ledger::actions::LedgerActions;
use crate::ledger::figures::LedgerFigures;
use crate::metrics::{LeaderWork, LeaderWorkResult, OperatorMetrics};
use crate::names;
use crate::objects::binding::Binding;
use crate::objects::id::ObjectId;
use crate::plan::revision::{PolicyRevision, WrittenRevision};
use crate::runtime::queue::{Queue, WorkOutcome};
use crate::state::caches::Caches;
use crate::state::index::IndexedObject;
use crate::status::action;
use crate::status::events::{EventRecorder, NewEvent, Subject};
use crate::status::verdict::ObjectVerdict;
use crate::status::{LivePod, Now, StatusWrite, Statuses, write};
use crate::stream::Hub;

/// A change is usually planned, written and loaded by gateways within this time: one status instead of three.
const DEBOUNCE: Duration = Duration::from_millis(50);

/// When the ledger is asked again for an action that it could not do yet.
const ACT_AGAIN: Duration = Duration::from_secs(5);

/// Writes statuses, for the leader.
pub struct StatusPublisher {
    client: Client,
    caches: Arc<Caches>,
    hub: Arc<Hub>,
    metrics: Arc<OperatorMetrics>,
    events: EventRecorder,
    figures: Arc<LedgerFigures>,
    /// Absent: there is no ledger.
    actions: Option<Arc<LedgerActions>>,
    state: Mutex<State>,
    queue: Queue<ObjectId>,
}

struct State {
    statuses: Statuses,
    /// From each namespace's last plan.
    verdicts: NamespaceVerdicts,
}

type NamespaceVerdicts = BTreeMap<String, BTreeMap<ObjectId, ObjectVerdict>>;

/// The verdict about this version of an object. `None` if it is not planned yet: the plan will bring it here again.
fn verdict<'a>(verdicts: &'a NamespaceVerdicts, known: &IndexedObject) -> Option<&'a ObjectVerdict> {
    let id = &known.version.id;
    let verdict = verdicts.get(&id.namespace).and_then(|verdicts| verdicts.get(id));
    verdict.filter(|verdict| verdict.generation == known.version.generation)
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
            figures: Arc::new(LedgerFigures::absent()),
            actions: None,
            state: Mutex::new(State { statuses: Statuses::new(now), verdicts: BTreeMap::new() }),
            queue: Queue::new(DEBOUNCE),
        }
    }

    /// Statuses say how the limits of a ledger stand, and annotations ask for actions of it.
    #[must_use]
    pub fn with_ledger(self, figures: Arc<LedgerFigures>, actions: Arc<LedgerActions>) -> Self {
        StatusPublisher { figures, actions: Some(actions), ..self }
    }

    /// Looks at objects whose limits stand differently, for ever.
    pub async fn follow_figures(&self) {
        loop {
            let changed = self.figures.changes().await;
            let now = Instant::now();
            for (object, awaited) in changed {
                match self.lock().statuses.numbers_at(&object).filter(|at| !awaited && *at > now) {
                    Some(at) => self.queue.add_at(object, at),
                    None => self.queue.add(object),
                }
            }
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

    /// A policy was written.
    pub fn stands(&self, written: &WrittenRevision) {
        let PolicyRevision { binding, digest, .. } = &*written.revision;
        let concerned = self.lock().statuses.stands(binding, written.sequence, digest, Instant::now());
        self.add(concerned);
    }

    /// A policy can't be written until a user acts.
    pub fn failed(&self, binding: &Binding, why: &str) {
        let concerned = self.lock().statuses.failed(binding, why, Instant::now());
        self.add(concerned);
    }

    /// Checks gateways: running ones, and connected ones.
    pub fn look(&self) {
        let live: Vec<LivePod> =
            self.caches.pods.live().into_iter().map(|pod| LivePod { uid: pod.uid, binding: pod.binding }).collect();
        let concerned = self.lock().statuses.look(&live, &self.hub.states(), Instant::now());
        self.add(concerned);
    }

    /// Objects have changed, maybe only in their status: another writer may have changed it.
    pub fn add(&self, objects: impl IntoIterator<Item = ObjectId>) {
        objects.into_iter().for_each(|object| self.queue.add(object));
    }

    /// Statuses to check.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.queue.depth()
    }

    /// Writes statuses, one after another, forever. Several tasks run this concurrently.
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
        if verdict(&self.lock().verdicts, &known).is_none() {
            return WorkOutcome::Done;
        }
        // The rest of the status does not wait for the ledger.
        let (acted, later) = match self.act(&known).await {
            Ok(acted) => (acted, None),
            Err(_) => (None, Some(Instant::now() + ACT_AGAIN)),
        };
        let now = Now { steady: Instant::now(), time: Timestamp::now() };
        let actions: Vec<Value> = acted.iter().map(|(entry, _)| entry.clone()).collect();
        let mut update = {
            let State { statuses, verdicts } = &mut *self.lock();
            let Some(verdict) = verdict(verdicts, &known) else { return WorkOutcome::Done };
            statuses.update(&known, verdict, &self.figures, &actions, now)
        };
        update.events.extend(acted.and_then(|(_, event)| event));
        let again = update.again.into_iter().chain(later).min().map_or(WorkOutcome::Done, WorkOutcome::Again);
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
                tracing::debug!(object = %id, %error, "an Event could not be written");
            }
        }
        again
    }

    /// Has the ledger do what the object's annotation asks for, if it was not done yet: what its status is to say of it, and
    /// what to tell. The store of the ledger has it then.
    async fn act(&self, known: &IndexedObject) -> Result<Option<(Value, Option<NewEvent>)>, ActionRefusal> {
        let Some(requested) = &known.action else { return Ok(None) };
        let (id, now) = (&known.version.id, Timestamp::now());
        let read = action::requested(&requested.text, id, known.version.spec(), now);
        if let Some(done) = action::standing(self.lock().statuses.standing(known), &read.id) {
            return Ok(done.is_older().then(|| (done.entry(), None)));
        }
        let outcome = match (&read.action, &self.actions) {
            (Err(why), _) => Err(why.clone()),
            (Ok(_), None) => Err("there is no ledger: set ledger.store to Kubernetes or PostgreSQL".to_owned()),
            (Ok(action), Some(actions)) => match actions.act(action.clone()).await {
                Ok(done) => Ok(done),
                Err(why) if self.is_passing(why) => {
                    tracing::warn!(object = %id, action = read.id, %why, "an action on a limit was not done yet; tried again");
                    return Err(why);
                }
                Err(why) => Err(why.to_string()),
            },
        };
        let by = match requested.by.clone() {
            Some(by) => Some(by),
            None => self.manager(id).await,
        };
        self.metrics.ledger_acted(read.verb, outcome.is_ok());
        match &outcome {
            Ok(_) => tracing::info!(object = %id, action = read.id, by, "an action on a limit was done"),
            Err(why) => tracing::warn!(object = %id, action = read.id, by, why, "an action on a limit was refused"),
        }
        Ok(Some((read.entry(by.as_deref(), now, &outcome), Some(read.event(by.as_deref(), &outcome)))))
    }

    /// Whether the ledger may do later what it refuses now. A new leader does not know all policies yet.
    fn is_passing(&self, why: ActionRefusal) -> bool {
        match why {
            ActionRefusal::Unavailable => true,
            ActionRefusal::NotShared => self.lock().statuses.is_beginning(Instant::now()),
            ActionRefusal::Id | ActionRefusal::Past => false,
        }
    }

    /// The program that wrote the annotation, as the API server has it.
    async fn manager(&self, id: &ObjectId) -> Option<String> {
        let api: Api<DynamicObject> = Api::namespaced_with(self.client.clone(), &id.namespace, &resource(id.kind));
        let object = timed(api.get_metadata(&id.name)).await.ok()?;
        let fields = format!("f:{}", names::LEDGER_ACTION);
        let wrote = |entry: &&ManagedFieldsEntry| {
            let owned = entry.fields_v1.as_ref().map(|fields| &fields.0);
            owned.is_some_and(|owned| owned["f:metadata"]["f:annotations"].get(&fields).is_some())
        };
        let entry = object.metadata.managed_fields.iter().flatten().find(wrote)?;
        entry.manager.as_ref().map(|manager| format!("the program {manager}"))
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
