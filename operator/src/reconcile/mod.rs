//! The leader's work: it plans namespaces, writes policies and publishes statuses.
//!
//! ```text
//! News ─► plans ─► plan ─► writes ─► Applier ─► Hub
//!                    │                   │
//!                    └► StatusPublisher ◄┴── what gateways report
//! ```
//!
//! Each kind of work has its own queue, so that none waits for another. A namespace is planned by one task at a time, because
//! a plan remembers what was good. A few namespaces are planned at the same time, each on a copy of the index. Policies and
//! statuses are written several at a time. A namespace that takes long must pause for longer than it took, so that it does not
//! hold up the others.

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

/// How long after somebody changed a policy's ConfigMap it is looked at: it may have gone with its key, which is told by
/// another watch.
const REPAIR: Duration = Duration::from_millis(500);
/// How long nothing is tried that there is no right to.
const FORBIDDEN: Duration = Duration::from_secs(5 * 60);
/// Clocks are set: a time that is far away is looked at again before.
const RECHECK_MAX: Duration = Duration::from_secs(60 * 60);

/// What the leader knows beside what everybody knows.
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

/// What shall become of a binding's policy.
enum PolicyAction {
    Stands(Arc<PolicyRevision>),
    /// Whatever is there stays.
    Stays,
    /// Nobody needs it.
    Goes,
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

    /// Begins: what was good is read from what was written, and everything is planned. What does not bear the seal is
    /// somebody else's writing, and says nothing.
    pub fn begin(&self, seal: Seal) {
        {
            let mut last_good = self.last_good();
            let (own, others) = self.caches.generated.sources(&seal);
            if others > 0 {
                tracing::warn!(
                    others,
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
        self.applier.begin(seal);
        self.publisher.begin();
        self.leads.store(true, Ordering::SeqCst);
        self.caches.concerned().into_iter().for_each(|namespace| self.plans.add(namespace));
    }

    #[must_use]
    pub fn leads(&self) -> bool {
        self.leads.load(Ordering::SeqCst)
    }

    /// Ends: nothing is begun any more.
    pub fn end(&self) {
        self.leads.store(false, Ordering::SeqCst);
        self.plans.clear();
        self.writes.clear();
        self.publisher.end();
    }

    /// What watches told.
    pub fn notify(&self, news: Affected) {
        if !self.leads() {
            return;
        }
        if !news.namespaces.is_empty() {
            let mut state = self.lock();
            let now = Instant::now();
            for namespace in &news.namespaces {
                state.since.entry(namespace.clone()).or_insert(now);
            }
        }
        news.namespaces.into_iter().for_each(|namespace| self.plans.add(namespace));
        let later = Instant::now() + REPAIR;
        news.generated.into_iter().for_each(|binding| self.writes.add_at(binding, later));
        self.publisher.add(news.objects);
        if news.pods {
            self.pods.notify_one();
        }
    }

    /// Waits until pods with a gateway have come, gone, or become live.
    pub async fn pods_changed(&self) {
        self.pods.notified().await;
    }

    /// Authorities have changed: every policy's ConfigMap is looked at.
    pub fn write_all(&self) {
        let bindings: Vec<Binding> =
            self.lock().planned.values().flat_map(|planned| planned.revisions.keys().cloned()).collect();
        bindings.into_iter().for_each(|binding| self.writes.add(binding));
    }

    /// Gateways have said something, or there are others: one that has a higher sequence than what is written is followed.
    pub fn listen(&self) {
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

    /// Writes policies, one after the other, for ever; called several times at once.
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

    /// Measures, for whoever asks.
    pub fn measure(&self) {
        let waiting = self.lock().value_wait.waiting();
        self.metrics.queued(LeaderWork::Plan, self.plans.depth() + waiting);
        self.metrics.queued(LeaderWork::Write, self.writes.depth());
        self.metrics.queued(LeaderWork::Status, self.publisher.depth());
    }

    /// Until when a plan is put off: what it hangs on was not read yet, and would be planned as missing.
    fn waits(&self, namespace: &str) -> Option<Instant> {
        let unread = self.unread.borrow().clone();
        // Mostly all has been read, and nobody need look what hangs on what.
        let hangs_on = match unread.is_empty() {
            true => BTreeSet::new(),
            false => {
                let last_good = self.last_good();
                PlanScope::of(&self.caches.index(), &last_good, namespace).values
            }
        };
        self.lock().value_wait.put_off(namespace, &hangs_on, &unread, Instant::now())
    }

    /// Reads what was written for bindings whose next policy can't be; whether there is news of any.
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

    /// The bindings of which somebody must read what was written, and the time at which to plan again.
    fn plan(&self, namespace: &str) -> (Vec<Binding>, Option<Instant>) {
        let since = self.lock().since.remove(namespace);
        let now = Timestamp::now();
        // Copies: whoever watches, writes or plans goes on meanwhile.
        let (index, mut last_good) = {
            let last_good = self.last_good();
            (self.caches.snapshot(), last_good.clone())
        };
        let plan = plan(&index, &mut last_good, namespace, now);
        let unread = plan.held.iter().filter(|binding| last_good.wants_policy(binding)).cloned().collect();
        // Else the next change would have to copy it.
        drop(index);
        self.last_good().learn(&self.caches.index(), namespace, last_good);
        let others = self.caches.change(|index| index.planned(&plan));
        // A version that serves in the place of a broken one may name what nobody else does.
        self.dispatcher.want();
        others.namespaces.into_iter().for_each(|namespace| self.plans.add(namespace));
        let recheck = plan.recheck.map(|at| {
            let wait = at.duration_since(now).unsigned_abs().min(RECHECK_MAX);
            Instant::now() + wait.max(Duration::from_millis(1))
        });
        self.take(plan, since);
        (unread, recheck)
    }

    fn take(&self, plan: NamespacePlan, since: Option<Instant>) {
        // Before gateways hear of it: the ledger must know what they will ask for.
        let documents = plan.revisions.iter().map(|(binding, revision)| (binding, &revision.document));
        self.limits.planned(&plan.namespace, plan.seen, documents, &plan.held);
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
        self.publisher.planned(&plan.namespace, &revisions, &plan.held, plan.verdicts);
        let stays = |binding: &&Binding| revisions.contains_key(*binding) || plan.held.contains(*binding);
        let going = writes.iter().filter(|binding| !stays(binding)).cloned().collect();
        let planned = PlannedNamespace { revisions, held: plan.held, going };
        if !planned.is_empty() {
            state.planned.insert(plan.namespace, planned);
        }
        drop(state);
        writes.into_iter().for_each(|binding| self.writes.add(binding));
    }

    /// What then, whether or not it went well.
    async fn write(&self, binding: &Binding) -> Result<WorkOutcome, WorkOutcome> {
        if !self.leads() {
            return Ok(WorkOutcome::Done);
        }
        let revision = match self.fate(binding) {
            PolicyAction::Stays => return Ok(WorkOutcome::Done),
            PolicyAction::Goes => return self.remove(binding).await,
            PolicyAction::Stands(revision) => revision,
        };
        if self.lock().doubts(binding, Instant::now()) {
            self.applier.doubt_secret(binding);
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
            Err(error) if error.is_going() => Ok(WorkOutcome::Done),
            Err(error) => {
                tracing::warn!(%binding, %error, "could not write a policy; retrying");
                if error.is_lasting() {
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

    fn fate(&self, binding: &Binding) -> PolicyAction {
        let state = self.lock();
        let Some(planned) = state.planned.get(&binding.namespace) else {
            // Nothing was left of the namespace, and there is something again.
            self.plans.add(binding.namespace.clone());
            return PolicyAction::Stays;
        };
        if let Some(revision) = planned.revisions.get(binding) {
            return PolicyAction::Stands(Arc::clone(revision));
        }
        match planned.held.contains(binding) {
            true => PolicyAction::Stays,
            false => PolicyAction::Goes,
        }
    }

    fn last_good(&self) -> MutexGuard<'_, LastGood> {
        self.last_good.lock()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }
}

/// Rights are given by people.
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
