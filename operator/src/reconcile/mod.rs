//! The leader's work: it plans namespaces, writes policies and publishes statuses.
//!
//! ```text
//! News ─► plans ─► plan ─► writes ─► Applier ─► Hub
//!                    │                   │
//!                    └► StatusPublisher ◄┴── what gateways report
//! ```
//!
//! Each kind of work has its own queue, so that none waits for another. A namespace is planned by one task at a time,
//! because each plan builds on the last good versions. A few namespaces are planned at the same time, each on a copy of
//! the index. Policies and statuses are written several at a time. After a long plan, a namespace pauses for longer
//! than the plan took, so that it does not hold up the others.

mod plans;
mod state;
pub(crate) mod value_wait;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use crate::apply::{Applier, ApplyError, has_secret};
use crate::ledger::limits::PlannedLimits;
use crate::metrics::{LeaderWork, LeaderWorkResult, OperatorMetrics};
use crate::names;
use crate::objects::binding::Binding;
use crate::objects::refs::ValueRef;
use crate::plan::last_good::LastGood;
use crate::plan::plan;
use crate::plan::revision::{NamespacePlan, PolicyRevision};
use crate::plan::scope::PlanScope;
use crate::runtime::queue::{DEBOUNCE, Queue, WorkOutcome};
use crate::seal::Seal;
use crate::state::caches::Caches;
use crate::status::publisher::StatusPublisher;
use crate::stream::Hub;
use crate::watch::dispatch::{Affected, Dispatcher};
use state::{PlannedNamespace, SECRETS, State};

/// How long a changed or deleted ConfigMap waits for its check. It may have been deleted with its key, which another
/// watch reports.
const REPAIR: Duration = Duration::from_millis(500);
/// How long a write waits that the operator has no right to.
const FORBIDDEN: Duration = Duration::from_secs(5 * 60);
/// The longest wait for a time, because clocks may be set.
const RECHECK_MAX: Duration = Duration::from_secs(60 * 60);

/// The leader's state beside the shared caches.
pub struct Reconciler {
    caches: Arc<Caches>,
    dispatcher: Arc<Dispatcher>,
    applier: Arc<Applier>,
    hub: Arc<Hub>,
    metrics: Arc<OperatorMetrics>,
    unread: watch::Receiver<BTreeSet<ValueRef>>,
    last_good: Mutex<LastGood>,
    leads: AtomicBool,
    state: Mutex<State>,
    plans: Queue<String>,
    writes: Queue<Binding>,
    publisher: Arc<StatusPublisher>,
    limits: Arc<PlannedLimits>,
    pods: Notify,
}

/// What to do about a binding's policy.
enum PolicyAction {
    Write(Arc<PolicyRevision>),
    /// Leave everything as it is.
    Keep,
    /// Remove what was written, because the binding no longer exists.
    Remove,
}

impl Reconciler {
    #[must_use]
    pub fn new(
        caches: Arc<Caches>,
        dispatcher: Arc<Dispatcher>,
        applier: Arc<Applier>,
        hub: Arc<Hub>,
        publisher: Arc<StatusPublisher>,
        limits: Arc<PlannedLimits>,
        metrics: Arc<OperatorMetrics>,
    ) -> Self {
        Reconciler {
            unread: dispatcher.unread(),
            caches,
            dispatcher,
            applier,
            hub,
            metrics,
            last_good: Mutex::new(LastGood::new()),
            leads: AtomicBool::new(false),
            state: Mutex::default(),
            plans: Queue::new(DEBOUNCE),
            writes: Queue::new(Duration::ZERO),
            publisher,
            limits,
            pods: Notify::new(),
        }
    }

    /// Becomes the leader: reads the last good versions that are stored beside policies, and plans every namespace.
    /// Sources without a valid seal are ignored, because somebody else wrote them.
    pub fn start(&self, seal: Seal) {
        {
            let mut last_good = self.last_good();
            let (own, foreign) = self.caches.generated.sources(&seal);
            if foreign > 0 {
                tracing::warn!(
                    foreign,
                    "some policies were changed, or the operator's Secret {} was replaced: their stored sources are \
                     ignored, and they are written again",
                    names::SEAL
                );
            }
            for (binding, sources) in own {
                if let Err(error) = last_good.restore(&binding.namespace, &sources) {
                    tracing::warn!(%binding, %error, "cannot read the stored sources of a policy: its broken objects have no last good version");
                }
            }
        }
        self.applier.start(seal);
        self.publisher.begin();
        self.leads.store(true, Ordering::SeqCst);
        self.caches.concerned().into_iter().for_each(|namespace| self.plans.add(namespace));
    }

    #[must_use]
    pub fn leads(&self) -> bool {
        self.leads.load(Ordering::SeqCst)
    }

    /// Stops the work. Nothing new is started.
    pub fn stop(&self) {
        self.leads.store(false, Ordering::SeqCst);
        self.plans.clear();
        self.writes.clear();
        self.publisher.end();
    }

    /// Queues the work for changes that watches reported.
    pub fn notify(&self, affected: Affected) {
        if !self.leads() {
            return;
        }
        if !affected.namespaces.is_empty() {
            let mut state = self.lock();
            let now = Instant::now();
            for namespace in &affected.namespaces {
                state.since.entry(namespace.clone()).or_insert(now);
            }
        }
        affected.namespaces.into_iter().for_each(|namespace| self.plans.add(namespace));
        let later = Instant::now() + REPAIR;
        affected.generated.into_iter().for_each(|binding| self.writes.add_at(binding, later));
        self.publisher.add(affected.objects);
        if affected.pods {
            self.pods.notify_one();
        }
    }

    /// Waits until pods with a gateway were created or deleted, or became live.
    pub async fn pods_changed(&self) {
        self.pods.notified().await;
    }

    /// Checks every policy's ConfigMap, because the authorities changed.
    pub fn write_all(&self) {
        let bindings: Vec<Binding> =
            self.lock().planned.values().flat_map(|planned| planned.revisions.keys().cloned()).collect();
        bindings.into_iter().for_each(|binding| self.writes.add(binding));
    }

    /// Handles new reports of gateways: publishes them, and follows those that have a higher sequence than the written
    /// one.
    pub fn follow_gateways(&self) {
        if !self.leads() {
            return;
        }
        self.publisher.look();
        let (sequences, now) = (self.applier.sequences(), Instant::now());
        let is_ahead =
            |(binding, sequence): &(Binding, u64)| self.hub.highest(binding).is_some_and(|highest| highest > *sequence);
        for (binding, _) in sequences.into_iter().filter(is_ahead) {
            let due = self.lock().bumps.due(&binding, now);
            due.into_iter().for_each(|due| self.writes.add_at(binding.clone(), due));
        }
    }

    /// Writes policies one by one, forever. Several such loops run at the same time.
    pub async fn write_each(&self) {
        loop {
            let binding = self.writes.next().await;
            let began = Instant::now();
            let written = self.write(&binding).await;
            let result = if written.is_ok() { LeaderWorkResult::Ok } else { LeaderWorkResult::Error };
            self.metrics.reconciled(LeaderWork::Write, result, began.elapsed().as_secs_f64());
            self.writes.done(binding, written.unwrap_or_else(|failed| failed));
        }
    }

    /// Updates the metrics of the queues.
    pub fn measure(&self) {
        let waiting = self.lock().value_wait.waiting();
        self.metrics.queued(LeaderWork::Plan, self.plans.depth() + waiting);
        self.metrics.queued(LeaderWork::Write, self.writes.depth());
        self.metrics.queued(LeaderWork::Status, self.publisher.depth());
    }

    /// Until when a plan waits for Secrets and ConfigMaps that have not been read yet and would be planned as missing.
    fn value_deadline(&self, namespace: &str) -> Option<Instant> {
        let unread = self.unread.borrow().clone();
        // Usually everything has been read, and the dependencies need not be computed.
        let dependencies = match unread.is_empty() {
            true => BTreeSet::new(),
            false => {
                let last_good = self.last_good();
                PlanScope::of(&self.caches.index(), &last_good, namespace).values
            }
        };
        self.lock().value_wait.postpone(namespace, &dependencies, &unread, Instant::now())
    }

    /// Reads the written policies of bindings whose next policy is too large. Returns whether any was read.
    async fn read_back(&self, bindings: &[Binding]) -> Result<bool, ApplyError> {
        let mut news = false;
        for binding in bindings {
            match self.applier.policy(binding).await? {
                Some(document) => {
                    self.last_good().read_back(binding, document);
                    news = true;
                }
                None => tracing::warn!(
                    %binding,
                    "the policy is too large, and the operator did not write the stored one: gateways keep their policy, \
                     including what was revoked, until it is smaller"
                ),
            }
        }
        Ok(news)
    }

    /// Plans a namespace. Returns the bindings whose written policy must be read, and when to plan again.
    fn plan(&self, namespace: &str) -> (Vec<Binding>, Option<Instant>) {
        let since = self.lock().since.remove(namespace);
        let now = Timestamp::now();
        // Copies, so that watches, writes and other plans can continue.
        let (index, mut last_good) = {
            let last_good = self.last_good();
            (self.caches.snapshot(), last_good.clone())
        };
        let plan = plan(&index, &mut last_good, namespace, now);
        let unread = plan.too_large.iter().filter(|binding| last_good.needs_written_policy(binding)).cloned().collect();
        // While this copy exists, the next change would have to copy the index.
        drop(index);
        self.last_good().learn(&self.caches.index(), namespace, last_good);
        let others = self.caches.change(|index| index.planned(&plan));
        // A version that serves instead of a broken one may reference values that no present object does.
        self.dispatcher.update_wanted();
        others.namespaces.into_iter().for_each(|namespace| self.plans.add(namespace));
        let recheck = plan.recheck.map(|at| {
            let wait = at.duration_since(now).unsigned_abs().min(RECHECK_MAX);
            Instant::now() + wait.max(Duration::from_millis(1))
        });
        self.apply_plan(plan, since);
        (unread, recheck)
    }

    fn apply_plan(&self, plan: NamespacePlan, since: Option<Instant>) {
        // The ledger must know the limits before gateways ask for grants.
        let documents = plan.revisions.iter().map(|(binding, revision)| (binding, &revision.document));
        self.limits.planned(&plan.namespace, plan.index_changes, documents, &plan.too_large);
        let revisions = plan.revisions;
        let mut state = self.lock();
        let before = state.planned.remove(&plan.namespace).unwrap_or_default();
        let mut writes: BTreeSet<Binding> = revisions.keys().chain(before.revisions.keys()).cloned().collect();
        writes.extend(self.caches.generated.of(&plan.namespace));
        if let Some(since) = since {
            let differs = |(binding, revision): &(&Binding, &Arc<PolicyRevision>)| {
                before.revisions.get(*binding).is_none_or(|before| before.digest != revision.digest)
            };
            for (binding, _) in revisions.iter().filter(differs) {
                state.pending.entry(binding.clone()).or_insert(since);
            }
        }
        self.publisher.planned(&plan.namespace, &revisions, &plan.too_large, plan.verdicts);
        let stays = |binding: &&Binding| revisions.contains_key(*binding) || plan.too_large.contains(*binding);
        let going = writes.iter().filter(|binding| !stays(binding)).cloned().collect();
        let planned = PlannedNamespace { revisions, too_large: plan.too_large, going };
        if !planned.is_empty() {
            state.planned.insert(plan.namespace, planned);
        }
        drop(state);
        writes.into_iter().for_each(|binding| self.writes.add(binding));
    }

    /// Writes or removes a policy. Both results say when the binding's turn is next.
    async fn write(&self, binding: &Binding) -> Result<WorkOutcome, WorkOutcome> {
        if !self.leads() {
            return Ok(WorkOutcome::Done);
        }
        let revision = match self.action(binding) {
            PolicyAction::Keep => return Ok(WorkOutcome::Done),
            PolicyAction::Remove => return self.remove(binding).await,
            PolicyAction::Write(revision) => revision,
        };
        if self.lock().secret_check_due(binding, Instant::now()) {
            self.applier.recheck_secret(binding);
        }
        match self.applier.apply(&revision).await {
            Ok(news) => {
                let since = self.lock().pending.remove(binding);
                if let (true, Some(since)) = (news, since) {
                    self.metrics.propagated(since.elapsed().as_secs_f64());
                }
                self.applier.written(binding).iter().for_each(|written| self.publisher.stands(written));
                Ok(match has_secret(&revision, self.caches.generated.get(binding).as_ref()) {
                    true => WorkOutcome::Again(Instant::now() + SECRETS),
                    false => WorkOutcome::Done,
                })
            }
            Err(error) if error.is_namespace_terminating() => Ok(WorkOutcome::Done),
            Err(error) => {
                tracing::warn!(%binding, %error, "could not write a policy; retrying");
                if error.is_permanent() {
                    self.publisher.failed(binding, &error.to_string());
                }
                Err(after(&error))
            }
        }
    }

    async fn remove(&self, binding: &Binding) -> Result<WorkOutcome, WorkOutcome> {
        match self.applier.remove(binding).await {
            Ok(()) => {
                tracing::info!(%binding, "removed a policy that is no longer needed");
                self.lock().forget(binding);
                Ok(WorkOutcome::Done)
            }
            Err(error) => {
                tracing::warn!(%binding, %error, "could not remove a policy that is no longer needed");
                Err(after(&error))
            }
        }
    }

    fn action(&self, binding: &Binding) -> PolicyAction {
        let state = self.lock();
        let Some(planned) = state.planned.get(&binding.namespace) else {
            // The namespace was empty, and has objects again.
            self.plans.add(binding.namespace.clone());
            return PolicyAction::Keep;
        };
        if let Some(revision) = planned.revisions.get(binding) {
            return PolicyAction::Write(Arc::clone(revision));
        }
        match planned.too_large.contains(binding) {
            true => PolicyAction::Keep,
            false => PolicyAction::Remove,
        }
    }

    fn last_good(&self) -> MutexGuard<'_, LastGood> {
        self.last_good.lock()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }
}

/// When to retry. A missing right takes long, because people must grant it.
fn after(error: &ApplyError) -> WorkOutcome {
    match error.is_forbidden() {
        true => WorkOutcome::Again(Instant::now() + FORBIDDEN),
        false => WorkOutcome::Failed,
    }
}

impl fmt::Debug for Reconciler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reconciler").field("leads", &self.leads()).finish_non_exhaustive()
    }
}
