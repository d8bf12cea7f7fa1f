//! What stands in a cluster after policies were written, whoever else writes there.

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

use crate::server::{FakeApiServer, status};

const CONFIG_MAP: &str = "/api/v1/namespaces/shop/configmaps/outrigger-search";
const SECRET: &str = "/api/v1/namespaces/shop/secrets/outrigger-search";

struct ApplyingOperator {
    server: FakeApiServer,
    caches: Arc<Caches>,
    hub: Arc<Hub>,
    authorities: watch::Sender<Option<Arc<CaBundle>>>,
    applier: Applier,
}

/// One that leads, and knows nothing yet.
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
    applier.begin(Seal::of(&[7; 32]).unwrap());
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

/// As another replica, or an earlier life of this one, left it.
fn left(sequence: u64, digest: &str) -> Value {
    let annotations = json!({"outrigger.dev/sequence": sequence.to_string(), "outrigger.dev/digest": digest});
    json!({"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "outrigger-search", "annotations": annotations}})
}

fn sequence(server: &FakeApiServer) -> u64 {
    let object = server.get(CONFIG_MAP).unwrap();
    object["metadata"]["annotations"]["outrigger.dev/sequence"].as_str().unwrap().parse().unwrap()
}

/// What a Secret holds beside the signatures, of which there is one for each.
fn values(secret: &Value) -> Value {
    let mut data = secret["data"].clone();
    let signed = data.as_object_mut().unwrap().remove("credentials.v1.sig").unwrap();
    let signed: BTreeMap<String, Vec<String>> =
        serde_json::from_slice(&STANDARD.decode(signed.as_str().unwrap()).unwrap()).unwrap();
    assert!(signed.keys().eq(data.as_object().unwrap().keys()));
    data
}

/// Somebody who writes over the operator's files is written over, and what stands there bears its signature again.
#[tokio::test]
async fn what_gateways_would_refuse_is_written_anew() {
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
        let told = operator.server.get(CONFIG_MAP).unwrap();
        operator
            .caches
            .generated
            .put(binding.clone(), Some(GeneratedConfigMap::of(&serde_json::from_value(told).unwrap())));
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
    assert_eq!(operator.server.asked(), ["GET configmaps/outrigger-search", "PATCH configmaps/outrigger-search"]);
    assert!(!operator.applier.apply(&search("d")).await.unwrap());
    assert_eq!(operator.server.asked(), Vec::<String>::new(), "what is right is left alone");
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
    assert!(!operator.applier.apply(&search("d")).await.unwrap(), "no other policy");
    assert_eq!(sequence(&operator.server), first);
    assert_eq!(operator.server.get(CONFIG_MAP).unwrap()["data"]["ca.crt"], json!("PEM, and another"));
    operator.authorities.send_replace(None);
    assert!(matches!(operator.applier.apply(&search("e")).await, Err(ApplyError::NoAuthorities)));
}

#[tokio::test]
async fn what_no_watch_has_told_yet_is_read_first() {
    let server = FakeApiServer::default();
    server.with(|stored| stored.put(CONFIG_MAP, left(4_000_000_000, "old")));
    operator(&server).applier.apply(&search("d")).await.unwrap();
    assert_eq!(sequence(&server), 4_000_000_001);
}

#[tokio::test]
async fn whoever_is_quicker_is_gone_above() {
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
async fn who_writes_again_and_again_is_left_for_later() {
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
async fn a_secret_is_written_once_for_each_digest_and_goes_when_nothing_may_lie_there() {
    let server = FakeApiServer::default();
    let first = operator(&server);
    first.applier.apply(&with_secret("d")).await.unwrap();
    assert_eq!(values(&server.get(SECRET).unwrap()), json!({"shop_openai_apiKey": "c2s="}));
    assert_eq!(server.asked().last().unwrap(), "PATCH secrets/outrigger-search");
    first.applier.apply(&with_secret("d")).await.unwrap();
    assert_eq!(server.asked(), Vec::<String>::new());
    // The next leader can't know that the first one got that far.
    let next = operator(&server);
    next.applier.apply(&with_secret("d")).await.unwrap();
    assert_eq!(server.asked(), ["GET configmaps/outrigger-search", "GET secrets/outrigger-search"]);
    next.applier.apply(&search("e")).await.unwrap();
    assert_eq!(server.get(SECRET), None);
}

#[tokio::test]
async fn a_secret_that_can_not_be_taken_away_is_not_forgotten() {
    let server = FakeApiServer::default();
    let operator = operator(&server);
    operator.applier.apply(&with_secret("d")).await.unwrap();
    server.with(|stored| stored.refuse = Some(status(403, "Forbidden")));
    assert!(operator.applier.apply(&search("e")).await.is_err());
    assert!(server.get(SECRET).is_some());
    // What the policy revokes does not wait for it, and the next leader will know that it is there.
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
async fn who_makes_a_secret_immutable_keeps_no_value_in_force() {
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
async fn what_is_somebody_elses_stays_as_it_is() {
    for (path, kind) in [(CONFIG_MAP, "ConfigMap"), (SECRET, "Secret")] {
        let server = FakeApiServer::default();
        let operator = operator(&server);
        let theirs =
            json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": "outrigger-search", "namespace": "shop"}});
        server.with(|stored| stored.put(path, theirs));
        let before = server.get(path);
        let error = operator.applier.apply(&with_secret("d")).await.unwrap_err();
        assert!(error.to_string().starts_with(&format!("{kind} shop/outrigger-search is somebody else's")), "{error}");
        assert!(operator.applier.remove(&Binding::of("shop", "search")).await.is_err() || kind == "ConfigMap");
        assert_eq!(server.get(path), before);
    }
}

#[tokio::test]
async fn who_takes_off_all_that_marks_a_policy_holds_up_nothing() {
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
    // By the replica that wrote it.
    strip(json!([]));
    first.caches.generated.put(Binding::of("shop", "search"), None);
    first.applier.apply(&search("e")).await.unwrap();
    assert_eq!(server.get(CONFIG_MAP).unwrap()["metadata"]["annotations"]["outrigger.dev/digest"], json!("e"));
    // Made anew by somebody in its place.
    server.with(|stored| {
        let theirs = json!({"metadata": {"name": "outrigger-search", "namespace": "shop"}});
        stored.objects.remove(CONFIG_MAP);
        stored.put(CONFIG_MAP, theirs);
    });
    first.caches.generated.put(Binding::of("shop", "search"), None);
    first.applier.apply(&search("e2")).await.unwrap();
    assert_eq!(server.get(CONFIG_MAP).unwrap()["metadata"]["annotations"]["outrigger.dev/digest"], json!("e2"));
    // By another one, which sees who wrote its fields.
    strip(json!([{"manager": "outrigger"}]));
    operator(&server).applier.apply(&search("f")).await.unwrap();
    assert_eq!(server.get(CONFIG_MAP).unwrap()["metadata"]["annotations"]["outrigger.dev/digest"], json!("f"));
}

#[tokio::test]
async fn who_makes_a_policy_immutable_keeps_nothing_that_is_revoked() {
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
async fn a_value_that_becomes_known_is_pushed_though_its_version_is_not_news() {
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
async fn a_secret_that_can_not_be_written_holds_up_no_push() {
    let server = FakeApiServer::default();
    let operator = operator(&server);
    server.with(|stored| {
        stored.interfere.push_back(Box::new(|_| {}));
        stored.interfere.push_back(Box::new(|stored| stored.refuse = Some(status(403, "Forbidden"))));
    });
    let error = operator.applier.apply(&with_secret("d")).await.unwrap_err();
    assert_eq!(error.to_string(), "Secret shop/outrigger-search could not be written: Forbidden");
    assert!(operator.applier.written(&Binding::of("shop", "search")).is_some());
    assert!(operator.applier.apply(&with_secret("d")).await.is_ok());
    assert!(server.get(SECRET).is_some());
}

#[tokio::test]
async fn what_nobody_needs_goes_unless_somebody_has_written_it_since() {
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
async fn a_namespace_that_goes_is_no_failure() {
    let server = FakeApiServer::default();
    let mut going = status(403, "Forbidden");
    going["details"] =
        json!({"causes": [{"reason": "NamespaceTerminating", "message": "n", "field": "metadata.namespace"}]});
    server.with(|stored| stored.refuse = Some(going));
    let error = operator(&server).applier.apply(&search("d")).await.unwrap_err();
    assert!(error.is_going(), "{error}");
    server.with(|stored| stored.refuse = Some(status(403, "Forbidden")));
    assert!(!operator(&server).applier.apply(&search("d")).await.unwrap_err().is_going());
}

#[tokio::test]
async fn what_was_written_is_read_back_unless_somebody_else_wrote_it() {
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
    assert!(operator.applier.policy(&binding).await.unwrap().is_none(), "anybody could have written it");
}
