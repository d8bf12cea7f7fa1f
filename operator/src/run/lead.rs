//! Takes part in the election, and runs the leader's tasks.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;

use super::{Components, ExitError, wait_for_stop};
use crate::reconcile::Reconciler;
use crate::runtime::lease::{self, LeaseCandidate};
use crate::seal::Seal;
use crate::status::publisher::StatusPublisher;
use crate::watch::dispatch::ClusterEvent;

/// How many policies are written at the same time. More would burden the API server, which has other clients.
const WRITERS: usize = 24;
/// How many statuses are written at the same time. They are less urgent than policies.
const PUBLISHERS: usize = 8;
/// How long a new leader waits for its lists of everything. The API server may have just restarted, and a leader that
/// does not plan is no better than one with data that is a moment old.
const RELIST_MAX: Duration = Duration::from_secs(20);

impl Components {
    /// Starts to lead once everything that plans depend on was listed again, because the previous leader may have
    /// written objects that the watches have not reported yet.
    async fn start_leading(self, seal: Seal) {
        let relisted = async {
            self.relists.relist().await;
            let (reply, replied) = oneshot::channel();
            // The receiver lives as long as the process.
            let _ = self.events.send(ClusterEvent::Barrier(reply)).await;
            let _ = replied.await;
        };
        if tokio::time::timeout(RELIST_MAX, relisted).await.is_err() {
            tracing::warn!(
                seconds = RELIST_MAX.as_secs(),
                "could not list everything after becoming the leader: planning with what watches have reported so far"
            );
        }
        self.leader.start(seal);
        self.watchdog().run().await;
    }

    /// Takes part in the election, and does the leader's work.
    pub(super) async fn lead(self, seal: Seal, mut stopped: watch::Receiver<bool>) -> Result<(), ExitError> {
        let Components { settings, client, metrics, leader, hub, .. } = &self;
        // A value that was not read yet would be planned as missing.
        tokio::select! {
            () = self.readiness.ready() => {}
            () = wait_for_stop(&mut stopped) => return Ok(()),
        }
        let candidate = LeaseCandidate::new(client.clone(), &settings.namespace, &settings.identity, &settings.address);
        let mut role = candidate.leader();
        let (give_up, give_up_requested) = oneshot::channel::<()>();
        let mut give_up = Some(give_up);
        let mut election = std::pin::pin!(candidate.run(async {
            // A dropped sender also ends the election.
            let _ = give_up_requested.await;
        }));
        let mut workers = JoinSet::new();
        loop {
            tokio::select! {
                ended = &mut election => {
                    leader.stop();
                    hub.lead(false);
                    metrics.leads(false);
                    workers.shutdown().await;
                    // A task may have started leading at this very moment.
                    leader.stop();
                    return Ok(ended?);
                }
                Ok(()) = role.changed() => match role.borrow_and_update().clone() {
                    lease::Leadership::Me => {
                        tracing::info!(identity = settings.identity, "this replica leads");
                        metrics.leads(true);
                        hub.lead(true);
                        spawn_workers(leader, &self.publisher, &mut workers);
                        if let Some(ledger) = self.ledger.clone() {
                            workers.spawn(async move { ledger.run().await });
                        }
                        if let Some(permits) = self.permits.clone() {
                            workers.spawn(async move { permits.run().await });
                        }
                        if let Some(history) = self.history.clone() {
                            workers.spawn(async move { history.run().await });
                        }
                        workers.spawn(self.clone().start_leading(seal.clone()));
                    }
                    lease::Leadership::Other(address) => hub.leader(address),
                    lease::Leadership::Nobody => {}
                },
                // The order matters: first no more writes, then gateways look for the next leader, and then there is
                // one.
                () = wait_for_stop(&mut stopped), if give_up.is_some() => {
                    leader.stop();
                    workers.shutdown().await;
                    leader.stop();
                    hub.close();
                    give_up = None;
                }
                Some(Err(error)) = workers.join_next(), if give_up.is_some() => return Err(error.into()),
            }
        }
    }
}

fn spawn_workers(leader: &Arc<Reconciler>, publisher: &Arc<StatusPublisher>, workers: &mut JoinSet<()>) {
    let planner = Arc::clone(leader);
    workers.spawn(async move { planner.plan_all().await });
    for _ in 0..WRITERS {
        let writer = Arc::clone(leader);
        workers.spawn(async move { writer.write_each().await });
    }
    let follower = Arc::clone(publisher);
    workers.spawn(async move { follower.follow_figures().await });
    for _ in 0..PUBLISHERS {
        let publisher = Arc::clone(publisher);
        workers.spawn(async move { publisher.publish_all().await });
    }
}
