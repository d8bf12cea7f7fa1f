//! Decides which namespace is planned next, and for how long.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;

use super::Reconciler;
use crate::metrics::{LeaderWork, LeaderWorkResult};
use crate::plan::prepare;
use crate::runtime::cpu_time;
use crate::runtime::queue::WorkOutcome;

/// How many namespaces are planned at the same time.
const PLANS: usize = 3;
/// A plan that takes longer is logged.
const LONG: Duration = Duration::from_millis(500);
/// After each plan, a namespace pauses for so many times the plan's processor time. So a namespace whose objects always
/// change gets a third of a processor. Waiting for other plans does not count.
const PAUSES: u32 = 2;
/// A shorter plan causes no pause.
const SHORT: Duration = Duration::from_millis(10);

impl Reconciler {
    /// Plans namespaces forever, several at a time. The slowest part, validating each object by itself, is done in
    /// slices.
    pub async fn plan_all(self: &Arc<Self>) {
        let mut unread = self.unread.clone();
        let mut running = JoinSet::new();
        loop {
            let namespace = tokio::select! {
                Some(ended) = running.join_next(), if !running.is_empty() => {
                    if let Err(error) = ended {
                        tracing::error!(%error, "a planning task failed, which is a bug");
                    }
                    continue;
                }
                namespace = self.plans.next(), if running.len() < PLANS => namespace,
                Ok(()) = unread.changed() => {
                    let ready = self.lock().value_wait.read(&unread.borrow_and_update());
                    ready.into_iter().for_each(|namespace| self.plans.add(namespace));
                    continue;
                }
            };
            if let Some(until) = self.value_deadline(&namespace) {
                self.plans.done(namespace, WorkOutcome::Again(until));
                continue;
            }
            let leader = Arc::clone(self);
            running.spawn(async move {
                let outcome = leader.plan_one(&namespace).await;
                leader.plans.done(namespace, outcome);
            });
        }
    }

    async fn plan_one(self: &Arc<Self>, namespace: &str) -> WorkOutcome {
        let began = Instant::now();
        let (result, outcome) = match self.prepare(namespace).await {
            Ok((true, _)) => self.planned(namespace).await,
            Ok((false, took)) => {
                tracing::warn!(namespace, "validating its objects takes long; other namespaces are planned first");
                let until = Instant::now() + took * PAUSES;
                (LeaderWorkResult::Late, WorkOutcome::Late(until, Some(until)))
            }
            Err(error) => {
                tracing::error!(namespace, %error, "could not validate objects, which is a bug; the written policies stay");
                (LeaderWorkResult::Error, WorkOutcome::Failed)
            }
        };
        self.metrics.reconciled(LeaderWork::Plan, result, began.elapsed().as_secs_f64());
        outcome
    }

    /// Validates the objects that a plan will read. Returns whether all are done, and the processor time used.
    async fn prepare(self: &Arc<Self>, namespace: &str) -> Result<(bool, Duration), JoinError> {
        let (leader, namespace) = (Arc::clone(self), namespace.to_owned());
        tokio::task::spawn_blocking(move || {
            let versions = {
                let last_good = leader.last_good();
                prepare::versions(&leader.caches.index(), &last_good, &namespace)
            };
            cpu_time::measured(|| prepare::validate(&versions, prepare::SLICE))
        })
        .await
    }

    /// Plans a namespace.
    async fn planned(self: &Arc<Self>, namespace: &str) -> (LeaderWorkResult, WorkOutcome) {
        let (leader, of) = (Arc::clone(self), namespace.to_owned());
        let planned = tokio::task::spawn_blocking(move || cpu_time::measured(|| leader.plan(&of))).await;
        let outcome = match planned {
            Ok(((unread, recheck), took)) => match self.read_back(&unread).await {
                Ok(true) => WorkOutcome::Again(Instant::now()),
                Ok(false) if took > SHORT => {
                    let late = took > LONG;
                    if late {
                        tracing::warn!(
                            namespace,
                            ?took,
                            "a plan took long; other namespaces are planned before its next one"
                        );
                    }
                    let outcome = WorkOutcome::Late(Instant::now() + took * PAUSES, recheck);
                    return (if late { LeaderWorkResult::Late } else { LeaderWorkResult::Ok }, outcome);
                }
                Ok(false) => recheck.map_or(WorkOutcome::Done, WorkOutcome::Again),
                Err(error) => {
                    tracing::warn!(namespace, %error, "could not read the written policy; it stays for now, including what was revoked");
                    WorkOutcome::Failed
                }
            },
            Err(error) => {
                tracing::error!(namespace, %error, "a plan failed, which is a bug; the written policies stay");
                WorkOutcome::Failed
            }
        };
        (if outcome == WorkOutcome::Failed { LeaderWorkResult::Error } else { LeaderWorkResult::Ok }, outcome)
    }
}
