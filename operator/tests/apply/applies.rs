//! The objects in a cluster after policies were written, despite other writers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use outrigger_core::SecretRef;
use outrigger_operator::apply::{Applier, ApplyError};
use outrigger_operator::certs::CaBundle;
use outrigger_operator::metrics::OperatorMetrics;
use outrigger_operator::objects::binding::Binding;
use outrigger_operator::plan::revision::{DeliveredCredential as Credential, Delivery, PolicyRevision};
use outrigger_operator::seal::{Seal, place};
use outrigger_operator::state::caches::Caches;
use outrigger_operator::state::generated::GeneratedConfigMap;
use outrigger_operator::state::index::ObjectIndex;
use outrigger_operator::stream::Hub;
use outrigger_policy::{CredentialDoc, Document, ProviderDoc};
use outrigger_sync::{Signatures, Statement, Trust, hash};
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::server::{FakeApiServer, Fault, status};

const CONFIG_MAP: &str = "/api/v1/namespaces/shop/configmaps/outrigger-search";
const SECRET: &str = "/api/v1/namespaces/shop/secrets/outrigger-search";

struct ApplyingOperator {
    server: FakeApiServer,
    caches: Arc<Caches>,
    hub: Arc<Hub>,
    authorities: watch::Sender<Option<Arc<CaBundle>>>,
    applier: Applier,
}

/// A leader with empty caches.
fn operator(server: &FakeApiServer) -> ApplyingOperator {
    let caches = Arc::new(Caches::new(ObjectIndex::new("outrigger", false)));
    let (hub, metrics) = (Arc::new(Hub::default()), Arc::new(OperatorMetrics::new().unwrap()));
    let authorities = watch::Sender::new(Some(Arc::new(CaBundle::of("PEM".to_owned()))));
    let applier = Applier::new(
        server.client(),
        Arc::clone(&caches),
        Arc::clone(&hub),
        metrics,
        authorities.subscribe(),
        "outrigger",
    );
    applier.start(Seal::of(&[7; 32]).unwrap());
    ApplyingOperator { server: server.clone(), caches, hub, authorities, applier }
}

fn revision(binding: Binding, digest: &str, delivery: Delivery) -> Arc<PolicyRevision> {
    let secret = SecretRef::new("shop", "openai", "apiKey").unwrap();
    let credential = CredentialDoc {
        name: "main".to_owned(),
        weight: 1,
        models: Vec::new(),
        suspended: false,
        secret: secret.clone(),
    };
    let provider = ProviderDoc { credentials: vec![credential], ..ProviderDoc::default() };
    let copied = BTreeSet::from([secret.clone()]).into_iter().filter(|_| delivery == Delivery::Secret).collect();
    Arc::new(PolicyRevision {
        binding,
        copied,
        document: Document { format: 1, providers: vec![provider], ..Document::default() },
        digest: digest.to_owned(),
        credentials: vec![Credential { secret, value: "sk".to_owned(), delivery, keys: BTreeSet::new() }],
        objects: BTreeSet::new(),
        allowed: BTreeMap::new(),
        sources: Vec::new(),
    })
}

fn search(digest: &str) -> Arc<PolicyRevision> {
    revision(Binding::of("shop", "search"), digest, Delivery::Stream)
}

fn with_secret(digest: &str) -> Arc<PolicyRevision> {
    revision(Binding::of("shop", "search"), digest, Delivery::Secret)
}

/// A ConfigMap that another replica, or an earlier process, wrote.
fn left(sequence: u64, digest: &str) -> Value {
    let annotations = json!({"outrigger.dev/sequence": sequence.to_string(), "outrigger.dev/digest": digest});
    json!({"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "outrigger-search", "annotations": annotations}})
}

fn sequence(server: &FakeApiServer) -> u64 {
    let object = server.get(CONFIG_MAP).unwrap();
    object["metadata"]["annotations"]["outrigger.dev/sequence"].as_str().unwrap().parse().unwrap()
}

/// The Secret's values. Checks that each has a signature.
fn values(secret: &Value) -> Value {
    let mut data = secret["data"].clone();
    let signed = data.as_object_mut().unwrap().remove("credentials.v1.sig").unwrap();
    let signed: BTreeMap<String, Vec<String>> =
        serde_json::from_slice(&STANDARD.decode(signed.as_str().unwrap()).unwrap()).unwrap();
    assert!(signed.keys().eq(data.as_object().unwrap().keys()));
    data
}

/// Manual changes of the operator's files are overwritten, and the result is signed again.
#[tokio::test]
async fn changed_files_are_written_again() {
    let operator = operator(&FakeApiServer::default());
    operator.applier.apply(&search("d")).await.unwrap();
    let right = operator.server.get(CONFIG_MAP).unwrap();
    let binding = Binding::of("shop", "search");
    for (file, text) in [("policy.v1.sig", ""), ("policy.v1.json", "{}"), ("ca.crt", "theirs")] {
        operator.server.with(|stored| {
            let mut changed = stored.objects[CONFIG_MAP].clone();
            changed["data"][file] = json!(text);
            stored.put(CONFIG_MAP, changed);
        });
        let stored = operator.server.get(CONFIG_MAP).unwrap();
        operator
            .caches
            .generated
            .put(binding.clone(), Some(GeneratedConfigMap::of(&serde_json::from_value(stored).unwrap())));
        operator.applier.apply(&search("d")).await.unwrap();
        let found = operator.server.get(CONFIG_MAP).unwrap();
        let signatures: Signatures = serde_json::from_str(found["data"]["policy.v1.sig"].as_str().unwrap()).unwrap();
        let trust = Trust { keys: Seal::of(&[7; 32]).unwrap().verifying().keys, mount: place(&binding) };
        let policy = hash(found["data"]["policy.v1.json"].as_str().unwrap().as_bytes());
        assert!(trust.verifies(&Statement::Policy(&policy), &signatures.policy), "{file}");
        assert_eq!(found["data"]["ca.crt"], right["data"]["ca.crt"]);
    }
}

#[tokio::test]
async fn a_policy_is_written_once_and_pushed() {
    let operator = operator(&FakeApiServer::default());
    assert!(operator.applier.apply(&search("d")).await.unwrap());
    assert_eq!(operator.server.requests(), ["GET configmaps/outrigger-search", "PATCH configmaps/outrigger-search"]);
    assert!(!operator.applier.apply(&search("d")).await.unwrap());
    assert_eq!(operator.server.requests(), Vec::<String>::new(), "no write is needed");
    let first = sequence(&operator.server);
    assert!(operator.applier.apply(&search("e")).await.unwrap());
    assert_eq!(sequence(&operator.server), first + 1);
    let written = operator.applier.written(&Binding::of("shop", "search")).unwrap();
    assert_eq!((written.sequence, written.revision.digest.as_str()), (first + 1, "e"));
}

#[tokio::test]
async fn new_authorities_are_written_under_the_same_sequence() {
    let operator = operator(&FakeApiServer::default());
    operator.applier.apply(&search("d")).await.unwrap();
    let first = sequence(&operator.server);
    operator.authorities.send_replace(Some(Arc::new(CaBundle::of("PEM, and another".to_owned()))));
    assert!(!operator.applier.apply(&search("d")).await.unwrap(), "the policy is the same");
    assert_eq!(sequence(&operator.server), first);
    assert_eq!(operator.server.get(CONFIG_MAP).unwrap()["data"]["ca.crt"], json!("PEM, and another"));
    operator.authorities.send_replace(None);
    assert!(matches!(operator.applier.apply(&search("e")).await, Err(ApplyError::NoAuthorities)));
}

#[tokio::test]
async fn a_config_map_that_no_watch_reported_is_read_first() {
    let server = FakeApiServer::default();
    server.with(|stored| stored.put(CONFIG_MAP, left(4_000_000_000, "old")));
    operator(&server).applier.apply(&search("d")).await.unwrap();
    assert_eq!(sequence(&server), 4_000_000_001);
}

#[tokio::test]
async fn the_sequence_exceeds_a_concurrent_writers() {
    let server = FakeApiServer::default();
    let operator = operator(&server);
    operator.applier.apply(&search("d")).await.unwrap();
    server.with(|stored| {
        stored.interfere.push_back(Box::new(|stored| stored.put(CONFIG_MAP, left(4_000_000_000, "theirs"))));
    });
    operator.applier.apply(&search("e")).await.unwrap();
    assert_eq!(sequence(&server), 4_000_000_001);
    assert_eq!(server.get(CONFIG_MAP).unwrap()["metadata"]["annotations"]["outrigger.dev/digest"], json!("e"));
}

#[tokio::test]
async fn repeated_conflicts_are_left_for_later() {
    let server = FakeApiServer::default();
    let operator = operator(&server);
    operator.applier.apply(&search("d")).await.unwrap();
    server.with(|stored| {
        for sequence in 0..20 {
            stored.interfere.push_back(Box::new(move |stored| stored.put(CONFIG_MAP, left(sequence, "theirs"))));
        }
    });
    assert!(matches!(operator.applier.apply(&search("e")).await, Err(ApplyError::Contended(_))));
}

#[tokio::test]
async fn a_secret_is_written_once_for_each_digest_and_deleted_when_not_needed() {
    let server = FakeApiServer::default();
    let first = operator(&server);
    first.applier.apply(&with_secret("d")).await.unwrap();
    assert_eq!(values(&server.get(SECRET).unwrap()), json!({"shop_openai_apiKey": "c2s="}));
    assert_eq!(server.requests().last().unwrap(), "PATCH secrets/outrigger-search");
    first.applier.apply(&with_secret("d")).await.unwrap();
    assert_eq!(server.requests(), Vec::<String>::new());
    // The next leader does not know whether the first one wrote the Secret.
    let next = operator(&server);
    next.applier.apply(&with_secret("d")).await.unwrap();
    assert_eq!(server.requests(), ["GET configmaps/outrigger-search", "GET secrets/outrigger-search"]);
    next.applier.apply(&search("e")).await.unwrap();
    assert_eq!(server.get(SECRET), None);
}

#[tokio::test]
async fn a_secret_that_cannot_be_deleted_is_retried() {
    let server = FakeApiServer::default();
    let operator = operator(&server);
    operator.applier.apply(&with_secret("d")).await.unwrap();
    server.with(|stored| stored.faults.push_back(Fault::Refused(status(403, "Forbidden"))));
    assert!(operator.applier.apply(&search("e")).await.is_err());
    assert!(server.get(SECRET).is_some());
    // Revocations in the policy do not wait for the Secret, and the next leader sees that it still exists.
    let annotations = server.get(CONFIG_MAP).unwrap()["metadata"]["annotations"].clone();
    assert_eq!(
        (&annotations["outrigger.dev/digest"], &annotations["outrigger.dev/has-secret"]),
        (&json!("e"), &json!("true"))
    );
    assert_eq!(operator.applier.written(&Binding::of("shop", "search")).unwrap().revision.digest, "e");
    operator.applier.apply(&search("e")).await.unwrap();
    assert_eq!(server.get(SECRET), None);
}

#[tokio::test]
async fn an_immutable_secret_keeps_no_value_in_force() {
    let server = FakeApiServer::default();
    let operator = operator(&server);
    operator.applier.apply(&with_secret("d")).await.unwrap();
    server.with(|stored| {
        let mut frozen = stored.objects[SECRET].clone();
        (frozen["immutable"], frozen["data"]) = (json!(true), json!({"shop_gone_apiKey": "c2s="}));
        stored.put(SECRET, frozen);
    });
    operator.applier.apply(&with_secret("e")).await.unwrap();
    let made = server.get(SECRET).unwrap();
    assert_eq!((values(&made), made.get("immutable")), (json!({"shop_openai_apiKey": "c2s="}), None));
}

#[tokio::test]
async fn objects_of_others_are_not_changed() {
    for (path, kind) in [(CONFIG_MAP, "ConfigMap"), (SECRET, "Secret")] {
        let server = FakeApiServer::default();
        let operator = operator(&server);
        let theirs =
            json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": "outrigger-search", "namespace": "shop"}});
        server.with(|stored| stored.put(path, theirs));
        let before = server.get(path);
        let error = operator.applier.apply(&with_secret("d")).await.unwrap_err();
        assert!(
            error.to_string().starts_with(&format!("{kind} shop/outrigger-search was not created by the operator")),
            "{error}"
        );
        assert!(operator.applier.remove(&Binding::of("shop", "search")).await.is_err() || kind == "ConfigMap");
        assert_eq!(server.get(path), before);
    }
}

#[tokio::test]
async fn removing_all_marks_of_a_policy_blocks_no_update() {
    let server = FakeApiServer::default();
    let first = operator(&server);
    first.applier.apply(&search("d")).await.unwrap();
    let strip = |managed: Value| {
        server.with(|stored| {
            let mut uninjected = stored.objects[CONFIG_MAP].clone();
            uninjected["metadata"] = json!({"name": "outrigger-search", "namespace": "shop", "managedFields": managed});
            stored.put(CONFIG_MAP, uninjected);
        });
    };
    // In the replica that wrote it.
    strip(json!([]));
    first.caches.generated.put(Binding::of("shop", "search"), None);
    first.applier.apply(&search("e")).await.unwrap();
    assert_eq!(server.get(CONFIG_MAP).unwrap()["metadata"]["annotations"]["outrigger.dev/digest"], json!("e"));
    // Deleted and created again by somebody else.
    server.with(|stored| {
        let theirs = json!({"metadata": {"name": "outrigger-search", "namespace": "shop"}});
        stored.objects.remove(CONFIG_MAP);
        stored.put(CONFIG_MAP, theirs);
    });
    first.caches.generated.put(Binding::of("shop", "search"), None);
    first.applier.apply(&search("e2")).await.unwrap();
    assert_eq!(server.get(CONFIG_MAP).unwrap()["metadata"]["annotations"]["outrigger.dev/digest"], json!("e2"));
    // In another replica, which sees the field manager.
    strip(json!([{"manager": "outrigger"}]));
    operator(&server).applier.apply(&search("f")).await.unwrap();
    assert_eq!(server.get(CONFIG_MAP).unwrap()["metadata"]["annotations"]["outrigger.dev/digest"], json!("f"));
}

#[tokio::test]
async fn an_immutable_policy_is_replaced() {
    let server = FakeApiServer::default();
    let operator = operator(&server);
    operator.applier.apply(&search("d")).await.unwrap();
    let first = sequence(&server);
    server.with(|stored| {
        let mut frozen = stored.objects[CONFIG_MAP].clone();
        frozen["immutable"] = json!(true);
        stored.put(CONFIG_MAP, frozen);
    });
    operator.caches.generated.put(Binding::of("shop", "search"), None);
    operator.applier.apply(&search("e")).await.unwrap();
    assert_eq!(sequence(&server), first + 1);
    assert_eq!(server.get(CONFIG_MAP).unwrap().get("immutable"), None);
}

#[tokio::test]
async fn a_value_that_becomes_known_is_pushed_under_the_same_digest() {
    let server = FakeApiServer::default();
    let operator = operator(&server);
    let mut late = PolicyRevision::clone(&with_secret("d"));
    late.credentials.clear();
    operator.applier.apply(&Arc::new(late)).await.unwrap();
    let first = sequence(&server);
    assert_eq!(server.get(SECRET), None);
    assert!(operator.applier.apply(&with_secret("d")).await.unwrap());
    assert_eq!(sequence(&server), first + 1);
    assert!(server.get(SECRET).is_some());
    assert!(!operator.applier.apply(&with_secret("d")).await.unwrap());
}

#[tokio::test]
async fn a_secret_that_cannot_be_written_delays_no_push() {
    let server = FakeApiServer::default();
    let operator = operator(&server);
    server.with(|stored| {
        stored.interfere.push_back(Box::new(|_| {}));
        stored
            .interfere
            .push_back(Box::new(|stored| stored.faults.push_back(Fault::Refused(status(403, "Forbidden")))));
    });
    let error = operator.applier.apply(&with_secret("d")).await.unwrap_err();
    assert_eq!(error.to_string(), "Secret shop/outrigger-search could not be written: Forbidden");
    assert!(operator.applier.written(&Binding::of("shop", "search")).is_some());
    assert!(operator.applier.apply(&with_secret("d")).await.is_ok());
    assert!(server.get(SECRET).is_some());
}

#[tokio::test]
async fn a_removed_bindings_objects_are_deleted_unless_changed_since() {
    let server = FakeApiServer::default();
    let operator = operator(&server);
    let binding = Binding::of("shop", "search");
    operator.applier.apply(&with_secret("d")).await.unwrap();
    server.with(|stored| stored.put(CONFIG_MAP, left(7, "theirs")));
    let error = operator.applier.remove(&binding).await.unwrap_err();
    assert_eq!(error.to_string(), "ConfigMap shop/outrigger-search could not be deleted: Conflict");
    operator.caches.generated.put(binding.clone(), None);
    operator.applier.apply(&with_secret("d")).await.unwrap();
    operator.applier.remove(&binding).await.unwrap();
    assert_eq!((server.get(CONFIG_MAP), server.get(SECRET)), (None, None));
    assert_eq!(operator.hub.highest(&binding), None);
    assert!(operator.applier.remove(&binding).await.is_ok());
}

#[tokio::test]
async fn the_operators_own_certificate_is_never_touched() {
    let server = FakeApiServer::default();
    let path = "/api/v1/namespaces/outrigger/secrets/outrigger-certificates";
    server.with(|stored| stored.put(path, json!({"metadata": {"name": "outrigger-certificates"}})));
    let operator = operator(&server);
    let binding = Binding::of("outrigger", "certificates");
    let error = operator.applier.apply(&revision(binding.clone(), "d", Delivery::Secret)).await.unwrap_err();
    assert!(matches!(error, ApplyError::OwnSecret(_)), "{error}");
    assert!(operator.applier.remove(&binding).await.is_err());
    assert!(server.get(path).is_some());
}

#[tokio::test]
async fn a_terminating_namespace_is_no_failure() {
    let server = FakeApiServer::default();
    let mut going = status(403, "Forbidden");
    going["details"] =
        json!({"causes": [{"reason": "NamespaceTerminating", "message": "n", "field": "metadata.namespace"}]});
    server.with(|stored| stored.faults.push_back(Fault::Refused(going)));
    let error = operator(&server).applier.apply(&search("d")).await.unwrap_err();
    assert!(error.is_namespace_terminating(), "{error}");
    server.with(|stored| stored.faults.push_back(Fault::Refused(status(403, "Forbidden"))));
    assert!(!operator(&server).applier.apply(&search("d")).await.unwrap_err().is_namespace_terminating());
}

#[tokio::test]
async fn a_written_policy_is_read_back_only_if_its_seal_is_valid() {
    let server = FakeApiServer::default();
    let operator = operator(&server);
    let binding = Binding::of("shop", "search");
    assert!(operator.applier.policy(&binding).await.unwrap().is_none(), "there is none");
    operator.applier.apply(&search("d")).await.unwrap();
    let read = operator.applier.policy(&binding).await.unwrap().unwrap();
    assert_eq!((read.format, read.providers.len()), (1, 1));
    server.with(|stored| {
        let object = stored.objects.get_mut(CONFIG_MAP).unwrap();
        let text = object["data"]["policy.v1.json"].as_str().unwrap().replace("main", "mine");
        object["data"]["policy.v1.json"] = json!(text);
    });
    assert!(operator.applier.policy(&binding).await.unwrap().is_none(), "the seal is invalid");
}
