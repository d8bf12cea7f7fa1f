//! The whole operator: what is started, in which order, and how it ends.
//!
//! Both replicas watch the cluster and answer webhooks. One of them also leads. It starts to lead when its caches are complete,
//! and its process ends when it can no longer lead.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use kube::Client;
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;

use crate::api::{ConnectError, connect};
use crate::apply::Applier;
use crate::attestation::Attestor;
use crate::certs::ServingCertificates;
use crate::ledger::driver::{LedgerDriver, PodUids};
use crate::ledger::findings::FindingEvents;
use crate::ledger::limits::PlannedLimits;
use crate::ledger::store::LedgerStore;
use crate::ledger::store::kubernetes::KubernetesStore;
use crate::ledger::store::postgres::PostgresStore;
use crate::metrics::OperatorMetrics;
use crate::names::SEAL;
use crate::objects::id::ObjectKind;
use crate::reconcile::Reconciler;
use crate::repair::watchdog::Watchdog;
use crate::runtime::lease::{self, LeaseCandidate, LeaseError};
use crate::seal::{self, Seal};
use crate::server::handlers::{AuthoritySpread, ReplicaHealth, ReviewHandler};
use crate::server::health::{self, Readiness};
use crate::server::{Services, TlsConfigError, serve};
use crate::settings::{LedgerSettings, OperatorSettings};
use crate::state::caches::Caches;
use crate::state::index::ObjectIndex;
use crate::state::pods::GatewayPods;
use crate::status::publisher::StatusPublisher;
use crate::stream::cluster::ApiServer;
use crate::stream::{self, Hub, Streams, Verifier};
use crate::watch::dispatch::{ClusterEvent, Dispatcher, GENERATED, NAMESPACE, PODS};
use crate::watch::kinds;
use crate::watch::relist::Relists;
use crate::watch::secrets::ValueWatches;

/// Events of watches that nobody has taken yet.
const EVENTS_MAX: usize = 4_096;
/// The API server is what they wait for, and it has others to answer.
const WRITERS: usize = 24;
/// Statuses are for people, who can wait longer than gateways.
const PUBLISHERS: usize = 8;
/// A thousand gateways that come back are looked at a few times, not a thousand.
const LISTEN: Duration = Duration::from_millis(100);
/// For lists of everything, by an API server that has just come back perhaps. A leader that plans nothing is no better than
/// one that may be a moment behind.
const ANEW: Duration = Duration::from_secs(20);
const AUTHORITIES: &str = "authorities of the certificate";
/// What one that lost the Lease is not ready for.
const LEAD: &str = "its restart: it has lost the Lease";
/// How long after a failure the seal's key is asked for again.
const SEAL_AGAIN: Duration = Duration::from_secs(5);

/// Why the operator ends.
#[derive(Debug, Error)]
pub enum ExitError {
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error("cannot listen on {address}: {error}")]
    Listen { address: SocketAddr, error: std::io::Error },
    #[error("metrics can't be set up: {0}")]
    Metrics(#[from] outrigger_metrics::Error),
    #[error("cannot handle signals: {0}")]
    Signals(std::io::Error),
    #[error("cannot start a thread: {0}")]
    Thread(std::io::Error),
    #[error(transparent)]
    Serve(#[from] TlsConfigError),
    #[error("this replica is no longer the leader and restarts: {0}")]
    Lead(#[from] LeaseError),
    #[error("a part of the operator has ended, which is a bug: {0}")]
    Broken(#[from] JoinError),
    #[error("watch events are no longer processed, which is a bug: see the log")]
    Fed,
}

/// Runs until it is told to end by a signal.
///
/// # Errors
/// [`ExitError`].
pub async fn run(settings: OperatorSettings) -> Result<(), ExitError> {
    let (mut terminated, mut interrupted) = (on_signal(SignalKind::terminate())?, on_signal(SignalKind::interrupt())?);
    let stop = watch::Sender::new(false);
    let mut operator = std::pin::pin!(operate(Arc::new(settings), stop.clone()));
    tokio::select! {
        ended = &mut operator => return ended,
        _ = terminated.recv() => {}
        _ = interrupted.recv() => {}
    }
    tracing::info!("received a signal to stop");
    stop.send_replace(true);
    operator.await
}

fn on_signal(kind: SignalKind) -> Result<Signal, ExitError> {
    signal(kind).map_err(ExitError::Signals)
}

async fn listen(address: SocketAddr) -> Result<TcpListener, ExitError> {
    match TcpListener::bind(address).await {
        Ok(listener) => Ok(listener),
        // A machine without IPv6.
        Err(_) if address.is_ipv6() && address.ip().is_unspecified() => {
            let address = (IpAddr::V4(Ipv4Addr::UNSPECIFIED), address.port()).into();
            TcpListener::bind(address).await.map_err(|error| ExitError::Listen { address, error })
        }
        Err(error) => Err(ExitError::Listen { address, error }),
    }
}

async fn operate(settings: Arc<OperatorSettings>, stop: watch::Sender<bool>) -> Result<(), ExitError> {
    let stopped = stop.subscribe();
    let metrics = Arc::new(OperatorMetrics::new()?);
    let (tls, clear) = (listen(settings.listen).await?, listen(settings.metrics).await?);
    let client = connect(&metrics).await?;
    let readiness = Readiness::default();
    let relists = ObjectKind::ALL.map(ObjectKind::name).into_iter().chain([NAMESPACE, GENERATED, PODS]);
    relists.chain([AUTHORITIES]).for_each(|what| readiness.awaits(what));
    let (events, taken) = mpsc::channel(EVENTS_MAX);
    readiness.awaits(SEAL);
    let parts = Components::new(settings, client, metrics, readiness, events);

    let mut tasks = JoinSet::new();
    tasks.spawn(health::serve(clear, Arc::new(parts.health())));
    // Pods are given its public half, and judged by it.
    let mut stopping = stopped.clone();
    let seal = tokio::select! {
        seal = parts.seal() => seal,
        () = told_to_end(&mut stopping) => return Ok(()),
    };
    parts.settings.verifying.set(seal.verifying());
    parts.readiness.has(SEAL);
    parts.dispatcher(taken, &mut tasks)?;
    tasks.spawn(parts.clone().keep_certificates());
    tasks.spawn(parts.clone().tell_authorities());
    tasks.spawn(parts.clone().listen_to_gateways());
    let mut serving = tokio::spawn(parts.clone().serve(tls, stopped.clone()));
    let mut leading = tokio::spawn(parts.clone().lead(seal, stopped));
    let (mut served, mut led) = (false, false);
    let mut failed = None;
    while !served || !led {
        tokio::select! {
            ended = &mut serving, if !served => {
                ended??;
                served = true;
            }
            ended = &mut leading, if !led => {
                led = true;
                // It leads no more and writes nothing, but the API server may ask it until the Service has another one:
                // it ends as it does when it is told to, and is not ready meanwhile.
                if let Err(error) = ended? {
                    tracing::error!(%error, "this replica stops");
                    parts.readiness.awaits(LEAD);
                    stop.send_replace(true);
                    failed = Some(error);
                }
            }
            // None of them ends, unless nobody takes what it tells.
            Some(ended) = tasks.join_next() => {
                ended?;
                return Err(ExitError::Fed);
            }
        }
    }
    failed.map_or(Ok(()), Err)
}

/// Everything there is.
#[derive(Clone)]
struct Components {
    settings: Arc<OperatorSettings>,
    client: Client,
    metrics: Arc<OperatorMetrics>,
    readiness: Readiness,
    caches: Arc<Caches>,
    dispatcher: Arc<Dispatcher>,
    hub: Arc<Hub>,
    certificates: Arc<ServingCertificates>,
    leader: Arc<Reconciler>,
    publisher: Arc<StatusPublisher>,
    /// Absent: gateways grant themselves what limits allow.
    ledger: Option<Arc<LedgerDriver>>,
    relists: Relists,
    events: mpsc::Sender<ClusterEvent>,
}

impl Components {
    fn new(
        settings: Arc<OperatorSettings>,
        client: Client,
        metrics: Arc<OperatorMetrics>,
        readiness: Readiness,
        events: mpsc::Sender<ClusterEvent>,
    ) -> Self {
        let index = ObjectIndex::new(&settings.namespace, settings.copies);
        let caches = Caches::new(index.sharing_limits(settings.ledger != LedgerSettings::None));
        let caches = Arc::new(caches.with_pods(GatewayPods::new(Attestor::of(&settings))));
        let dispatcher = Arc::new(Dispatcher::new(Arc::clone(&caches), readiness.clone()));
        let (hub, certificates) = (Arc::new(Hub::default()), Arc::new(ServingCertificates::default()));
        let applier = Arc::new(Applier::new(
            client.clone(),
            Arc::clone(&caches),
            Arc::clone(&hub),
            Arc::clone(&metrics),
            certificates.bundle(),
            &settings.namespace,
        ));
        let publisher = Arc::new(StatusPublisher::new(
            client.clone(),
            Arc::clone(&caches),
            Arc::clone(&hub),
            Arc::clone(&metrics),
            &settings.identity,
        ));
        let limits = Arc::new(PlannedLimits::default());
        let ledger = store(&client, &settings).map(|store| {
            Arc::new(LedgerDriver::new(
                store,
                Arc::clone(&limits),
                Arc::clone(&hub),
                Arc::clone(&caches) as Arc<dyn PodUids>,
                Arc::new(FindingEvents::new(client.clone(), &settings.identity)),
                Arc::clone(&metrics),
            ))
        });
        let leader = Arc::new(Reconciler::new(
            Arc::clone(&caches),
            Arc::clone(&dispatcher),
            applier,
            Arc::clone(&hub),
            Arc::clone(&publisher),
            limits,
            Arc::clone(&metrics),
        ));
        let relists = Relists::default();
        Components {
            settings,
            client,
            metrics,
            readiness,
            caches,
            dispatcher,
            hub,
            certificates,
            leader,
            publisher,
            ledger,
            relists,
            events,
        }
    }

    fn health(&self) -> ReplicaHealth {
        ReplicaHealth {
            metrics: Arc::clone(&self.metrics),
            readiness: self.readiness.clone(),
            certificates: Arc::clone(&self.certificates),
            caches: Arc::clone(&self.caches),
            hub: Arc::clone(&self.hub),
            leader: Arc::clone(&self.leader),
        }
    }

    fn watchdog(&self) -> Watchdog {
        let (caches, metrics) = (Arc::clone(&self.caches), Arc::clone(&self.metrics));
        Watchdog::new(self.client.clone(), caches, metrics, &self.settings)
    }

    /// Watches, and the thread that takes what they tell: what is known is locked while it is planned with, which is
    /// nothing to hold up a stream for.
    fn dispatcher(&self, taken: mpsc::Receiver<ClusterEvent>, tasks: &mut JoinSet<()>) -> Result<(), ExitError> {
        kinds::start(&self.client, &self.metrics, &self.events, &self.relists, tasks);
        tasks.spawn(kinds::tick(self.events.clone()));
        let namespaces = &self.settings.provider_namespaces;
        let secrets =
            ValueWatches::new(self.client.clone(), Arc::clone(&self.metrics), namespaces, self.events.clone());
        tasks.spawn(secrets.run(self.dispatcher.wanted(), self.relists.join("secrets and configmaps by name")));
        let (dispatcher, leader) = (Arc::clone(&self.dispatcher), Arc::clone(&self.leader));
        let take = move || dispatcher.run(taken, |news| leader.notify(news));
        std::thread::Builder::new().name("feed".to_owned()).spawn(take).map_err(ExitError::Thread)?;
        Ok(())
    }

    async fn keep_certificates(self) {
        let spread = AuthoritySpread {
            caches: Arc::clone(&self.caches),
            hub: Arc::clone(&self.hub),
            leader: Arc::clone(&self.leader),
        };
        self.certificates.keep(self.client.clone(), &self.settings, &spread).await;
    }

    /// Every policy's ConfigMap gets new authorities.
    async fn tell_authorities(self) {
        let mut bundle = self.certificates.bundle();
        loop {
            if bundle.borrow_and_update().is_some() {
                self.readiness.has(AUTHORITIES);
                self.leader.write_all();
            }
            if bundle.changed().await.is_err() {
                return;
            }
        }
    }

    /// What gateways say, and which there are, may mean that something is to be written.
    async fn listen_to_gateways(self) {
        let mut changes = self.hub.changes();
        loop {
            tokio::select! {
                changed = changes.changed() => if changed.is_err() { return },
                () = self.leader.pods_changed() => {}
            }
            let began = Instant::now();
            self.leader.listen();
            // The more there are, the longer a look takes, and the more come between two of them.
            tokio::time::sleep(LISTEN.max(began.elapsed() * 10)).await;
        }
    }

    async fn serve(self, tls: TcpListener, mut stopped: watch::Receiver<bool>) -> Result<(), ExitError> {
        let pods = Arc::clone(&self.caches) as Arc<dyn stream::PodLookup>;
        let verifier = Verifier::new(Arc::new(ApiServer::new(self.client.clone())), pods);
        let admission =
            ReviewHandler::new(Arc::clone(&self.settings), Arc::clone(&self.caches), Arc::clone(&self.metrics));
        let services =
            Services { admit: Arc::new(admission), streams: Arc::new(Streams::new(Arc::clone(&self.hub), verifier)) };
        let shutdown = async move { told_to_end(&mut stopped).await };
        serve(tls, self.certificates.served(), services, shutdown).await?;
        Ok(())
    }

    /// What the operator knows its own writing by, and gateways know it by: without it nobody could say what was good, and a
    /// pod would be given a gateway that obeys anybody.
    async fn seal(&self) -> Seal {
        loop {
            match seal::load(self.client.clone(), &self.settings.namespace).await {
                Ok(seal) => return seal,
                Err(error) => tracing::warn!(%error, "cannot load the signing key, without which this replica can't lead or inject; retrying"),
            }
            tokio::time::sleep(SEAL_AGAIN).await;
        }
    }

    /// Begins to lead once all that plans hang on has been heard of anew: what the one before wrote may be newer than what
    /// watches have told.
    async fn begin(self, seal: Seal) {
        let relisted = async {
            self.relists.relist().await;
            let (asks, taken) = oneshot::channel();
            // Neither ends before the process does.
            let _ = self.events.send(ClusterEvent::Taken(asks)).await;
            let _ = taken.await;
        };
        if tokio::time::timeout(ANEW, relisted).await.is_err() {
            tracing::warn!(
                seconds = ANEW.as_secs(),
                "could not list everything after becoming the leader: planning with what watches have reported so far"
            );
        }
        self.leader.begin(seal);
        self.watchdog().run().await;
    }

    /// Takes its turn, and does what the leader does.
    async fn lead(self, seal: Seal, mut stopped: watch::Receiver<bool>) -> Result<(), ExitError> {
        let Components { settings, client, metrics, leader, hub, .. } = &self;
        // What was not read yet would be planned as missing.
        tokio::select! {
            () = self.readiness.ready() => {}
            () = told_to_end(&mut stopped) => return Ok(()),
        }
        let candidate = LeaseCandidate::new(client.clone(), &settings.namespace, &settings.identity, &settings.address);
        let mut role = candidate.leader();
        let (give_up, given_up) = oneshot::channel::<()>();
        let mut give_up = Some(give_up);
        let mut election = std::pin::pin!(candidate.run(async {
            // Its end says it as well.
            let _ = given_up.await;
        }));
        let mut workers = JoinSet::new();
        loop {
            tokio::select! {
                ended = &mut election => {
                    leader.end();
                    hub.lead(false);
                    metrics.leads(false);
                    workers.shutdown().await;
                    // It may have begun just then.
                    leader.end();
                    return Ok(ended?);
                }
                Ok(()) = role.changed() => match role.borrow_and_update().clone() {
                    lease::Leadership::Me => {
                        tracing::info!(identity = settings.identity, "this replica leads");
                        metrics.leads(true);
                        hub.lead(true);
                        work(leader, &self.publisher, &mut workers);
                        if let Some(ledger) = self.ledger.clone() {
                            workers.spawn(async move { ledger.run().await });
                        }
                        workers.spawn(self.clone().begin(seal.clone()));
                    }
                    lease::Leadership::Other(address) => hub.leader(address),
                    lease::Leadership::Nobody => {}
                },
                // In this order: nothing is written any more, gateways look for the next, and there is one.
                () = told_to_end(&mut stopped), if give_up.is_some() => {
                    leader.end();
                    workers.shutdown().await;
                    leader.end();
                    hub.close();
                    give_up = None;
                }
                Some(Err(error)) = workers.join_next(), if give_up.is_some() => return Err(error.into()),
            }
        }
    }
}

async fn told_to_end(stopped: &mut watch::Receiver<bool>) {
    // Nobody could tell any more: that is an end as well.
    let _ = stopped.wait_for(|stopped| *stopped).await;
}

fn store(client: &Client, settings: &OperatorSettings) -> Option<Arc<dyn LedgerStore>> {
    match &settings.ledger {
        LedgerSettings::None => None,
        LedgerSettings::Kubernetes => Some(Arc::new(KubernetesStore::new(client.clone(), &settings.namespace))),
        LedgerSettings::Postgres(folder) => Some(Arc::new(PostgresStore::new(folder.clone()))),
    }
}

fn work(leader: &Arc<Reconciler>, publisher: &Arc<StatusPublisher>, workers: &mut JoinSet<()>) {
    let planner = Arc::clone(leader);
    workers.spawn(async move { planner.plan_all().await });
    for _ in 0..WRITERS {
        let writer = Arc::clone(leader);
        workers.spawn(async move { writer.write_each().await });
    }
    for _ in 0..PUBLISHERS {
        let publisher = Arc::clone(publisher);
        workers.spawn(async move { publisher.publish_all().await });
    }
}
