//! Drives the ledger's leader: it passes on gateways' reports, policies and the store's answers, writes the leader's
//! records, and sends its grants to gateways.
//!
//! ```text
//! Hub ─ reports ─►                  ─► writes, reloads ─► LedgerStore ─┐
//! PlannedLimits ─► Leader::step ─►  ─► grants ─► Hub                   │
//! pods, time ────►                  ─► findings ─► log, Events         │
//! LedgerActions ─►    ▲ ─► figures ─► LedgerFigures                   │
//!                     └────────────────────────────────────────────────┘
//! ```
//!
//! Only the replica that leads runs it, and it ends with the leadership: its task is dropped at an await, and the
//! streams end. Writes that are in progress then may still be made, which is safe. A replica that does not know yet
//! that it was replaced is also safe: all its grants were written first, and the next leader counts them as spent.

mod acknowledged;
mod attempts;
pub(super) mod census;
mod clock;
mod deposers;
mod migration;
mod presence;
mod recent;
mod records;
mod reporter;
mod work;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use jiff::Timestamp;
use outrigger_ledger::protocol::{LimitKey, Term};
use outrigger_ledger::shared::leader::{ActionOutcome, FindingKind, Input, Leader, LedgerFinding, Output};
use outrigger_ledger::shared::record::{HolderId, StoreVersion, Stored};
use parking_lot::Mutex;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior};

use self::acknowledged::{AcknowledgedRecords, LostRecord};
use self::attempts::Attempts;
use self::census::PodCensus;
use self::clock::LeaderClock;
use self::deposers::Deposers;
use self::migration::RecordMigration;
use self::recent::RecentFindings;
use self::records::RecordError;
pub use self::reporter::FindingReporter;
use super::actions::{AwaitedAction, LedgerActions};
use super::figures::LedgerFigures;
use super::limits::PlannedLimits;
use super::store::fault::StoreFault;
use super::store::marker::StoreKind;
use super::store::{LedgerStore, ShardName, ShardVersion, WriteOutcome};
use crate::metrics::OperatorMetrics;
use crate::stream::{ConnectedGateway, Hub, ReceivedReport, ReportReceiver};

/// How often the leader gets the time.
const TICK: Duration = Duration::from_millis(100);
/// How often missing pods are checked.
const CENSUS: Duration = Duration::from_secs(2);
/// How long a pod is missing before it counts as gone: a watch may be behind.
const MISSED: Duration = Duration::from_secs(10);
/// How often it is checked that the store still has every record.
const CHECK: Duration = Duration::from_secs(30);
/// The pause between two leaderships of one process: the replica that deposed this one may be about to end.
const AGAIN: Duration = Duration::from_secs(2);

/// How often figures are read, and how often the limits of objects are checked.
const FIGURES: Duration = Duration::from_secs(1);
const PRESENT: Duration = Duration::from_secs(60);

/// The existing pods and limits.
pub trait PodUids: fmt::Debug + Send + Sync + 'static {
    /// The uids of all pods with a gateway that have not ended.
    fn uids(&self) -> HashSet<String>;

    /// The workload of a gateway's pod, such as `shop/Deployment/search`; `None` if it is unknown.
    fn workload(&self, _gateway: &ConnectedGateway) -> Option<String> {
        None
    }

    /// The limits that objects have, whether or not a policy contains them; `None` if they are unknown.
    fn limits(&self) -> Option<BTreeSet<LimitKey>> {
        None
    }
}

/// The tasks that run while this replica leads.
#[derive(Debug)]
pub struct LedgerDriver {
    store: Arc<dyn LedgerStore>,
    limits: Arc<PlannedLimits>,
    hub: Arc<Hub>,
    pods: Arc<dyn PodUids>,
    reporter: Arc<dyn FindingReporter>,
    metrics: Arc<OperatorMetrics>,
    figures: Arc<LedgerFigures>,
    actions: Arc<LedgerActions>,
    /// How long a pod is missing before it counts as gone.
    missed: Duration,
    /// How often it is checked that the store still has every record.
    check: Duration,
    acknowledged: AcknowledgedRecords,
    /// The source of the records, if they may still be in another store.
    migration: Option<RecordMigration>,
    deposers: Mutex<Deposers>,
    /// Taken by the task that runs.
    reports: Mutex<Option<ReportReceiver>>,
}

impl LedgerDriver {
    #[must_use]
    pub fn new(
        store: Arc<dyn LedgerStore>,
        limits: Arc<PlannedLimits>,
        hub: Arc<Hub>,
        pods: Arc<dyn PodUids>,
        reporter: Arc<dyn FindingReporter>,
        metrics: Arc<OperatorMetrics>,
    ) -> Self {
        let reports = Mutex::new(hub.reports());
        let (figures, actions) = (Arc::default(), Arc::default());
        LedgerDriver {
            store,
            limits,
            hub,
            pods,
            reporter,
            metrics,
            figures,
            actions,
            missed: MISSED,
            check: CHECK,
            acknowledged: AcknowledgedRecords::default(),
            migration: None,
            deposers: Mutex::default(),
            reports,
        }
    }

    /// Moves the records from another store before it leads, if they were not moved yet.
    #[must_use]
    pub fn migrating(self, kind: StoreKind, from: StoreKind, source: Arc<dyn LedgerStore>) -> Self {
        LedgerDriver { migration: Some(RecordMigration::new(kind, from, source)), ..self }
    }

    /// Sets how often the store is checked for missing records.
    #[must_use]
    pub fn checked_every(self, check: Duration) -> Self {
        LedgerDriver { check, ..self }
    }

    /// Sets where figures are written, and where actions come from.
    #[must_use]
    pub fn with_views(self, figures: Arc<LedgerFigures>, actions: Arc<LedgerActions>) -> Self {
        LedgerDriver { figures, actions, ..self }
    }

    /// Sets how long a pod is missing before it counts as gone.
    #[must_use]
    pub fn missed_for(self, missed: Duration) -> Self {
        LedgerDriver { missed, ..self }
    }

    /// Leads for as long as it is polled. Once in a process: losing the Lease ends it.
    pub async fn run(&self) {
        let Some(mut reports) = self.reports.lock().take() else {
            tracing::error!("the ledger is led twice in one process, which is a bug: the second does nothing");
            return std::future::pending().await;
        };
        let Some(mut actions) = self.actions.receiver() else {
            tracing::error!(
                "actions on limits are taken by two ledgers in one process, which is a bug: the second ends"
            );
            return std::future::pending().await;
        };
        let mut above = Term(0);
        loop {
            let leading = Leading::new(self, above, self.load().await);
            above = leading.lead(&mut reports, &mut actions).await.max(above);
            self.metrics.ledger_leads(false);
            self.figures.clear();
            tokio::time::sleep(AGAIN).await;
        }
    }

    /// The whole content of the store. Retries until it can be read: a ledger that forgets grants everything again.
    async fn load(&self) -> Vec<Stored> {
        let mut attempts = Attempts::default();
        loop {
            match self.read_all().await {
                Ok(objects) => {
                    self.metrics.ledger_fault(None);
                    tracing::info!(objects = objects.len(), "the ledger's records are read");
                    return objects;
                }
                Err(error) => {
                    let advice = self.failed(error.fault());
                    tracing::warn!(%error, advice, "the ledger grants nothing before its records are read");
                }
            }
            attempts.pause().await;
        }
    }

    /// The whole content of the store, after missing records were written again.
    async fn read_all(&self) -> Result<Vec<Stored>, RecordError> {
        if let Some(migration) = &self.migration {
            migration.run(&*self.store).await?;
        }
        loop {
            let objects = records::read(self.store.load().await?)?;
            let lost = self.acknowledged.lost(&objects);
            if lost.is_empty() {
                return Ok(objects);
            }
            for lost in lost {
                self.restore(lost).await?;
            }
        }
    }

    async fn restore(&self, lost: LostRecord) -> Result<(), RecordError> {
        let LostRecord { object, found, record } = lost;
        let name = ShardName(object.to_string());
        let gone = found.is_none();
        let found = found.map(|version| ShardVersion(version.0));
        self.acknowledged.sent(object, &record);
        match self.store.write(&name, found.as_ref(), &record.encode()).await {
            WriteOutcome::Written(version) => {
                self.acknowledged.written(object, StoreVersion(version.0), record);
                self.metrics.ledger_restored();
                tracing::error!(
                    %name,
                    gone,
                    "a record of the ledger was deleted or set back: it is written again as it was acknowledged last. \
                     Do not delete or restore records while the operator runs"
                );
                Ok(())
            }
            WriteOutcome::Conflict => {
                self.acknowledged.not_written(object, &record);
                Err(RecordError::NotRestored { name })
            }
            WriteOutcome::Failed(error) => {
                self.acknowledged.not_written(object, &record);
                Err(error.into())
            }
            WriteOutcome::Unknown(error) => {
                self.acknowledged.unknown(object);
                Err(error.into())
            }
        }
    }

    /// Grants wait for the store. The remedy.
    fn failed(&self, fault: StoreFault) -> &'static str {
        self.metrics.ledger_fault(Some(fault));
        fault.advice()
    }
}

/// One leadership.
struct Leading<'a> {
    driver: &'a LedgerDriver,
    leader: Leader,
    clock: LeaderClock,
    /// Writes, reloads and reports of findings, and their results for the leader.
    work: FuturesUnordered<BoxFuture<'a, Option<Input>>>,
    planned: watch::Receiver<()>,
    census: PodCensus,
    /// The last report of each gateway whose binding is not planned yet.
    unplanned: HashMap<String, ReceivedReport>,
    /// The gateways that reported, for findings.
    gateways: HashMap<String, Arc<ConnectedGateway>>,
    found: RecentFindings,
    /// Since when gateways wait for an answer.
    waiting_since: HashMap<String, Instant>,
    /// The receivers of an action's outcome, by its id and limit.
    acting: HashMap<(String, LimitKey), Vec<AwaitedAction>>,
    present_at: Option<Instant>,
    /// Another replica leads.
    deposed: Option<Option<Term>>,
}

impl<'a> Leading<'a> {
    fn new(driver: &'a LedgerDriver, above: Term, objects: Vec<Stored>) -> Self {
        // Before they are read, so that no change is missed.
        let planned = driver.limits.changes();
        driver.acknowledged.begin();
        let mut leading = Leading {
            driver,
            planned,
            leader: Leader::new(above),
            clock: LeaderClock::new(wall(), std::time::Instant::now()),
            work: FuturesUnordered::new(),
            census: PodCensus::default(),
            unplanned: HashMap::new(),
            gateways: HashMap::new(),
            found: RecentFindings::default(),
            waiting_since: HashMap::new(),
            acting: HashMap::new(),
            present_at: None,
            deposed: None,
        };
        leading.step(Input::Loaded(objects));
        leading.step(Input::Limits(driver.limits.all()));
        leading
    }

    /// Runs until another replica leads; returns its term.
    async fn lead(mut self, reports: &mut ReportReceiver, actions: &mut mpsc::Receiver<AwaitedAction>) -> Term {
        let (mut ticks, mut censuses) = (tokio::time::interval(TICK), tokio::time::interval(CENSUS));
        let mut figures = tokio::time::interval(FIGURES);
        for interval in [&mut ticks, &mut censuses, &mut figures] {
            interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        }
        let driver = self.driver;
        let mut changed = std::pin::pin!(presence::until_changed(&*driver.store, &driver.acknowledged, driver.check));
        loop {
            if let Some(by) = self.deposed {
                tracing::warn!(
                    term = by.map(|term| term.0),
                    "another replica leads the ledger, or its records were changed"
                );
                return by.unwrap_or_default();
            }
            tokio::select! {
                Some(done) = self.work.next() => done.into_iter().for_each(|input| self.step(input)),
                // Many namespaces are planned in a row: handle them together.
                _ = ticks.tick() => {
                    if self.planned.has_changed().unwrap_or_default() {
                        self.planned.mark_unchanged();
                        self.planned();
                    }
                    self.step(Input::Tick);
                }
                _ = censuses.tick() => self.count(),
                name = &mut changed => {
                    tracing::warn!(%name, "a record of the ledger is gone, or somebody else has written it: all are read again");
                    return Term::default();
                }
                _ = figures.tick() => self.driver.figures.take(self.leader.figures(), Timestamp::now()),
                Some(requested) = actions.recv() => self.act(requested),
                report = reports.recv() => self.receive(report),
            }
        }
    }

    fn planned(&mut self) {
        self.step(Input::Limits(self.driver.limits.all()));
        for (_, report) in std::mem::take(&mut self.unplanned) {
            self.receive(report);
        }
    }

    /// While this replica does not lead yet, whoever asks has to ask again.
    fn act(&mut self, requested: AwaitedAction) {
        if self.leader.leads().is_none() {
            return;
        }
        let action = requested.action.clone();
        let waiting = self.acting.entry((action.id.clone(), action.limit.clone())).or_default();
        waiting.retain(|earlier| !earlier.outcome.is_closed());
        waiting.push(requested);
        self.step(Input::Act(action));
    }

    fn receive(&mut self, received: ReceivedReport) {
        let ReceivedReport { gateway, report } = &received;
        let pod = gateway.uid.clone();
        let Some(limits) = self.driver.limits.of(&gateway.binding) else {
            // A new leader has streams before it has plans.
            self.unplanned.insert(pod, received);
            return;
        };
        if self.leader.leads().is_some_and(|own| report.term > own)
            && !self.driver.deposers.lock().may(gateway, Instant::now())
        {
            let holder = HolderId { pod: pod.clone(), epoch: report.epoch };
            self.gateways.insert(pod, Arc::clone(gateway));
            return self.find(LedgerFinding { holder, account: None, kind: FindingKind::Absurd });
        }
        if report.accounts.iter().any(|account| account.want > 0) || report.wanted.iter().any(|limit| limit.want > 0) {
            self.waiting_since.entry(pod.clone()).or_insert_with(Instant::now);
        }
        self.gateways.insert(pod.clone(), Arc::clone(gateway));
        if let Some(workload) = report.whole.then(|| self.driver.pods.workload(gateway)).flatten() {
            self.step(Input::Workload { pod: pod.clone(), workload: workload.into() });
        }
        self.step(Input::Report { pod, limits, report: received.report });
    }

    /// Handles pods that are gone, and updates the metrics.
    fn count(&mut self) {
        let driver = self.driver;
        let mut there = driver.pods.uids();
        there.extend(driver.hub.connected_pods());
        let holders: Vec<String> = self.leader.pods().map(str::to_owned).collect();
        driver.metrics.ledger_holders(holders.len());
        driver.metrics.ledger_leads(self.leader.leads().is_some());
        driver.metrics.ledger_dropped(driver.hub.dropped_reports());
        let now = Instant::now();
        if self.present_at.is_none_or(|at| now.duration_since(at) >= PRESENT)
            && let Some(limits) = driver.pods.limits()
        {
            self.present_at = Some(now);
            self.step(Input::Present(limits));
        }
        for pod in self.census.gone(holders, &there, driver.missed, Instant::now()) {
            self.step(Input::HolderGone { pod });
        }
        self.gateways.retain(|pod, _| there.contains(pod));
        self.unplanned.retain(|pod, _| there.contains(pod));
        self.waiting_since.retain(|pod, _| there.contains(pod));
    }

    fn step(&mut self, input: Input) {
        let now = self.clock.see(wall(), std::time::Instant::now());
        for output in self.leader.step(now, input) {
            match output {
                Output::Write { object, expected, record } => {
                    self.work.push(Box::pin(work::write(self.driver, object, expected, record)));
                }
                Output::Reload { object } => self.work.push(Box::pin(work::reload(self.driver, object))),
                Output::Grants { holder, grants } => {
                    if let Some(since) = self.waiting_since.remove(&holder.pod) {
                        self.driver.metrics.ledger_answered(since.elapsed().as_secs_f64());
                    }
                    self.driver.hub.grant(&holder, grants);
                }
                Output::Finding(finding) => self.find(finding),
                Output::Deposed { by } => self.deposed = Some(by),
            }
        }
        for ActionOutcome { id, limit, result } in self.leader.outcomes() {
            for requested in self.acting.remove(&(id, limit)).unwrap_or_default() {
                // Whoever asked may have gone.
                let _ = requested.outcome.send(result.clone());
            }
        }
    }

    fn find(&mut self, finding: LedgerFinding) {
        self.driver.metrics.ledger_finding(finding.kind);
        if !self.found.is_new(&finding.holder.pod, finding.kind, Instant::now()) {
            return;
        }
        let gateway = self.gateways.get(&finding.holder.pod).cloned();
        let reporter = Arc::clone(&self.driver.reporter);
        self.work.push(Box::pin(async move {
            reporter.report(gateway.as_deref(), &finding).await;
            None
        }));
    }
}

fn wall() -> i64 {
    Timestamp::now().as_millisecond()
}
