//! Starts all parts of the operator in order, and stops them.
//!
//! Both replicas watch the cluster and answer webhooks. One of them is also the leader. It becomes leader when its
//! caches are complete, and its process ends when it can no longer lead.

mod lead;
pub mod records;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use kube::Client;
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;

use crate::api::{ConnectError, connect};
use crate::apply::Applier;
use crate::attestation::Attestor;
use crate::certs::ServingCertificates;
use crate::ledger::actions::LedgerActions;
use crate::ledger::driver::{LedgerDriver, PodUids};
use crate::ledger::figures::LedgerFigures;
use crate::ledger::findings::FindingEvents;
use crate::ledger::history::{PodWorkloads, UsageRecorder};
use crate::ledger::limits::PlannedLimits;
use crate::ledger::permits::PermitDriver;
use crate::metrics::OperatorMetrics;
use crate::names::SEAL;
use crate::objects::id::ObjectKind;
use crate::reconcile::Reconciler;
use crate::repair::watchdog::Watchdog;
use crate::runtime::health::{self, Readiness};
use crate::runtime::lease::LeaseError;
use crate::seal::{self, Seal};
use crate::server::handlers::{AuthoritySpread, ReplicaHealth, ReviewHandler};
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

/// How many events of watches may wait to be processed.
const EVENTS_MAX: usize = 4_096;
/// The shortest time between two looks at gateways' reports, so that a thousand gateways that reconnect cause only a
/// few.
const FOLLOW_INTERVAL: Duration = Duration::from_millis(100);
const AUTHORITIES: &str = "authorities of the certificate";
/// What a replica that lost the Lease waits for instead of being ready.
const LEAD: &str = "its restart: it has lost the Lease";
/// The pause before the signing key is requested again after a failure.
const SEAL_RETRY: Duration = Duration::from_secs(5);

/// Why the operator stops.
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
    LostLease(#[from] LeaseError),
    #[error("a part of the operator has ended, which is a bug: {0}")]
    Broken(#[from] JoinError),
    #[error("watch events are no longer processed, which is a bug: see the log")]
    EventsUnread,
}

/// Runs until a signal stops it.
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
        // For a machine without IPv6.
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
    let client = connect(metrics.clone()).await?;
    let readiness = Readiness::default();
    let relists = ObjectKind::ALL.map(ObjectKind::name).into_iter().chain([NAMESPACE, GENERATED, PODS]);
    relists.chain([AUTHORITIES]).for_each(|what| readiness.require(what));
    let (events, taken) = mpsc::channel(EVENTS_MAX);
    readiness.require(SEAL);
    let parts = Components::new(settings, client, metrics, readiness, events);

    let mut tasks = JoinSet::new();
    tasks.spawn(health::serve(clear, Arc::new(parts.health())));
    // Pods get the public key at injection, and are checked with it.
    let mut stopping = stopped.clone();
    let seal = tokio::select! {
        seal = parts.seal() => seal,
        () = wait_for_stop(&mut stopping) => return Ok(()),
    };
    parts.settings.verifying.set(seal.verifying());
    parts.readiness.satisfy(SEAL);
    parts.dispatcher(taken, &mut tasks)?;
    tasks.spawn(parts.clone().run_certificates());
    tasks.spawn(parts.clone().write_authorities());
    tasks.spawn(parts.clone().follow_gateways());
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
                // This replica is no longer the leader and writes nothing. But the API server may call it until the
                // Service has removed it. So it stops as on a signal, and is not ready meanwhile.
                if let Err(error) = ended? {
                    tracing::error!(%error, "this replica stops");
                    parts.readiness.require(LEAD);
                    stop.send_replace(true);
                    failed = Some(error);
                }
            }
            // These tasks never end, unless the receiver of their events is gone.
            Some(ended) = tasks.join_next() => {
                ended?;
                return Err(ExitError::EventsUnread);
            }
        }
    }
    failed.map_or(Ok(()), Err)
}

/// All parts of a replica.
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
    /// `None` if each gateway grants itself its limits.
    ledger: Option<Arc<LedgerDriver>>,
    /// Absent for the same reason: each gateway counts its own requests.
    permits: Option<Arc<PermitDriver>>,
    /// Absent: gateways are not asked what requests came to.
    history: Option<Arc<UsageRecorder>>,
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
        let (figures, actions) = (Arc::new(LedgerFigures::default()), Arc::new(LedgerActions::default()));
        let publisher = StatusPublisher::new(
            client.clone(),
            Arc::clone(&caches),
            Arc::clone(&hub),
            Arc::clone(&metrics),
            &settings.identity,
        );
        let publisher = Arc::new(match settings.ledger {
            LedgerSettings::None => publisher,
            _ => publisher.with_ledger(Arc::clone(&figures), Arc::clone(&actions)),
        });
        let limits = Arc::new(PlannedLimits::default());
        let ledger = records::store(&client, &settings.namespace, &settings.ledger).map(|store| {
            let driver = LedgerDriver::new(
                store,
                Arc::clone(&limits),
                Arc::clone(&hub),
                Arc::clone(&caches) as Arc<dyn PodUids>,
                Arc::new(FindingEvents::new(client.clone(), &settings.identity)),
                Arc::clone(&metrics),
            );
            let (kind, from) = (settings.ledger.kind(), settings.migrate_from.kind());
            let driver = driver.with_views(Arc::clone(&figures), Arc::clone(&actions));
            Arc::new(match (kind.zip(from), records::store(&client, &settings.namespace, &settings.migrate_from)) {
                (Some((kind, from)), Some(source)) => driver.migrating(kind, from, source),
                _ => driver,
            })
        });
        let permits = ledger.is_some().then(|| {
            Arc::new(PermitDriver::new(
                Arc::clone(&limits),
                Arc::clone(&hub),
                Arc::clone(&caches) as Arc<dyn PodUids>,
                Arc::clone(&metrics),
            ))
        });
        let history = match (&settings.ledger, settings.usage_history_days) {
            (LedgerSettings::Postgres(folder), days @ 1..) => Some(Arc::new(UsageRecorder::new(
                folder.clone(),
                days,
                Arc::clone(&limits),
                Arc::clone(&caches) as Arc<dyn PodWorkloads>,
                Arc::clone(&hub),
                Arc::clone(&metrics),
            ))),
            _ => None,
        };
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
            permits,
            history,
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

    /// Starts the watches, and the thread that processes their events. A thread, because the index is locked while
    /// plans copy it, and streams must not wait for that.
    fn dispatcher(&self, taken: mpsc::Receiver<ClusterEvent>, tasks: &mut JoinSet<()>) -> Result<(), ExitError> {
        kinds::start(&self.client, &self.metrics, &self.events, &self.relists, tasks);
        tasks.spawn(kinds::tick(self.events.clone()));
        let namespaces = &self.settings.provider_namespaces;
        let secrets =
            ValueWatches::new(self.client.clone(), Arc::clone(&self.metrics), namespaces, self.events.clone());
        tasks.spawn(secrets.run(self.dispatcher.wanted(), self.relists.join("secrets and configmaps by name")));
        let (dispatcher, leader) = (Arc::clone(&self.dispatcher), Arc::clone(&self.leader));
        let take = move || dispatcher.run(taken, |affected| leader.notify(affected));
        std::thread::Builder::new().name("feed".to_owned()).spawn(take).map_err(ExitError::Thread)?;
        Ok(())
    }

    async fn run_certificates(self) {
        let spread = AuthoritySpread {
            caches: Arc::clone(&self.caches),
            hub: Arc::clone(&self.hub),
            leader: Arc::clone(&self.leader),
        };
        self.certificates.run(self.client.clone(), &self.settings, &spread).await;
    }

    /// Writes new authorities to every policy's ConfigMap.
    async fn write_authorities(self) {
        let mut bundle = self.certificates.bundle();
        loop {
            if bundle.borrow_and_update().is_some() {
                self.readiness.satisfy(AUTHORITIES);
                self.leader.write_all();
            }
            if bundle.changed().await.is_err() {
                return;
            }
        }
    }

    /// Reacts to reports of gateways and to new gateways, because a policy may have to be written.
    async fn follow_gateways(self) {
        let mut changes = self.hub.changes();
        loop {
            tokio::select! {
                changed = changes.changed() => if changed.is_err() { return },
                () = self.leader.pods_changed() => {}
            }
            let began = Instant::now();
            self.leader.follow_gateways();
            // With more gateways each pass takes longer, and more reports are combined into the next one.
            tokio::time::sleep(FOLLOW_INTERVAL.max(began.elapsed() * 10)).await;
        }
    }

    async fn serve(self, tls: TcpListener, mut stopped: watch::Receiver<bool>) -> Result<(), ExitError> {
        let pods = Arc::clone(&self.caches) as Arc<dyn stream::PodLookup>;
        let verifier = Verifier::new(Arc::new(ApiServer::new(self.client.clone())), pods);
        let admission =
            ReviewHandler::new(Arc::clone(&self.settings), Arc::clone(&self.caches), Arc::clone(&self.metrics));
        let services =
            Services { admit: Arc::new(admission), streams: Arc::new(Streams::new(Arc::clone(&self.hub), verifier)) };
        let shutdown = async move { wait_for_stop(&mut stopped).await };
        serve(tls, self.certificates.served(), services, shutdown).await?;
        Ok(())
    }

    /// Loads the key that signs what the operator writes. Without it, the operator could not recognize the last good
    /// versions, and pods would get a gateway that accepts any policy.
    async fn seal(&self) -> Seal {
        loop {
            match seal::load(self.client.clone(), &self.settings.namespace).await {
                Ok(seal) => return seal,
                Err(error) => {
                    tracing::warn!(%error, "cannot load the signing key, without which this replica can't lead or inject; retrying")
                }
            }
            tokio::time::sleep(SEAL_RETRY).await;
        }
    }
}

async fn wait_for_stop(stopped: &mut watch::Receiver<bool>) {
    // An error means that the sender is gone, which is also the end.
    let _ = stopped.wait_for(|stopped| *stopped).await;
}
