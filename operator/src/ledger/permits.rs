//! Drives the leader of permits: limits on concurrent requests that gateways share.
//!
//! ```text
//! Hub ─ reports ─►                        ─► grants ─► Hub
//! PlannedLimits ─► PermitLeader::report ─►
//! pods, time ────►                        ─► findings ─► log, metric
//! ```
//!
//! Only the replica that leads runs it. It stores nothing: a new leader learns from the gateways' reports which permits
//! they have.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use outrigger_ledger::permits::{PermitLeader, PermitOutput};
use tokio::time::{Instant, MissedTickBehavior};

use super::driver::PodUids;
use super::driver::census::PodCensus;
use super::limits::PlannedLimits;
use crate::metrics::OperatorMetrics;
use crate::stream::{Hub, ReceivedPermits};

/// How often the leader gets the time.
const TICK: Duration = Duration::from_millis(250);
/// How often missing pods are checked.
const CENSUS: Duration = Duration::from_secs(2);
/// How long a pod is missing before it counts as gone: a watch may be behind.
const MISSED: Duration = Duration::from_secs(10);
/// Findings of one pod are logged once in this time. All of them are counted.
const QUIET: Duration = Duration::from_secs(10);

/// The tasks that run while this replica leads.
#[derive(Debug)]
pub struct PermitDriver {
    limits: Arc<PlannedLimits>,
    hub: Arc<Hub>,
    pods: Arc<dyn PodUids>,
    metrics: Arc<OperatorMetrics>,
    missed: Duration,
}

impl PermitDriver {
    #[must_use]
    pub fn new(
        limits: Arc<PlannedLimits>,
        hub: Arc<Hub>,
        pods: Arc<dyn PodUids>,
        metrics: Arc<OperatorMetrics>,
    ) -> Self {
        PermitDriver { limits, hub, pods, metrics, missed: MISSED }
    }

    /// Sets how long a pod is missing before it counts as gone.
    #[must_use]
    pub fn missed_for(self, missed: Duration) -> Self {
        PermitDriver { missed, ..self }
    }

    /// Leads for as long as it is polled. Once in a process: losing the Lease ends it.
    pub async fn run(&self) {
        let Some(mut reports) = self.hub.permits() else {
            tracing::error!("permits are granted twice in one process, which is a bug: the second does nothing");
            return std::future::pending().await;
        };
        let mut planned = self.limits.changes();
        planned.mark_changed();
        let mut leading = LeadingPermits::new(self);
        let (mut ticks, mut censuses) = (tokio::time::interval(TICK), tokio::time::interval(CENSUS));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        censuses.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                // Many namespaces are planned in a row: handle them together.
                _ = ticks.tick() => {
                    if planned.has_changed().unwrap_or_default() {
                        planned.mark_unchanged();
                        leading.planned();
                    }
                    leading.tick();
                }
                _ = censuses.tick() => leading.count(),
                received = reports.recv() => leading.receive(received),
            }
        }
    }
}

/// One leadership.
struct LeadingPermits<'a> {
    driver: &'a PermitDriver,
    leader: PermitLeader,
    /// Whether anything was planned. Before that, the existing pods are unknown.
    has_plans: bool,
    begun: Instant,
    /// The existing pods, at the last check.
    there: HashSet<String>,
    census: PodCensus,
    /// Reports of gateways whose binding is not planned yet.
    unplanned: HashMap<String, ReceivedPermits>,
    found: HashMap<String, Instant>,
}

impl<'a> LeadingPermits<'a> {
    fn new(driver: &'a PermitDriver) -> Self {
        LeadingPermits {
            driver,
            leader: PermitLeader::new(0),
            has_plans: false,
            begun: Instant::now(),
            there: driver.pods.uids(),
            census: PodCensus::default(),
            unplanned: HashMap::new(),
            found: HashMap::new(),
        }
    }

    fn now(&self) -> i64 {
        i64::try_from(self.begun.elapsed().as_millis()).unwrap_or(i64::MAX)
    }

    fn planned(&mut self) {
        if self.driver.limits.is_empty() {
            return;
        }
        if !std::mem::replace(&mut self.has_plans, true) {
            self.leader = PermitLeader::new(self.now());
            self.count();
        }
        let out = self.leader.adopt(self.driver.limits.concurrency());
        self.send(out);
        for (_, received) in std::mem::take(&mut self.unplanned) {
            self.receive(received);
        }
    }

    fn tick(&mut self) {
        if !self.has_plans {
            return;
        }
        let now = self.now();
        let out = match self.leader.is_ready() {
            true => self.leader.tick(now, []),
            false => {
                let awaited = self.awaited();
                self.leader.tick(now, awaited.iter().map(String::as_str))
            }
        };
        self.send(out);
    }

    /// Pods that may have permits: all existing pods, except for those whose keys have no such limit.
    fn awaited(&self) -> HashSet<String> {
        let limits = &self.driver.limits;
        let mut awaited = self.there.clone();
        for gateway in self.driver.hub.connected_gateways() {
            match limits.concurrency_of(&gateway.binding).is_some_and(|names| names.is_empty()) {
                true => awaited.remove(&gateway.uid),
                false => awaited.insert(gateway.uid.clone()),
            };
        }
        awaited
    }

    fn receive(&mut self, received: ReceivedPermits) {
        let ReceivedPermits { gateway, report } = received;
        let Some(allowed) = self.driver.limits.concurrency_of(&gateway.binding) else {
            // A new leader has streams before it has plans.
            self.unplanned.insert(gateway.uid.clone(), ReceivedPermits { gateway, report });
            return;
        };
        let (now, allows) = (self.now(), |limit: &str| allowed.contains(limit));
        let out = self.leader.report(&gateway.uid, allows, report, now);
        self.send(out);
    }

    /// Pods that are gone.
    fn count(&mut self) {
        self.there = self.driver.pods.uids();
        self.there.extend(self.driver.hub.connected_pods());
        let known: BTreeSet<String> = self.leader.pods().map(str::to_owned).collect();
        let gone = self.census.gone(known.into_iter().collect(), &self.there, self.driver.missed, Instant::now());
        for pod in gone {
            let out = self.leader.gone(&pod);
            self.send(out);
        }
        self.unplanned.retain(|pod, _| self.there.contains(pod));
        self.found.retain(|_, at| at.elapsed() < QUIET);
    }

    fn send(&mut self, outputs: Vec<PermitOutput>) {
        for output in outputs {
            match output {
                PermitOutput::Grants { pod, grants } => drop(self.driver.hub.grant_permits(&pod, grants)),
                PermitOutput::Finding(finding) => {
                    self.driver.metrics.permit_finding(finding.kind);
                    let quiet = self.found.get(&finding.pod).is_some_and(|at| at.elapsed() < QUIET);
                    if !quiet {
                        self.found.insert(finding.pod.clone(), Instant::now());
                        tracing::warn!(
                            pod = finding.pod,
                            limit = finding.limit,
                            kind = ?finding.kind,
                            "a gateway reports concurrent requests that can't be: nothing was granted for it"
                        );
                    }
                }
            }
        }
    }
}
