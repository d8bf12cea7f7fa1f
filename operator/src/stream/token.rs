//! Verifies the token of a gateway: a projected service account token for our audience, bound to a live pod.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Validation, decode, decode_header};
use serde::Deserialize;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::cluster::{Bearer, TokenAuthority};
use super::connected::ConnectedGateway;
use super::keys::{IssuerKeys, PublishedKeys};
use super::refusal::StreamRefusal;
use crate::attestation::AttestationError;
use crate::objects::binding::Binding;

/// How much the API server's clock may differ from ours, in seconds. Whether the pod exists is checked separately.
const LEEWAY: u64 = 600;
/// A gateway may be faster than the watch that reports its pod.
const VALUE_WAIT: Duration = Duration::from_secs(3);
const PAUSE: Duration = Duration::from_millis(100);
/// How many tokens that can't be verified here are reviewed at a time. Any client can invent such a token; that costs
/// the API server as much as a direct request.
const REVIEWS_MAX: usize = 8;
const NO_HEAD: &str = "it has no readable head of a JWT";

/// The cache of pods.
pub trait PodLookup: fmt::Debug + Send + Sync + 'static {
    /// An existing pod (it may be terminating) with one of our gateways. `None` if any of this does not hold.
    fn find(&self, namespace: &str, name: &str, uid: &str) -> Option<PodFacts>;
}

/// What is known of a pod with a gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodFacts {
    /// As it was admitted.
    pub binding: Binding,
    pub service_account: String,
    /// Its gateway is not the operator's, or not the only one: it gets nothing.
    pub foreign: Option<AttestationError>,
}

#[derive(Deserialize)]
struct Claims {
    #[serde(rename = "kubernetes.io")]
    kubernetes: Kubernetes,
}

#[derive(Deserialize)]
struct Kubernetes {
    namespace: String,
    pod: Option<BoundObject>,
    serviceaccount: BoundObject,
}

#[derive(Deserialize)]
struct BoundObject {
    name: String,
    #[serde(default)]
    uid: String,
}

/// Verifies tokens with the cluster's published keys, and asks the API server if those can't be read or used: a cluster
/// may sign with keys of an unsupported kind, or not publish all of them.
pub struct Verifier {
    keys: IssuerKeys,
    cluster: Arc<dyn TokenAuthority>,
    pods: Arc<dyn PodLookup>,
    reviews: Semaphore,
}

impl Verifier {
    #[must_use]
    pub fn new(cluster: Arc<dyn TokenAuthority>, pods: Arc<dyn PodLookup>) -> Self {
        let keys = IssuerKeys::new(Arc::clone(&cluster));
        Verifier { keys, cluster, pods, reviews: Semaphore::new(REVIEWS_MAX) }
    }

    #[must_use]
    pub fn pods(&self) -> &Arc<dyn PodLookup> {
        &self.pods
    }

    /// Keeps the cluster's keys fresh, for as long as it is polled.
    pub async fn keep_fresh(&self) {
        self.keys.keep_fresh().await;
    }

    /// The gateway whose token this is.
    ///
    /// # Errors
    /// [`StreamRefusal`].
    pub async fn gateway(&self, token: &str) -> Result<ConnectedGateway, StreamRefusal> {
        let Bearer { namespace, service_account, pod, uid } = self.bearer(token).await?;
        let Some(facts) = self.facts(&namespace, &pod, &uid).await else {
            return Err(StreamRefusal::PodUnknown { namespace, pod });
        };
        if let Some(why) = facts.foreign {
            return Err(StreamRefusal::Foreign { namespace, pod, why });
        }
        match facts.service_account == service_account && facts.binding.namespace == namespace {
            true => Ok(ConnectedGateway { namespace, pod, uid, service_account, binding: facts.binding }),
            false => Err(StreamRefusal::Account { namespace, pod }),
        }
    }

    async fn facts(&self, namespace: &str, pod: &str, uid: &str) -> Option<PodFacts> {
        let until = Instant::now() + VALUE_WAIT;
        loop {
            let found = self.pods.find(namespace, pod, uid);
            if found.is_some() || Instant::now() >= until {
                return found;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn bearer(&self, token: &str) -> Result<Bearer, StreamRefusal> {
        let kid = key_id(token)?;
        match self.keys.find(&kid).await {
            Some(published) => verified(token, &kid, &published),
            None => self.reviewed(token).await,
        }
    }

    async fn reviewed(&self, token: &str) -> Result<Bearer, StreamRefusal> {
        // All gateways of a cluster may have to be verified here at the same time.
        let Ok(Ok(_permit)) = tokio::time::timeout(VALUE_WAIT, self.reviews.acquire()).await else {
            return Err(StreamRefusal::Unverifiable("too many reviews are under way"));
        };
        match self.cluster.review(token).await {
            Ok(Some(bearer)) => Ok(bearer),
            Ok(None) => Err(StreamRefusal::NotAuthenticated),
            Err(error) => {
                tracing::warn!(%error, "a token could not be reviewed");
                Err(StreamRefusal::Unverifiable("it can't be reached or refused to"))
            }
        }
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier").field("keys", &self.keys).field("pods", &self.pods).finish_non_exhaustive()
    }
}

/// The name of the signing key, parsed here because the library rejects heads with an unknown algorithm.
fn key_id(token: &str) -> Result<String, StreamRefusal> {
    #[derive(Deserialize)]
    struct JwtHeader {
        kid: Option<String>,
    }
    let head = token.split_once('.').and_then(|(head, _)| URL_SAFE_NO_PAD.decode(head).ok());
    let head =
        head.and_then(|head| serde_json::from_slice::<JwtHeader>(&head).ok()).ok_or(StreamRefusal::NoJwt(NO_HEAD))?;
    head.kid.ok_or(StreamRefusal::NoJwt("its head names no key"))
}

fn verified(token: &str, kid: &str, published: &PublishedKeys) -> Result<Bearer, StreamRefusal> {
    decode_header(token).map_err(|_| StreamRefusal::NoJwt(NO_HEAD))?;
    let key = published.key(kid).ok_or(StreamRefusal::Signature)?;
    let mut validation = Validation::new(key.algorithm);
    validation.leeway = LEEWAY;
    validation.validate_nbf = true;
    validation.set_required_spec_claims(&["exp", "iss", "aud"]);
    validation.set_audience(&[outrigger_sync::AUDIENCE]);
    validation.set_issuer(&[&published.issuer]);
    let claims = decode::<Claims>(token, &key.key, &validation).map_err(|error| match error.kind() {
        ErrorKind::ExpiredSignature => StreamRefusal::Expired,
        ErrorKind::ImmatureSignature => StreamRefusal::NotYet,
        ErrorKind::InvalidAudience => StreamRefusal::Audience,
        ErrorKind::InvalidIssuer => StreamRefusal::Issuer(published.issuer.clone()),
        ErrorKind::InvalidSignature | ErrorKind::InvalidAlgorithm => StreamRefusal::Signature,
        _ => StreamRefusal::NoJwt("its claims are not those of a service account"),
    })?;
    let Kubernetes { namespace, pod, serviceaccount } = claims.claims.kubernetes;
    let pod = pod.filter(|pod| !pod.uid.is_empty()).ok_or(StreamRefusal::NoPod)?;
    Ok(Bearer { namespace, service_account: serviceaccount.name, pod: pod.name, uid: pod.uid })
}
