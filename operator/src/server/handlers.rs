//! Connects the replica's state to its listeners: reviews, health, metrics, and how far a new authority has spread.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use tokio::sync::Semaphore;

use crate::admission::{self, AdmissionContext, Namespace, Webhook, objects};
use crate::certs::{ServingCertificates, Spread};
use crate::metrics::OperatorMetrics;
use crate::reconcile::Reconciler;
use crate::runtime::health::{HealthReport, Readiness};
use crate::server::AnswerReview;
use crate::settings::OperatorSettings;
use crate::state::caches::Caches;
use crate::stream::Hub;

/// How long a review waits for a namespace that the operator has not seen. The API server waits five seconds for the
/// response.
const NAMESPACE_WAIT: Duration = Duration::from_secs(2);
/// How many reviews wait at the same time. Each blocks a thread, and any user can cause one.
const WAITING_MAX: usize = 16;

/// Answers reviews with the replica's state.
#[derive(Debug)]
pub struct ReviewHandler {
    settings: Arc<OperatorSettings>,
    caches: Arc<Caches>,
    metrics: Arc<OperatorMetrics>,
    waiting: Semaphore,
}

impl ReviewHandler {
    #[must_use]
    pub fn new(settings: Arc<OperatorSettings>, caches: Arc<Caches>, metrics: Arc<OperatorMetrics>) -> Self {
        ReviewHandler { settings, caches, metrics, waiting: Semaphore::new(WAITING_MAX) }
    }

    fn namespace(&self, name: &str) -> Option<Namespace> {
        self.caches.namespace(name).or_else(|| {
            let _permit = self.waiting.try_acquire().ok()?;
            self.caches.namespace_within(name, NAMESPACE_WAIT)
        })
    }
}

impl AnswerReview for ReviewHandler {
    fn admit(&self, path: &str, body: Bytes) -> (StatusCode, Bytes) {
        if path == objects::PATH {
            let record = |outcome: objects::ReviewOutcome| {
                let (effect, reason) = outcome.effect();
                self.metrics.admitted(Webhook::Validate, effect, reason);
            };
            return objects::answer(&body, || self.caches.snapshot().review_copy(), record);
        }
        let context = AdmissionContext {
            settings: &self.settings,
            namespace: &|name| self.namespace(name),
            record: &|entry| self.metrics.admitted(entry.webhook, entry.effect, entry.reason),
        };
        admission::admit(path, &body, &context)
    }
}

/// Reports the replica's health and metrics.
#[derive(Debug)]
pub struct ReplicaHealth {
    pub metrics: Arc<OperatorMetrics>,
    pub readiness: Readiness,
    pub certificates: Arc<ServingCertificates>,
    pub caches: Arc<Caches>,
    pub hub: Arc<Hub>,
    pub leader: Arc<Reconciler>,
}

impl HealthReport for ReplicaHealth {
    fn metrics(&self) -> Vec<u8> {
        self.metrics.connected(self.hub.connected());
        self.metrics.live(self.caches.pods.live().len());
        if let Some(expires) = self.certificates.served().expires() {
            self.metrics.certificate_expires(expires);
        }
        self.leader.measure();
        self.metrics.text()
    }

    fn pending(&self) -> Vec<String> {
        let mut awaited = self.readiness.pending();
        if !self.certificates.is_ready() {
            awaited.push("a certificate to serve with".to_owned());
        }
        awaited
    }
}

/// Reports how far an authority has spread.
#[derive(Debug)]
pub struct AuthoritySpread {
    pub caches: Arc<Caches>,
    pub hub: Arc<Hub>,
    pub leader: Arc<Reconciler>,
}

impl Spread for AuthoritySpread {
    fn written(&self, fingerprint: &str) -> bool {
        self.leader.leads() && self.caches.generated.trusts(fingerprint)
    }

    fn trusted(&self, fingerprint: &str) -> bool {
        if !self.leader.leads() {
            return false;
        }
        let states = self.hub.states();
        let by_uid: BTreeMap<&str, _> = states.iter().map(|state| (state.uid.as_str(), state)).collect();
        let trusts = |uid: &str| {
            by_uid.get(uid).is_some_and(|state| state.authorities.iter().any(|trusted| trusted == fingerprint))
        };
        self.caches.pods.live().iter().all(|pod| trusts(&pod.uid))
    }
}
