//! The gateway: the policy in force, and the state that all requests share. The path of a request is in `pipeline`.

mod concurrency;
mod in_force;
pub(crate) mod own_ports;
pub(crate) mod rejected;
mod spending;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwapOption;
use outrigger_ledger::{Granter, LimitSpec};
use outrigger_policy::{Document, LedgerDoc};
use parking_lot::{Mutex, RwLock};
use thiserror::Error;
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::Notify;

use self::in_force::PolicyInForce;
use crate::access::Access;
use crate::duration::millis;
use crate::filter::{FilterError, FilterTypes};
use crate::gateway::rejected::{Rejected, RejectedObject};
use crate::memory::Memory;
use crate::request::context::RequestContext;
use crate::runtime::accounts::Accounts;
use crate::runtime::active_policy::ActivePolicy;
use crate::runtime::affinity::Affinity;
use crate::runtime::learnt::LearntState;
use crate::runtime::loop_detection::GatewayId;
use crate::runtime::origin::{Link, PolicyOrigin};
use crate::runtime::permits::Permits;
use crate::runtime::pod_identity::PodIdentity;
use crate::runtime::retry_budget::RetryBudget;
use crate::runtime::secret::Secrets;
use crate::runtime::serve_error::ServeError;
use crate::runtime::sessions::LiveSessions;
use crate::telemetry::metrics::Metrics;
use crate::telemetry::record::Record;
use crate::telemetry::records::{Lines, Records};
use crate::telemetry::usage_history::UsageHistory;
use crate::upstream::Proxies;

/// The target of log lines about policies that are accepted or rejected. A program that shows these in another way can
/// filter them out by this target.
pub const POLICIES: &str = "outrigger_sidecar::policies";
/// The interval at which idle connections are checked.
const WARM_INTERVAL: Duration = Duration::from_secs(10);

/// The settings of a gateway. They do not change while it runs.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// How decision records are written.
    pub lines: Lines,
    /// The name of the pod for records, if there is one.
    pub workload: Option<String>,
    /// The pod's namespace, for records of requests whose key is unknown.
    pub namespace: Option<String>,
    /// The pod's service account: some keys are for certain ones only. Absent outside of a cluster.
    pub service_account: Option<String>,
    /// The types of filters that a policy may list.
    pub filter_types: FilterTypes,
    /// The folder for account files, once there is a limit. If absent, the accounts end with the process.
    pub state: Option<PathBuf>,
    /// Bytes of memory that this process may use. If absent, the limit of its control group.
    pub memory: Option<usize>,
    /// The pod's labels, for rules.
    pub labels: Vec<(String, String)>,
    /// The allowed origins of web pages and the allowed host names.
    pub access: Access,
    /// The proxies of the environment. If absent, only providers set proxies, as in a pod, where the pod's author
    /// controls the environment.
    pub proxies: Option<Arc<Proxies>>,
    /// What the pod or machine can prove about itself to a cloud.
    pub identity: PodIdentity,
}

/// Why a policy was rejected. The last good one stays in force.
#[derive(Debug, Error)]
pub enum InstallError {
    #[error(transparent)]
    Serve(#[from] ServeError),
    #[error(transparent)]
    Filter(#[from] FilterError),
    #[error("the policy's sequence {offered} is below {in_force}, which is in force")]
    Older { offered: u64, in_force: u64 },
    #[error("metrics cannot be set up: {0}")]
    Metrics(String),
}

/// A gateway. Cheap to share.
#[derive(Debug)]
pub struct Gateway {
    in_force: ArcSwapOption<PolicyInForce>,
    learnt: Mutex<LearntState>,
    pub(crate) rejected: RwLock<Option<Rejected>>,
    /// The connection to the operator, if there is one.
    pub(crate) link: RwLock<Option<Link>>,
    pub(crate) affinity: Affinity,
    pub(crate) retries: RetryBudget,
    pub(crate) metrics: Metrics,
    pub(crate) records: Records,
    /// For the operator, if it keeps one.
    pub(crate) history: UsageHistory,
    filter_types: FilterTypes,
    pub(crate) service_account: Option<String>,
    pub(crate) workload: Option<String>,
    pub(crate) namespace: String,
    pub(crate) labels: Vec<(String, String)>,
    pub(crate) access: Access,
    pub(crate) id: GatewayId,
    /// The addresses on which it listens, once it does.
    pub(crate) ports: OnceLock<Vec<SocketAddr>>,
    pub(crate) accounts: Arc<Accounts>,
    /// Of limits on concurrent requests that gateways share.
    pub(crate) permits: Arc<Permits>,
    pub(crate) sessions: Arc<LiveSessions>,
    pub(crate) memory: Memory,
    /// When this process started, as the time of creation of listed models.
    pub(crate) born: SystemTime,
    /// The same, as a monotonic time.
    pub(crate) started: tokio::time::Instant,
    /// Notified when a policy is installed: its endpoints may need connections.
    installed: Notify,
    /// Notified when the last request has ended.
    pub(crate) ended: Notify,
}

impl Gateway {
    /// A gateway without a policy. It answers 503 until one is installed.
    ///
    /// # Errors
    /// [`InstallError::Metrics`], which only a bug in the gateway causes.
    pub fn new(settings: Settings) -> Result<Arc<Self>, InstallError> {
        let learnt = LearntState::new(settings.proxies, settings.identity);
        Ok(Arc::new(Gateway {
            in_force: ArcSwapOption::empty(),
            permits: Arc::clone(&learnt.permits),
            learnt: Mutex::new(learnt),
            rejected: RwLock::default(),
            link: RwLock::default(),
            affinity: Affinity::default(),
            retries: RetryBudget::default(),
            metrics: Metrics::new().map_err(|error| InstallError::Metrics(error.to_string()))?,
            records: Records::new(settings.lines),
            history: UsageHistory::default(),
            filter_types: settings.filter_types,
            service_account: settings.service_account,
            workload: settings.workload,
            namespace: settings.namespace.unwrap_or_default(),
            labels: settings.labels,
            access: settings.access,
            id: GatewayId::new(),
            ports: OnceLock::new(),
            accounts: Arc::new(Accounts::new(settings.state)),
            sessions: Arc::default(),
            memory: Memory::for_this_process(settings.memory),
            born: SystemTime::now(),
            started: tokio::time::Instant::now(),
            installed: Notify::new(),
            ended: Notify::new(),
        }))
    }

    /// Puts a policy in force: builds all of it first, then swaps one pointer. Requests in progress keep the policy
    /// that they began with. Returns the new revision.
    ///
    /// # Errors
    /// [`InstallError`]; then the last good policy stays in force, and `/readyz` shows the reason.
    pub fn install(&self, document: Document, secrets: &Secrets) -> Result<String, InstallError> {
        self.install_from(document, secrets, None)
    }

    /// The same, with the source of the policy.
    pub(crate) fn install_from(
        &self,
        document: Document,
        secrets: &Secrets,
        origin: Option<PolicyOrigin>,
    ) -> Result<String, InstallError> {
        let mut learnt = self.learnt.lock();
        let in_force = self.in_force.load().as_ref().map(|in_force| in_force.served.policy.revision.sequence);
        let offered = document.sequence;
        let built = match in_force.filter(|in_force| offered < *in_force) {
            Some(in_force) => Err(InstallError::Older { offered, in_force }),
            None => self.filter_types.build(&document.filters).map_err(InstallError::from).and_then(|filters| {
                let granter = match document.ledger {
                    LedgerDoc::Own => Granter::Itself,
                    LedgerDoc::Shared => Granter::Ledger,
                };
                let adopt = |specs: &[LimitSpec]| self.accounts.adopt(specs, granter, millis(SystemTime::now()));
                let served =
                    run_blocking(|| ActivePolicy::build(document, secrets, &self.namespace, &mut learnt, adopt))?;
                Ok((served, filters))
            }),
        };
        match built {
            Ok((mut served, filters)) => {
                served.origin = origin;
                served.set_hop_headers(&self.id);
                own_ports::warn_about_own_ports(&served, self.ports.get().map_or(&[], Vec::as_slice));
                let revision = served.policy.revision.to_string();
                self.metrics.set_revision(&revision);
                self.in_force.store(Some(Arc::new(PolicyInForce { served: Arc::new(served), filters })));
                self.installed.notify_one();
                self.set_rejected(None);
                tracing::info!(target: POLICIES, %revision, source = origin.map(PolicyOrigin::word), "policy in force");
                Ok(revision)
            }
            Err(error) => {
                self.reject_change(Rejected::of(&error));
                Err(error)
            }
        }
    }

    /// Records and logs that a change is rejected, because of this object. The last good policy stays in force.
    pub fn reject(&self, object: &str, path: &str, message: &str) {
        let object = RejectedObject::Named(object.to_owned());
        self.reject_change(Rejected { object, path: path.to_owned(), message: message.to_owned() });
    }

    pub(crate) fn reject_change(&self, rejected: Rejected) {
        // Log a rejection only once: broken files are read again and again.
        if self.rejected.read().as_ref() != Some(&rejected) {
            let Rejected { object, path, message } = &rejected;
            let object = object.to_string();
            tracing::error!(target: POLICIES, object, path, message, "change rejected, the last good policy stays in force");
        }
        self.set_rejected(Some(rejected));
    }

    /// Sets the rejection that `/readyz` shows; `None` if everything is in force.
    pub(crate) fn set_rejected(&self, rejected: Option<Rejected>) {
        *self.rejected.write() = rejected;
    }

    pub(crate) fn in_force(&self) -> Option<Arc<PolicyInForce>> {
        self.in_force.load_full()
    }

    /// The policy in force.
    pub(crate) fn served(&self) -> Option<Arc<ActivePolicy>> {
        self.in_force.load().as_ref().map(|in_force| Arc::clone(&in_force.served))
    }

    /// Waits until no request is in progress, also none whose caller has gone.
    pub(crate) async fn wait_until_idle(&self) {
        loop {
            let ended = self.ended.notified();
            tokio::pin!(ended);
            // Register before the check: the last request may end in between.
            ended.as_mut().enable();
            if self.metrics.in_flight.get() == 0 {
                return;
            }
            ended.await;
        }
    }

    /// Keeps connections to providers open and ready. Runs until the future is dropped.
    pub(crate) async fn keep_warm(self: Arc<Self>) {
        loop {
            let pools = self.learnt.lock().pools.all();
            for pool in pools {
                pool.sweep();
                pool.warm(Duration::from_secs(2)).await;
            }
            let _either = tokio::time::timeout(WARM_INTERVAL, self.installed.notified()).await;
        }
    }

    /// Adds a record, and counts it if its line had to be dropped.
    pub(crate) fn record(&self, record: Record) {
        if !self.records.add(record) {
            self.metrics.dropped_lines.inc();
        }
    }

    /// A model's name as a metric label: one that the policy knows, or `other`.
    pub(crate) fn metric_model(&self, context: &RequestContext, model: Option<&str>) -> String {
        let Some(model) = model else { return "none".to_owned() };
        let policy = &context.served.policy;
        let known = policy.providers.iter().any(|provider| {
            // Some names of the catalogue may begin with anything.
            let entry = || outrigger_policy::catalogue::lookup(&provider.kind, model);
            provider.model(model).is_some() || entry().is_some_and(|entry| entry.name == model)
        });
        let named = || policy.keys[context.key].providers.iter().any(|provider| provider.names(model));
        let ruled = || policy.rules.iter().any(|rule| rule.targets.iter().any(|t| t.model.as_deref() == Some(model)));
        if known || named() || ruled() { model.to_owned() } else { "other".to_owned() }
    }
}

/// Runs slow work, such as compiling expressions, without blocking other requests.
fn run_blocking<T>(work: impl FnOnce() -> T) -> T {
    match Handle::try_current() {
        Ok(handle) if handle.runtime_flavor() == RuntimeFlavor::MultiThread => tokio::task::block_in_place(work),
        // A single-threaded runtime, or none: run it here.
        _ => work(),
    }
}
