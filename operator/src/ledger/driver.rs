//! Drives the ledger's leader: what gateways report, what policies say and what the store answers goes in; what comes out is
//! written, and sent to gateways.
//!
//! ```text
//! Hub ─ reports ─►                  ─► writes, reloads ─► LedgerStore ─┐
//! PlannedLimits ─► Leader::step ─►  ─► grants ─► Hub                   │
//! pods, time ────►                  ─► findings ─► log, Events         │
//! LedgerActions ─►    ▲ ─► figures ─► LedgerFigures                   │
//!                     └────────────────────────────────────────────────┘
//! ```
//!
//! Only the replica that leads runs it, and it ends with the leadership: its task is dropped at an await, and the streams end.
//! Writes that are under way then may still be made, which is safe. So is a replica that does not know yet that it leads no
//! more: everything that it hands out was written before, and the next leader counts it as spent.

mod attempts;
pub(super) mod census;
mod clock;
mod deposers;
mod recent;
mod reporter;

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
use outrigger_ledger::shared::record::{HolderId, StoreObject, StoreRecord, StoreVersion, Stored};
use parking_lot::Mutex;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior};

use self::attempts::Attempts;
use self::census::PodCensus;
use self::clock::LeaderClock;
use self::deposers::Deposers;
use self::recent::RecentFindings;
pub use self::reporter::FindingReporter;
use super::actions::{AskedAction, LedgerActions};
use super::figures::LedgerFigures;
use super::limits::PlannedLimits;
use super::store::{LedgerStore, ShardName, ShardVersion, StoreError, StoredShard, WriteOutcome};
use crate::metrics::{LedgerWrite, OperatorMetrics};
use crate::stream::{ConnectedGateway, Hub, ReceivedReport, ReportReceiver};

/// How often the leader is told that time has passed.
const TICK: Duration = Duration::from_millis(100);
/// How often it is looked which pods are gone.
const CENSUS: Duration = Duration::from_secs(2);
/// How long a pod is missed before it is gone: a watch may be behind.
const MISSED: Duration = Duration::from_secs(10);
/// Between two leaderships of one process: whoever deposed this one may be about to end.
const AGAIN: Duration = Duration::from_secs(2);

/// How often figures are read, and how often it is looked which limits objects have.
const FIGURES: Duration = Duration::from_secs(1);
const PRESENT: Duration = Duration::from_secs(60);

/// The pods and the limits that are there.
pub trait PodUids: fmt::Debug + Send + Sync + 'static {
    /// Uids of all pods with a gateway that have not ended.
    fn uids(&self) -> HashSet<String>;

    /// What a gateway's pod belongs to, such as `shop/Deployment/search`. Absent: it is not known.
    fn workload(&self, _gateway: &ConnectedGateway) -> Option<String> {
        None
    }

    /// The limits that objects have, whether or not a policy has them. Absent: they are not known.
    fn limits(&self) -> Option<BTreeSet<LimitKey>> {
        None
    }
}

/// What runs while this replica leads.
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
    /// How long a pod is missed before it is gone.
    missed: Duration,
    deposers: Mutex<Deposers>,
    /// Whoever runs takes them.
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
        let deposers = Mutex::default();
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
            deposers,
            reports,
        }
    }

    /// Figures go there, and actions come from there.
    #[must_use]
    pub fn telling(self, figures: Arc<LedgerFigures>, actions: Arc<LedgerActions>) -> Self {
        LedgerDriver { figures, actions, ..self }
    }

    /// Pods are gone when they were missed for so long.
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

    /// Everything that the store has. Tries until it can be read: a ledger that forgets grants everything again.
    async fn load(&self) -> Vec<Stored> {
        let mut attempts = Attempts::default();
        loop {
            match self.store.load().await.map_err(RecordError::from).and_then(read) {
                Ok(objects) => {
                    tracing::info!(objects = objects.len(), "the ledger's records are read");
                    return objects;
                }
                Err(error) => tracing::warn!(%error, "the ledger grants nothing before its records are read"),
            }
            attempts.pause().await;
        }
    }
}

/// Why records can't be used.
#[derive(Debug, thiserror::Error)]
enum RecordError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("{name}: {error}")]
    Record { name: ShardName, error: outrigger_ledger::shared::record::UnreadableRecord },
}

fn read(shards: Vec<StoredShard>) -> Result<Vec<Stored>, RecordError> {
    let mut objects = Vec::new();
    for shard in shards {
        match shard.name.0.parse::<StoreObject>() {
            Ok(object) => objects.push(Stored {
                object,
                version: StoreVersion(shard.version.0),
                record: StoreRecord::decode(&shard.record)
                    .map_err(|error| RecordError::Record { name: shard.name, error })?,
            }),
            Err(error) => tracing::warn!(%error, "something in the ledger's store is passed over"),
        }
    }
    Ok(objects)
}

/// One leadership.
struct Leading<'a> {
    driver: &'a LedgerDriver,
    leader: Leader,
    clock: LeaderClock,
    /// Writes, reloads and reports of findings, and what the leader hears of each.
    work: FuturesUnordered<BoxFuture<'a, Option<Input>>>,
    planned: watch::Receiver<()>,
    census: PodCensus,
    /// Of gateways whose binding is not planned yet, the last report.
    unplanned: HashMap<String, ReceivedReport>,
    /// Who reported, for findings.
    gateways: HashMap<String, Arc<ConnectedGateway>>,
    found: RecentFindings,
    /// Since when gateways wait for an answer.
    asked: HashMap<String, Instant>,
    /// Who waits for the outcome of an action, by its id and limit.
    acting: HashMap<(String, LimitKey), Vec<AskedAction>>,
    present_at: Option<Instant>,
    /// Someone else leads.
    deposed: Option<Option<Term>>,
}

impl<'a> Leading<'a> {
    fn new(driver: &'a LedgerDriver, above: Term, objects: Vec<Stored>) -> Self {
        // Before they are read: no change is missed.
        let planned = driver.limits.changes();
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
            asked: HashMap::new(),
            acting: HashMap::new(),
            present_at: None,
            deposed: None,
        };
        leading.step(Input::Loaded(objects));
        leading.step(Input::Limits(driver.limits.all()));
        leading
    }

    /// Until somebody else leads: in which term.
    async fn lead(mut self, reports: &mut ReportReceiver, actions: &mut mpsc::Receiver<AskedAction>) -> Term {
        let (mut ticks, mut censuses) = (tokio::time::interval(TICK), tokio::time::interval(CENSUS));
        let mut figures = tokio::time::interval(FIGURES);
        for interval in [&mut ticks, &mut censuses, &mut figures] {
            interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        }
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
                // Many namespaces are planned in a row: once for all of them.
                _ = ticks.tick() => {
                    if self.planned.has_changed().unwrap_or_default() {
                        self.planned.mark_unchanged();
                        self.planned();
                    }
                    self.step(Input::Tick);
                }
                _ = censuses.tick() => self.count(),
                _ = figures.tick() => self.driver.figures.take(self.leader.figures(), Timestamp::now()),
                Some(asked) = actions.recv() => self.act(asked),
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
    fn act(&mut self, asked: AskedAction) {
        if self.leader.leads().is_none() {
            return;
        }
        let action = asked.action.clone();
        let waiting = self.acting.entry((action.id.clone(), action.limit.clone())).or_default();
        waiting.retain(|earlier| !earlier.outcome.is_closed());
        waiting.push(asked);
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
            self.asked.entry(pod.clone()).or_insert_with(Instant::now);
        }
        self.gateways.insert(pod.clone(), Arc::clone(gateway));
        if let Some(workload) = report.whole.then(|| self.driver.pods.workload(gateway)).flatten() {
            self.step(Input::Workload { pod: pod.clone(), workload: workload.into() });
        }
        self.step(Input::Report { pod, limits, report: received.report });
    }

    /// Pods that are gone, and what is measured.
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
        self.asked.retain(|pod, _| there.contains(pod));
    }

    fn step(&mut self, input: Input) {
        let now = self.clock.see(wall(), std::time::Instant::now());
        for output in self.leader.step(now, input) {
            match output {
                Output::Write { object, expected, record } => {
                    self.work.push(Box::pin(write(self.driver, object, expected, record)));
                }
                Output::Reload { object } => self.work.push(Box::pin(reload(self.driver, object))),
                Output::Grants { holder, grants } => {
                    if let Some(asked) = self.asked.remove(&holder.pod) {
                        self.driver.metrics.ledger_answered(asked.elapsed().as_secs_f64());
                    }
                    self.driver.hub.grant(&holder, grants);
                }
                Output::Finding(finding) => self.find(finding),
                Output::Deposed { by } => self.deposed = Some(by),
            }
        }
        for ActionOutcome { id, limit, result } in self.leader.outcomes() {
            for asked in self.acting.remove(&(id, limit)).unwrap_or_default() {
                // Whoever asked may have gone.
                let _ = asked.outcome.send(result.clone());
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

async fn write(
    driver: &LedgerDriver,
    object: StoreObject,
    expected: Option<StoreVersion>,
    record: StoreRecord,
) -> Option<Input> {
    let name = ShardName(object.to_string());
    let expected = expected.map(|version| ShardVersion(version.0));
    let (result, input) = match driver.store.write(&name, expected.as_ref(), &record.encode()).await {
        WriteOutcome::Written(version) => {
            (LedgerWrite::Ok, Input::Written { object, version: StoreVersion(version.0) })
        }
        WriteOutcome::Conflict => (LedgerWrite::Conflict, Input::Conflict { object }),
        WriteOutcome::Unknown(error) => {
            tracing::warn!(%name, %error, "it is not known whether a record of the ledger was written: it is read again");
            (LedgerWrite::Unknown, Input::WriteUnknown { object })
        }
        WriteOutcome::Failed(error) => {
            tracing::warn!(%name, %error, "a record of the ledger can't be written: grants wait for it");
            // It is written again at once when it has failed.
            attempts::pause().await;
            (LedgerWrite::Failed, Input::WriteFailed { object })
        }
    };
    driver.metrics.ledger_wrote(result);
    Some(input)
}

async fn reload(driver: &LedgerDriver, object: StoreObject) -> Option<Input> {
    let name = ShardName(object.to_string());
    let mut attempts = Attempts::default();
    loop {
        let read = match driver.store.read(&name).await {
            Ok(None) => return Some(Input::Reloaded { object, stored: None }),
            Ok(Some(shard)) => StoreRecord::decode(&shard.record)
                .map(|record| (StoreVersion(shard.version.0), record))
                .map_err(|error| RecordError::Record { name: name.clone(), error }),
            Err(error) => Err(error.into()),
        };
        match read {
            Ok(stored) => return Some(Input::Reloaded { object, stored: Some(stored) }),
            Err(error) => tracing::warn!(%name, %error, "a record of the ledger can't be read: grants wait for it"),
        }
        attempts.pause().await;
    }
}
