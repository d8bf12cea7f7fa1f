//! The usage history: the usage of requests by hour, key, team, customer, workload, provider and model, in PostgreSQL.
//!
//! ```text
//! gateways ─ rows ─► Hub ─► UsageRecorder ─► outrigger_usage_recent ─ every few minutes ─► outrigger_usage_hour
//! gateways ◄─ kept ─ Hub ◄───────┘            by gateway: of two reports the higher sums      by workload: summed up
//! ```
//!
//! Gateways report only if the operator requests it, which it does if it keeps a history. A row is a sum of one gateway
//! process since the hour began, so reports may be lost and repeated. A gateway keeps a row until the operator confirms
//! that it is durable. No grant waits for the history: it has its own connection.

mod accept;
mod quota;
pub mod report;
mod table;

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use outrigger_sync::{UsageKept, UsageRowsReport};
use parking_lot::Mutex;
use tokio::time::{Instant, MissedTickBehavior};

pub use self::accept::UsageOwner;
use self::accept::accept;
use self::quota::RowQuotas;
use self::table::{BatchGateway, RowKey, UsageBatch, UsageTables};
use super::limits::PlannedLimits;
use super::store::fault::StoreFault;
use crate::metrics::OperatorMetrics;
use crate::stream::{ConnectedGateway, Hub, ReceivedRows, RowsReceiver};

/// Reports are gathered for this time, and written together.
const GATHER: Duration = Duration::from_millis(500);
/// How many reports are written together.
const BATCH: usize = 100;
/// The interval at which rows of gateways are summed up and old rows are deleted.
const FOLD: Duration = Duration::from_secs(5 * 60);
/// A leader that started this long ago has received reports from every live gateway.
const SETTLED: Duration = Duration::from_secs(60 * 60);
/// After a failure nothing is written for this time: gateways report again.
const REST: Duration = Duration::from_secs(5);

/// The workload of a pod with a gateway.
pub trait PodWorkloads: fmt::Debug + Send + Sync + 'static {
    /// Kind and name, such as `Deployment/search`; absent if the pod is unknown.
    fn workload(&self, namespace: &str, pod: &str, uid: &str) -> Option<String>;
}

/// Writes the reports of gateways, while this replica leads.
#[derive(Debug)]
pub struct UsageRecorder {
    tables: UsageTables,
    limits: Arc<PlannedLimits>,
    pods: Arc<dyn PodWorkloads>,
    hub: Arc<Hub>,
    metrics: Arc<OperatorMetrics>,
    days: u32,
    fold: Duration,
    /// Taken by the task that runs.
    rows: Mutex<Option<RowsReceiver>>,
}

impl UsageRecorder {
    /// `folder` contains the connection string; rows are kept for this many days.
    #[must_use]
    pub fn new(
        folder: PathBuf,
        days: u32,
        limits: Arc<PlannedLimits>,
        pods: Arc<dyn PodWorkloads>,
        hub: Arc<Hub>,
        metrics: Arc<OperatorMetrics>,
    ) -> Self {
        let rows = Mutex::new(Some(hub.collect_rows()));
        UsageRecorder { tables: UsageTables::new(folder), limits, pods, hub, metrics, days, fold: FOLD, rows }
    }

    /// Sets the interval of summing up.
    #[must_use]
    pub fn folding_every(self, fold: Duration) -> Self {
        UsageRecorder { fold, ..self }
    }

    /// Records for as long as it is polled. Once in a process: losing the Lease ends it.
    pub async fn run(&self) {
        let Some(mut rows) = self.rows.lock().take() else {
            tracing::error!(
                "the usage history is recorded twice in one process, which is a bug: the second does nothing"
            );
            return std::future::pending().await;
        };
        let mut quotas = RowQuotas::default();
        let began = Instant::now();
        let mut folds = tokio::time::interval(self.fold);
        folds.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let first = tokio::select! {
                received = rows.recv() => received,
                _ = folds.tick() => {
                    self.done(self.tables.fold(hour_now(), self.days, began.elapsed() > SETTLED).await.err(), "summed up").await;
                    continue;
                }
            };
            let until = Instant::now() + GATHER;
            let mut received = vec![first];
            while received.len() < BATCH
                && let Ok(next) = tokio::time::timeout_at(until, rows.recv()).await
            {
                received.push(next);
            }
            let (batch, kept) = self.batch(received, &mut quotas);
            match self.tables.write(&batch).await {
                Ok(()) => {
                    self.done(None, "").await;
                    for (gateway, kept) in kept {
                        self.hub.rows_kept(&gateway.uid, kept);
                    }
                }
                Err(error) => self.done(Some(error), "written: gateways keep it and report again").await,
            }
        }
    }

    fn batch(
        &self,
        received: Vec<ReceivedRows>,
        quotas: &mut RowQuotas,
    ) -> (UsageBatch, Vec<(Arc<ConnectedGateway>, UsageKept)>) {
        let hour = hour_now();
        let (mut batch, mut answers) = (UsageBatch::default(), Vec::new());
        for ReceivedRows { gateway, report } in received {
            let UsageRowsReport { epoch, number, complete_before, rows, last } = report;
            let (rows, mut refused) =
                accept(&gateway.binding, rows, hour, |key| self.limits.owner(&gateway.binding, key));
            let workload = self.pods.workload(&gateway.namespace, &gateway.pod, &gateway.uid);
            let workload = workload.unwrap_or_else(|| format!("Pod/{}", gateway.pod));
            let workload = format!("{}/{workload}", gateway.namespace);
            let allowed = quotas.allows_process(&gateway.uid, epoch, hour);
            for row in rows {
                let key = RowKey {
                    pod: gateway.uid.clone(),
                    epoch,
                    hour: row.hour,
                    namespace: row.namespace.clone(),
                    key: row.key.clone(),
                    provider: row.provider.clone(),
                    model: row.model.clone(),
                };
                if allowed && quotas.allows(&key, hour) {
                    batch.add(key, row, &workload);
                } else {
                    refused += 1;
                }
            }
            if refused > 0 {
                self.metrics.usage_rows_refused(refused);
                tracing::debug!(namespace = gateway.namespace, pod = gateway.pod, refused, "rows of usage are refused");
            }
            if allowed {
                let state = BatchGateway { complete_before: complete_before.min(hour), ended: last };
                batch.gateways.entry((gateway.uid.clone(), epoch)).or_default().merge(&state);
            }
            answers.push((gateway, UsageKept { epoch, number }));
        }
        (batch, answers)
    }

    async fn done(&self, failed: Option<super::store::postgres::PostgresError>, what: &str) {
        let fault: Option<StoreFault> = failed.as_ref().map(|error| error.fault());
        self.metrics.usage_fault(fault);
        if let Some(error) = failed {
            let advice = fault.map(StoreFault::advice);
            tracing::warn!(%error, advice, "the usage history can't be {what}");
            tokio::time::sleep(REST).await;
        }
    }
}

fn hour_now() -> u64 {
    u64::try_from(Timestamp::now().as_second()).unwrap_or_default() / 3_600
}

/// The owners by key, as in a document.
pub(super) type UsageOwners = BTreeMap<String, UsageOwner>;
