//! A replica of the operator, as gateways see it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::StatusCode;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use outrigger_core::SecretRef;
use outrigger_operator::attestation::AttestationError;
use outrigger_operator::objects::binding::Binding;
use outrigger_operator::plan::revision::{
    DeliveredCredential as Credential, Delivery, PolicyRevision, WrittenRevision,
};
use outrigger_operator::server::{AnswerReview, Services, TlsServer};
use outrigger_operator::stream::cluster::Bearer;
use outrigger_operator::stream::cluster::{ClusterError, TokenAuthority};
use outrigger_operator::stream::keys::PublishedKeys;
use outrigger_operator::stream::{Hub, PodFacts, PodLookup, Streams, Verifier};
use outrigger_policy::Document;
use rcgen::{KeyPair, PublicKeyData};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

pub const ISSUER: &str = "https://cluster.test";

/// Signing keys, of a cluster or of an impostor.
pub struct Signer {
    key: EncodingKey,
    pub jwk: Value,
}

impl Signer {
    pub fn new(kid: &str) -> Self {
        let pair = KeyPair::generate().unwrap();
        let point = pair.der_bytes();
        let jwk = json!({
            "kty": "EC", "crv": "P-256", "kid": kid, "use": "sig", "alg": "ES256",
            "x": URL_SAFE_NO_PAD.encode(&point[1..33]), "y": URL_SAFE_NO_PAD.encode(&point[33..]),
        });
        Signer { key: EncodingKey::from_ec_pem(pair.serialize_pem().as_bytes()).unwrap(), jwk }
    }

    pub fn sign(&self, claims: &Value) -> String {
        let header = Header { kid: self.jwk["kid"].as_str().map(str::to_owned), ..Header::new(Algorithm::ES256) };
        jsonwebtoken::encode(&header, claims, &self.key).unwrap()
    }
}

pub fn now() -> i64 {
    jiff::Timestamp::now().as_second()
}

/// The claims of a token that the kubelet mounts.
pub fn claims(namespace: &str, pod: &str, uid: &str, service_account: &str) -> Value {
    json!({
        "iss": ISSUER,
        "aud": [outrigger_sync::AUDIENCE],
        "iat": now(),
        "nbf": now(),
        "exp": now() + 3_600,
        "sub": format!("system:serviceaccount:{namespace}:{service_account}"),
        "kubernetes.io": {
            "namespace": namespace,
            "node": {"name": "node", "uid": "n"},
            "pod": {"name": pod, "uid": uid},
            "serviceaccount": {"name": service_account, "uid": "s"},
        },
    })
}

/// A fake API server for keys and reviews.
#[derive(Debug, Default)]
pub struct FakeCluster {
    pub keys: Mutex<Option<Vec<Value>>>,
    pub reviews: Mutex<Option<Option<Bearer>>>,
    pub requests: AtomicUsize,
}

impl TokenAuthority for FakeCluster {
    fn published(&self) -> BoxFuture<'_, Result<PublishedKeys, ClusterError>> {
        self.requests.fetch_add(1, Ordering::SeqCst);
        let keys = self.keys.lock().unwrap().clone();
        Box::pin(async move {
            let keys = json!({"keys": keys.ok_or(ClusterError::Late)?}).to_string();
            PublishedKeys::read(&json!({"issuer": ISSUER}).to_string(), &keys)
        })
    }

    fn review<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Option<Bearer>, ClusterError>> {
        let reviewed = self.reviews.lock().unwrap().clone();
        Box::pin(async move { reviewed.ok_or(ClusterError::Late) })
    }
}

/// The cache of pods.
#[derive(Debug, Default)]
pub struct FakePods(Mutex<BTreeMap<String, (String, String, PodFacts)>>);

impl FakePods {
    pub fn add(&self, namespace: &str, pod: &str, uid: &str, service_account: &str) {
        let facts = PodFacts {
            binding: Binding::of(namespace, "search"),
            service_account: service_account.to_owned(),
            foreign: None,
        };
        self.0.lock().unwrap().insert(uid.to_owned(), (namespace.to_owned(), pod.to_owned(), facts));
    }

    /// Somebody adds a container to the pod that mounts the gateway's volume.
    pub fn mark_foreign(&self, uid: &str) {
        if let Some((_, _, facts)) = self.0.lock().unwrap().get_mut(uid) {
            facts.foreign = Some(AttestationError::Mounted("debugger".to_owned()));
        }
    }

    pub fn remove(&self, uid: &str) {
        self.0.lock().unwrap().remove(uid);
    }
}

impl PodLookup for FakePods {
    fn find(&self, namespace: &str, name: &str, uid: &str) -> Option<PodFacts> {
        let pods = self.0.lock().unwrap();
        let (of, named, facts) = pods.get(uid)?;
        (of == namespace && named == name).then(|| facts.clone())
    }
}

/// A certificate that can be replaced.
#[derive(Debug)]
pub struct FakeCertificate(pub Mutex<Arc<CertifiedKey>>);

impl ResolvesServerCert for FakeCertificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.lock().unwrap()))
    }
}

pub fn certificate() -> (Arc<CertifiedKey>, CertificateDer<'static>) {
    let issued = rcgen::generate_simple_self_signed(vec!["outrigger.test".to_owned()]).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(issued.signing_key.serialize_der()));
    let der = issued.cert.der().clone();
    let certified = CertifiedKey::from_der(vec![der.clone()], key, &rustls::crypto::ring::default_provider()).unwrap();
    (Arc::new(certified), der)
}

/// The response to a review: the path and the length of the body.
pub fn echo(path: &str, body: Bytes) -> (StatusCode, Bytes) {
    assert_ne!(path, "/admit/panics", "asked to");
    (StatusCode::OK, json!({"path": path, "bytes": body.len()}).to_string().into())
}

pub struct StreamWorld {
    pub address: SocketAddr,
    pub authority: Mutex<CertificateDer<'static>>,
    pub shown: Arc<FakeCertificate>,
    pub hub: Arc<Hub>,
    pub pods: Arc<FakePods>,
    pub signer: Signer,
    pub stop: Mutex<Option<oneshot::Sender<()>>>,
    pub served: Mutex<Option<JoinHandle<()>>>,
}

impl StreamWorld {
    /// A leader with the keys of its cluster.
    pub async fn new() -> Self {
        Self::with(Hub::default(), echo).await
    }

    pub async fn with(hub: Hub, admit: impl AnswerReview) -> Self {
        let (hub, pods) = (Arc::new(hub), Arc::new(FakePods::default()));
        hub.lead(true);
        let (cluster, signer) = (Arc::new(FakeCluster::default()), Signer::new("one"));
        *cluster.keys.lock().unwrap() = Some(vec![signer.jwk.clone()]);
        let verifier =
            Verifier::new(Arc::clone(&cluster) as Arc<dyn TokenAuthority>, Arc::clone(&pods) as Arc<dyn PodLookup>);
        let streams = Arc::new(Streams::new(Arc::clone(&hub), verifier));
        let (certified, authority) = certificate();
        let shown = Arc::new(FakeCertificate(Mutex::new(certified)));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let services = Services { admit: Arc::new(admit), streams };
        let resolver = Arc::clone(&shown) as Arc<dyn ResolvesServerCert>;
        let served = tokio::spawn(async move {
            let server = TlsServer::new(resolver, services).unwrap().linger(Duration::ZERO);
            server.run(listener, async { drop(stopped.await) }).await;
        });
        StreamWorld {
            address,
            authority: Mutex::new(authority),
            shown,
            hub,
            pods,
            signer,
            stop: Mutex::new(Some(stop)),
            served: Mutex::new(Some(served)),
        }
    }

    /// Adds a pod of `shop` that is bound to the key `search`, and returns its token.
    pub fn pod(&self, pod: &str, service_account: &str) -> String {
        let uid = format!("uid-{pod}");
        self.pods.add("shop", pod, &uid, service_account);
        self.signer.sign(&claims("shop", pod, &uid, service_account))
    }
}

pub fn binding() -> Binding {
    Binding::of("shop", "search")
}

pub fn secret(name: &str) -> SecretRef {
    SecretRef::new("models", name, "key").unwrap()
}

/// A policy of `shop`'s key `search`.
pub fn written(sequence: u64) -> WrittenRevision {
    revised(binding(), sequence, Vec::new(), &[])
}

pub fn revised(
    binding: Binding,
    sequence: u64,
    credentials: Vec<Credential>,
    allowed: &[(&str, &[&str])],
) -> WrittenRevision {
    let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
    let revision = PolicyRevision {
        binding,
        document: Document { format: 1, ..Document::default() },
        digest: format!("digest-{sequence}"),
        credentials,
        copied: BTreeSet::new(),
        objects: BTreeSet::new(),
        allowed: allowed.iter().map(|(key, accounts)| ((*key).to_owned(), set(accounts))).collect(),
        sources: Vec::new(),
    };
    WrittenRevision { revision: Arc::new(revision), sequence }
}

pub fn credential(name: &str, value: &str, keys: &[&str]) -> Credential {
    let keys = keys.iter().map(|key| (*key).to_owned()).collect();
    Credential { secret: secret(name), value: value.to_owned(), delivery: Delivery::Stream, keys }
}
