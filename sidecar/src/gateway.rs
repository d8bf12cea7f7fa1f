//! The gateway: what is in force, and the way of a request through it.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::Incoming;
use outrigger_ledger::LimitSpec;
use outrigger_llm::Dialect;
use outrigger_llm::operation::{self, Hints, Kind};
use outrigger_llm::scan::Scanned;
use outrigger_policy::{Document, OnHangUp};
use thiserror::Error;
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::Notify;

use crate::access::Access;
use crate::accounts::{Accounts, millis};
use crate::affinity::Affinity;
use crate::attempt::{self, Trying, attempt};
use crate::attend::Attended;
use crate::call::{Call, new_id};
use crate::decide::decide;
use crate::ending::Ending;
use crate::headers::{self, name};
use crate::hooks::Hooks;
use crate::hop::{self, Own};
use crate::identify::identify;
use crate::listing::{list, unknown_path};
use crate::memory::{Held, LONG_WORK, Memory, STREAM};
use crate::metrics::Metrics;
use crate::prepare::Translation;
use crate::query::Query;
use crate::receive::{drain, overloaded, receive};
use crate::record::{Lines, Record, Records, candidates, shadow};
use crate::refuse::Refusal;
use crate::retry::RetryBudget;
use crate::secret::Secrets;
use crate::served::{Kept, ServeError, Served};
use crate::status::{Link, Origin, Rejected};
use crate::understand::{patience, rescan, trace_id, understand};

/// How often it is looked whether connections are warm.
const WARM_EVERY: Duration = Duration::from_secs(10);

/// What goes back to a caller.
pub type ReplyBody = UnsyncBoxBody<Bytes, io::Error>;

/// How a gateway is set up for as long as it lives.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// How decision lines are written.
    pub lines: Lines,
    /// Whose gateway this is, for records: the pod, or nothing.
    pub workload: Option<String>,
    /// The pod's, for records of those whose key is not known.
    pub namespace: Option<String>,
    /// The pod's: some keys are for certain ones. Absent: outside of a cluster, where there are none.
    pub service_account: Option<String>,
    pub hooks: Hooks,
    /// The folder in which accounts are kept from the first limit on; absent: they end with the process.
    pub state: Option<PathBuf>,
    /// Bytes that this process may use; absent: what its control group says.
    pub memory: Option<usize>,
    /// The pod's labels, for rules.
    pub labels: Vec<(String, String)>,
    /// Which web pages may call, and under which names.
    pub access: Access,
}

/// Why a policy was not put in force. The last good one serves on.
#[derive(Debug, Error)]
pub enum InstallError {
    #[error(transparent)]
    Serve(#[from] ServeError),
    #[error("the policy's sequence {offered} is below {in_force}, which is in force")]
    Older { offered: u64, in_force: u64 },
    #[error("metrics cannot be set up: {0}")]
    Metrics(String),
}

/// A gateway. Cheap to share; everything in it is.
#[derive(Debug)]
pub struct Gateway {
    in_force: ArcSwapOption<Served>,
    kept: Mutex<Kept>,
    pub(crate) rejected: RwLock<Option<Rejected>>,
    /// To the operator, where there is one.
    pub(crate) link: RwLock<Option<Link>>,
    pub(crate) affinity: Affinity,
    pub(crate) retries: RetryBudget,
    pub(crate) metrics: Metrics,
    pub(crate) records: Records,
    pub(crate) hooks: Hooks,
    service_account: Option<String>,
    pub(crate) workload: Option<String>,
    namespace: String,
    pub(crate) labels: Vec<(String, String)>,
    pub(crate) access: Access,
    own: Own,
    /// Where it listens, once it does.
    pub(crate) ports: OnceLock<Vec<SocketAddr>>,
    pub(crate) accounts: Arc<Accounts>,
    pub(crate) memory: Memory,
    /// When this process began to serve: what listed models are told to be created at.
    pub(crate) born: SystemTime,
    /// The same, for how long ago that is.
    pub(crate) started: tokio::time::Instant,
    /// A policy was installed: its endpoints may want connections.
    installed: Notify,
    /// A request has ended.
    pub(crate) ended: Notify,
}

/// Rules that the log names for one request, of those whose expression failed.
const RULES_TOLD: usize = 8;

impl Gateway {
    /// A gateway without a policy: it answers 503 until one is installed.
    ///
    /// # Errors
    /// [`InstallError::Metrics`], which only a mistake of ours can cause.
    pub fn new(settings: Settings) -> Result<Arc<Self>, InstallError> {
        Ok(Arc::new(Gateway {
            in_force: ArcSwapOption::empty(),
            kept: Mutex::default(),
            rejected: RwLock::default(),
            link: RwLock::default(),
            affinity: Affinity::default(),
            retries: RetryBudget::default(),
            metrics: Metrics::new().map_err(|error| InstallError::Metrics(error.to_string()))?,
            records: Records::new(settings.lines),
            hooks: settings.hooks,
            service_account: settings.service_account,
            workload: settings.workload,
            namespace: settings.namespace.unwrap_or_default(),
            labels: settings.labels,
            access: settings.access,
            own: Own::new(),
            ports: OnceLock::new(),
            accounts: Arc::new(Accounts::new(settings.state)),
            memory: Memory::of_this_machine(settings.memory),
            born: SystemTime::now(),
            started: tokio::time::Instant::now(),
            installed: Notify::new(),
            ended: Notify::new(),
        }))
    }

    /// Puts a policy in force: all of it is built first, then one pointer is swapped. Requests
    /// under way go on with the one that they began with. Returns the new revision.
    ///
    /// # Errors
    /// [`InstallError`]; then the last good policy stays in force, and the reason is told beside
    /// `/readyz`.
    pub fn install(&self, document: Document, secrets: &Secrets) -> Result<String, InstallError> {
        self.install_from(document, secrets, None)
    }

    /// The same, of one that came so.
    pub(crate) fn install_from(
        &self,
        document: Document,
        secrets: &Secrets,
        origin: Option<Origin>,
    ) -> Result<String, InstallError> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let in_force = self.in_force.load().as_ref().map(|served| served.policy.revision.sequence);
        let offered = document.sequence;
        let built = match in_force.filter(|in_force| offered < *in_force) {
            Some(in_force) => Err(InstallError::Older { offered, in_force }),
            None => {
                let adopt = |specs: &[LimitSpec]| self.accounts.adopt(specs, millis(SystemTime::now()));
                aside(|| Served::build(document, secrets, &self.namespace, &mut kept, adopt))
                    .map_err(InstallError::from)
            }
        };
        match built {
            Ok(mut served) => {
                served.origin = origin;
                served.sign(&self.own);
                hop::tell_own(&served, self.ports.get().map_or(&[], Vec::as_slice));
                let revision = served.policy.revision.to_string();
                self.metrics.in_force(&revision);
                self.in_force.store(Some(Arc::new(served)));
                self.installed.notify_one();
                self.stands(None);
                tracing::info!(%revision, source = origin.map(Origin::word), "policy in force");
                Ok(revision)
            }
            Err(error) => {
                let Rejected { object, path, message } = Rejected::of(&error);
                self.reject(&object, &path, &message);
                Err(error)
            }
        }
    }

    /// Says that a change cannot be put in force. The last good policy serves on.
    pub fn reject(&self, object: &str, path: &str, message: &str) {
        let rejected = Rejected { object: object.to_owned(), path: path.to_owned(), message: message.to_owned() };
        // What stands already was told: files that stay broken are looked at again and again.
        if self.rejected.read().unwrap_or_else(PoisonError::into_inner).as_ref() != Some(&rejected) {
            tracing::error!(object, path, message, "change not in force, the last good policy serves on");
        }
        self.stands(Some(rejected));
    }

    /// What is not in force at this moment, or that everything is.
    pub(crate) fn stands(&self, rejected: Option<Rejected>) {
        *self.rejected.write().unwrap_or_else(PoisonError::into_inner) = rejected;
    }

    pub(crate) fn served(&self) -> Option<Arc<Served>> {
        self.in_force.load_full()
    }

    /// Waits until no request is under way, with a caller or without.
    pub(crate) async fn settled(&self) {
        loop {
            let ended = self.ended.notified();
            tokio::pin!(ended);
            // Before it is looked: the last one may end in between.
            ended.as_mut().enable();
            if self.metrics.in_flight.get() == 0 {
                return;
            }
            ended.await;
        }
    }

    /// Keeps connections warm; ends with the future's owner.
    pub(crate) async fn keep_warm(self: Arc<Self>) {
        loop {
            let pools = self.kept.lock().unwrap_or_else(PoisonError::into_inner).pools.all();
            for pool in pools {
                pool.sweep();
                pool.warm(Duration::from_secs(2)).await;
            }
            let _either = tokio::time::timeout(WARM_EVERY, self.installed.notified()).await;
        }
    }

    /// Refuses a request by its head, before it is anybody's: it is counted, and not recorded, or a web page could push
    /// everybody else's records out.
    pub(crate) fn turn_away<B>(&self, request: &Request<B>, refusal: &Refusal) -> Response<ReplyBody> {
        self.metrics.turned_away(refusal.kind);
        let hints = hints(request.headers(), &Query::parse(request.uri().query().unwrap_or_default()));
        let dialect = operation::dialect_of(request.uri().path(), hints);
        refusal.answer(dialect, &format!("req_{}", new_id(SystemTime::now())), &[])
    }

    /// Answers a request.
    pub async fn handle(self: Arc<Self>, request: Request<Incoming>) -> Response<ReplyBody> {
        let (head, mut body) = request.into_parts();
        let waits = head.headers.contains_key(http::header::EXPECT);
        let response = self.answer(head, &mut body).await;
        // What was refused before it was read.
        drain(&mut body, waits).await;
        response
    }

    async fn answer(self: Arc<Self>, head: Parts, body: &mut Incoming) -> Response<ReplyBody> {
        let started = Instant::now();
        let received = SystemTime::now();
        let query = Query::parse(head.uri.query().unwrap_or_default());
        let hints = hints(&head.headers, &query);
        let decision_id = new_id(received);
        let request_id = format!("req_{decision_id}");
        let path = head.uri.path();
        let told_in = operation::dialect_of(path, hints);
        let trace_id = trace_id(&head.headers, &decision_id);
        // Before a key is known there is little to record, but that little is.
        let refuse = |dialect: Dialect, operation: &'static str, refusal: &Refusal| {
            let record = Record {
                time: Some(received),
                decision: decision_id.clone(),
                trace_id: trace_id.clone(),
                request_id: request_id.clone(),
                workload: self.workload.clone(),
                namespace: self.namespace.clone(),
                dialect: dialect.name(),
                operation,
                latency_ms: crate::duration::ms(started.elapsed()),
                status: refusal.status,
                error_type: Some(refusal.kind.to_owned()),
                ..Record::default()
            };
            self.metrics.recorded(&record, "none", Some(refusal.kind));
            self.record(record);
            let mut response = refusal.answer(dialect, &request_id, &[]);
            headers::set(response.headers_mut(), name::OUR_DECISION, &decision_id);
            headers::set(response.headers_mut(), name::OUR_ATTEMPTS, "0");
            response
        };
        let Some(matched) = operation::find(head.method.as_str(), path) else {
            return refuse(told_in, "unknown", &unknown_path(head.method.as_str(), path));
        };
        let listing = matches!(matched.operation.kind, Kind::ListModels | Kind::GetModel);
        let dialect = if listing { told_in } else { matched.operation.dialect };
        let Some(served) = self.served() else {
            let refusal = Refusal::new(503, "no_policy", "the gateway has no policy yet").after(1);
            return refuse(dialect, matched.operation.name, &refusal);
        };
        if let Some(refusal) = self.own.refuses(&head.headers, &served.policy) {
            return refuse(dialect, matched.operation.name, &refusal);
        }
        let now = received.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()) as i64;
        let key = match identify(&served.policy, &head.headers, &query, self.service_account.as_deref(), now) {
            Ok(key) => key,
            Err(refusal) => return refuse(dialect, matched.operation.name, &refusal),
        };
        let mut call = Call {
            trace_id,
            decision_id,
            request_id: request_id.clone(),
            started,
            received,
            read: started,
            dialect,
            operation: matched.operation,
            served,
            key,
            model: None,
            stream: false,
            as_array: false,
            patience: patience(&head.headers),
            headers: head.headers,
            query,
            scanned: Scanned::default(),
            body: Bytes::new(),
            held: Held::default(),
            estimate: OnceLock::new(),
            metered: OnceLock::new(),
            gone: Arc::default(),
        };
        if listing {
            call.model = matched.model;
            return list(Ending::new(Arc::clone(&self), call));
        }
        match receive(&call.headers, body, &self.memory).await {
            Ok((body, held)) => (call.body, call.held) = (body, held),
            Err(refusal) => return Ending::new(Arc::clone(&self), call).refuse(&refusal),
        }
        call.read = Instant::now();
        if copies(&call.body) && call.held.grow_to(call.held.bytes() + call.body.len(), &self.memory).is_err() {
            return Ending::new(Arc::clone(&self), call).refuse(&overloaded());
        }
        let understood = self.memory.work(call.body.len(), || understand(&mut call, matched)).await;
        if let Err(refusal) = understood {
            return Ending::new(Arc::clone(&self), call).refuse(&refusal);
        }
        if call.stream && call.held.grow_to(call.held.bytes() + STREAM, &self.memory).is_err() {
            return Ending::new(Arc::clone(&self), call).refuse(&overloaded());
        }
        let counts = call.served.policy.limits.counts(call.key, &call.key().id);
        match counts || call.key().on_hang_up == OnHangUp::Drain {
            // What was asked for goes on for a moment when its caller has gone, so that it is known what it used. Boxed: it is
            // eighteen kilobytes, which a task would copy several times.
            true => Attended::new(&call).wait(Box::pin(self.route(call))).await,
            false => self.route(call).await,
        }
    }

    /// From a request that is understood to its answer.
    async fn route(self: Arc<Self>, mut call: Call) -> Response<ReplyBody> {
        if let Some(hook) = &self.hooks.on_request {
            // What it edited is read again: edits are made at places in these bytes.
            let passed = hook.identified(&mut call).and_then(|()| rescan(&mut call));
            if let Err(refusal) = passed {
                return Ending::new(Arc::clone(&self), call).refuse(&refusal);
            }
        }
        let now = Instant::now();
        self.retries.request(now);
        let mut translation = Translation::new(&self.memory);
        let (mut decision, mut conversation) =
            self.memory.work(call.body.len(), || decide(&self, &call, &translation, now)).await;
        if decision.refusal.is_some() && translation.may_wait() {
            // Nobody can take it as it is: others will soon give back what they have.
            translation = Translation::new(&self.memory);
            translation.make_room(&call).await;
            (decision, conversation) =
                self.memory.work(call.body.len(), || decide(&self, &call, &translation, now)).await;
        }
        let slots = call.served.slots[call.key].clone();
        let mut ending = Ending::new(Arc::clone(&self), call);
        ending.record.rule = decision.rule.as_deref().map(str::to_owned);
        ending.record.candidates = candidates(&decision);
        ending.record.chain = decision.chain.iter().map(ToString::to_string).collect();
        ending.record.shadow = decision.shadow.as_ref().map(shadow);
        decision.rule_errors.iter().for_each(|(rule, _)| self.metrics.rule_failed(rule));
        for (rule, problem) in decision.rule_errors.iter().take(RULES_TOLD) {
            tracing::warn!(%rule, %problem, "the rule's expression failed on a request");
        }
        if let Some(more) = decision.rule_errors.len().checked_sub(RULES_TOLD).filter(|more| *more > 0) {
            tracing::warn!(more, "expressions of other rules failed on the same request");
        }
        if let Some(refusal) = &decision.refusal {
            // A body that is no conversation is the caller's mistake, and no shortcoming of a dialect.
            let unfit = refusal.kind == "unsupported_parameter";
            let refusal = match (translation.problem(), translation.no_room()) {
                (_, Some(no_room)) if unfit => no_room,
                (Some((path, problem)), _) if unfit => Refusal {
                    param: Some(path.to_owned()),
                    ..Refusal::new(400, "invalid_request", format!("{path}: {problem}"))
                },
                _ => self.with_time(&ending.call.served, refusal),
            };
            return ending.refuse(&refusal);
        }
        if let Some(slots) = slots {
            match slots.take() {
                Some(slot) => ending.slot = Some(slot),
                None => {
                    let id = &ending.call.key().id;
                    let message = format!(
                        "VirtualKey {id} has {} requests under way, as many as spec.limits.concurrentRequests allows",
                        slots.most()
                    );
                    return ending.refuse(&Refusal::new(429, "concurrency_limited", message).after(1));
                }
            }
        }
        let clock = attempt::clock(&ending, &decision);
        let trying = Trying { gateway: &self, decision: &decision, translation: &translation, clock, conversation };
        attempt(&trying, ending).await
    }

    /// Keeps a record, and counts it if its line had to be dropped.
    pub(crate) fn record(&self, record: Record) {
        if !self.records.add(record) {
            self.metrics.dropped_lines.inc();
        }
    }

    /// A model's name as a metric may tell it: one of the policy, or `other`.
    pub(crate) fn metric_model(&self, call: &Call, model: Option<&str>) -> String {
        let Some(model) = model else { return "none".to_owned() };
        let policy = &call.served.policy;
        let known = policy.providers.iter().any(|provider| {
            provider.model(model).is_some() || outrigger_policy::catalogue::lookup(&provider.kind, model).is_some()
        });
        let named = || policy.keys[call.key].providers.iter().any(|provider| provider.names(model));
        let ruled = || policy.rules.iter().any(|rule| rule.targets.iter().any(|t| t.model.as_deref() == Some(model)));
        if known || named() || ruled() { model.to_owned() } else { "other".to_owned() }
    }
}

/// Which SDK it is, where the path does not say.
fn hints(headers: &HeaderMap, query: &Query) -> Hints {
    Hints {
        anthropic: headers.contains_key(&name::ANTHROPIC_VERSION),
        google: headers.contains_key(&name::X_GOOG_API_KEY) || query.key().is_some(),
    }
}

/// Does what may take a while, such as compiling a policy's expressions, so that other requests are served meanwhile.
fn aside<T>(work: impl FnOnce() -> T) -> T {
    match Handle::try_current() {
        Ok(handle) if handle.runtime_flavor() == RuntimeFlavor::MultiThread => tokio::task::block_in_place(work),
        // There is nobody else, or nobody to give the thread to.
        _ => work(),
    }
}

/// Whether a copy is made of a long body to look at it: letters in it may be escaped by number.
fn copies(body: &[u8]) -> bool {
    body.len() >= LONG_WORK && memchr::memmem::find(body, b"\\u00").is_some()
}
