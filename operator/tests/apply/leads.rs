//! From events of watches to objects in the cluster. The clock is paused, and advances when all tasks are idle.

use std::sync::Arc;
use std::time::Duration;

use outrigger_core::ObjectRef;
use outrigger_operator::apply::Applier;
use outrigger_operator::certs::CaBundle;
use outrigger_operator::metrics::OperatorMetrics;
use outrigger_operator::objects::refs::{ValueKind, ValueRef};
use outrigger_operator::reconcile::Reconciler;
use outrigger_operator::runtime::health::Readiness;
use outrigger_operator::seal::Seal;
use outrigger_operator::state::caches::Caches;
use outrigger_operator::state::index::ObjectIndex;
use outrigger_operator::state::update::WatchUpdate;
use outrigger_operator::status::publisher::StatusPublisher;
use outrigger_operator::stream::Hub;
use outrigger_operator::watch::dispatch::{ClusterEvent, Dispatcher};
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::server::FakeApiServer;

const SEARCH: &str = "/api/v1/namespaces/shop/configmaps/outrigger-search";
const SECRET: &str = "/api/v1/namespaces/shop/secrets/outrigger-search";
const PAIR: &str = "/api/v1/namespaces/shop/configmaps/outrigger-search.batch";

struct LeadingOperator {
    server: FakeApiServer,
    dispatcher: Arc<Dispatcher>,
    leader: Arc<Reconciler>,
    _authorities: watch::Sender<Option<Arc<CaBundle>>>,
}

fn operator(server: &FakeApiServer) -> LeadingOperator {
    let caches = Arc::new(Caches::new(ObjectIndex::new("outrigger", false)));
    let (hub, metrics) = (Arc::new(Hub::default()), Arc::new(OperatorMetrics::new().unwrap()));
    let authorities = watch::Sender::new(Some(Arc::new(CaBundle::of("PEM".to_owned()))));
    let dispatcher = Arc::new(Dispatcher::new(Arc::clone(&caches), Readiness::default()));
    let applier = Arc::new(Applier::new(
        server.client(),
        Arc::clone(&caches),
        Arc::clone(&hub),
        Arc::clone(&metrics),
        authorities.subscribe(),
        "outrigger",
    ));
    let publisher =
        StatusPublisher::new(server.client(), Arc::clone(&caches), Arc::clone(&hub), Arc::clone(&metrics), "a");
    let leader = Arc::new(Reconciler::new(
        caches,
        Arc::clone(&dispatcher),
        applier,
        hub,
        Arc::new(publisher),
        Arc::default(),
        metrics,
    ));
    LeadingOperator { server: server.clone(), dispatcher, leader, _authorities: authorities }
}

impl LeadingOperator {
    fn notify(&self, events: Vec<ClusterEvent>) {
        self.leader.notify(self.dispatcher.apply(events));
    }

    /// Works until the queues have been empty for a while.
    async fn work(&self) {
        self.work_for(Duration::from_secs(5)).await;
    }

    async fn work_for(&self, time: Duration) {
        let working = async { tokio::join!(self.leader.plan_all(), self.leader.write_each()) };
        assert!(tokio::time::timeout(time, working).await.is_err());
    }
}

fn seal() -> Seal {
    Seal::of(&[7; 32]).unwrap()
}

fn key(name: &str) -> ClusterEvent {
    let object = json!({
        "metadata": {"name": name, "namespace": "shop", "uid": format!("uid-{name}"), "generation": 1, "resourceVersion": "1"},
        "spec": {},
    });
    ClusterEvent::Object { kind: "VirtualKey", update: WatchUpdate::Applied(serde_json::from_value(object).unwrap()) }
}

/// A provider with a credential in a Secret that has not been read.
fn provider() -> ClusterEvent {
    let object = json!({
        "metadata": {"name": "openai", "namespace": "shop", "uid": "p", "generation": 1, "resourceVersion": "1"},
        "spec": {"type": "OpenAI", "credentials": [{"name": "main", "secretRef": {"name": "openai", "key": "k"}}]},
    });
    ClusterEvent::Object { kind: "LLMProvider", update: WatchUpdate::Applied(serde_json::from_value(object).unwrap()) }
}

fn key_gone(name: &str) -> ClusterEvent {
    ClusterEvent::Object { kind: "VirtualKey", update: WatchUpdate::Deleted(place(name)) }
}

fn place(name: &str) -> ObjectRef {
    ObjectRef { namespace: "shop".to_owned(), name: name.to_owned() }
}

fn pod(name: &str, keys: &[&str]) -> ClusterEvent {
    let source = json!({"configMap": {"name": format!("outrigger-{}", keys.join("."))}});
    let object = json!({
        "metadata": {"name": name, "namespace": "shop", "uid": format!("uid-{name}")},
        "spec": {"volumes": [{"name": "outrigger-policy", "projected": {"sources": [source]}}]},
    });
    ClusterEvent::Pod(WatchUpdate::Applied(serde_json::from_value(object).unwrap()))
}

/// The event of the watch of generated ConfigMaps.
fn reported(server: &FakeApiServer, path: &str) -> ClusterEvent {
    let mut object = server.get(path).unwrap();
    object["metadata"]["namespace"] = json!("shop");
    ClusterEvent::Generated(WatchUpdate::Applied(serde_json::from_value(object).unwrap()))
}

fn document(server: &FakeApiServer, path: &str) -> Value {
    serde_json::from_str(server.get(path).unwrap()["data"]["policy.v1.json"].as_str().unwrap()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn only_the_leader_writes() {
    let operator = operator(&FakeApiServer::default());
    operator.notify(vec![key("search")]);
    operator.work().await;
    assert_eq!(operator.server.requests(), Vec::<String>::new());
    operator.leader.start(seal());
    operator.work().await;
    let object = operator.server.get(SEARCH).unwrap();
    assert_eq!(object["metadata"]["ownerReferences"][0]["uid"], json!("uid-search"));
    assert_eq!(document(&operator.server, SEARCH)["defaultKey"], json!("shop/search"));
    operator.leader.stop();
    operator.notify(vec![key("batch")]);
    operator.work().await;
    assert_eq!(operator.server.with(|stored| stored.objects.len()), 1);
}

#[tokio::test(start_paused = true)]
async fn the_next_leader_repeats_no_write() {
    let server = FakeApiServer::default();
    let first = operator(&server);
    first.leader.start(seal());
    first.notify(vec![key("search")]);
    first.work().await;
    let next = operator(&server);
    next.notify(vec![key("search"), reported(&server, SEARCH)]);
    server.requests();
    next.leader.start(seal());
    next.work().await;
    assert_eq!(server.requests(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_deleted_keys_policy_is_removed_unless_pods_are_bound_to_it() {
    let operator = operator(&FakeApiServer::default());
    operator.leader.start(seal());
    operator.notify(vec![key("search"), pod("app", &["search"])]);
    operator.work().await;
    operator.notify(vec![key_gone("search")]);
    operator.work().await;
    assert_eq!(document(&operator.server, SEARCH)["keys"], json!([]), "the pod's policy no longer has the key");
    operator.notify(vec![ClusterEvent::Pod(WatchUpdate::Deleted(place("app")))]);
    operator.work().await;
    assert_eq!(operator.server.get(SEARCH), None);
}

#[tokio::test(start_paused = true)]
async fn a_config_map_deleted_with_its_key_is_not_recreated() {
    let operator = operator(&FakeApiServer::default());
    operator.leader.start(seal());
    operator.notify(vec![key("search")]);
    operator.work().await;
    operator.server.with(|stored| stored.objects.clear());
    operator.server.requests();
    // Of the two watches, the ConfigMap's is faster.
    operator.notify(vec![ClusterEvent::Generated(WatchUpdate::Deleted(place("outrigger-search")))]);
    operator.notify(vec![key_gone("search")]);
    operator.work().await;
    assert_eq!(operator.server.requests(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_deleted_config_map_is_recreated() {
    let operator = operator(&FakeApiServer::default());
    operator.leader.start(seal());
    operator.notify(vec![key("search")]);
    operator.work().await;
    operator.server.with(|stored| stored.objects.clear());
    operator.notify(vec![ClusterEvent::Generated(WatchUpdate::Deleted(place("outrigger-search")))]);
    operator.work().await;
    assert!(operator.server.get(SEARCH).is_some());
}

#[tokio::test(start_paused = true)]
async fn a_binding_without_its_own_key_is_removed_after_a_while() {
    let operator = operator(&FakeApiServer::default());
    operator.leader.start(seal());
    operator.notify(vec![pod("app", &["search", "batch"])]);
    operator.work().await;
    operator.notify(vec![ClusterEvent::Pod(WatchUpdate::Deleted(place("app")))]);
    operator.work().await;
    assert!(operator.server.get(PAIR).is_some());
    // The policy is still updated meanwhile.
    operator.notify(vec![key("batch")]);
    operator.work().await;
    assert_eq!(document(&operator.server, PAIR)["keys"][0]["name"], json!("batch"));
    tokio::time::advance(Duration::from_secs(15 * 60)).await;
    operator.notify(vec![ClusterEvent::Tick]);
    operator.work().await;
    assert_eq!(operator.server.get(PAIR), None);
}

#[tokio::test(start_paused = true)]
async fn an_unreadable_secret_delays_only_dependent_namespaces_and_only_once() {
    let operator = operator(&FakeApiServer::default());
    operator.leader.start(seal());
    let other = json!({
        "metadata": {"name": "teller", "namespace": "wharf", "uid": "w", "generation": 1, "resourceVersion": "1"}, "spec": {},
    });
    let other = ClusterEvent::Object {
        kind: "VirtualKey",
        update: WatchUpdate::Applied(serde_json::from_value(other).unwrap()),
    };
    operator.notify(vec![provider(), key("search"), other]);
    operator.work_for(Duration::from_secs(1)).await;
    assert!(operator.server.get("/api/v1/namespaces/wharf/configmaps/outrigger-teller").is_some());
    assert_eq!(operator.server.get(SEARCH), None, "its Secret may still arrive");
    operator.work_for(Duration::from_secs(3)).await;
    assert!(operator.server.get(SEARCH).is_some());
    operator.notify(vec![key("batch")]);
    operator.work_for(Duration::from_secs(1)).await;
    assert!(operator.server.get("/api/v1/namespaces/shop/configmaps/outrigger-batch").is_some(), "it waited twice");
}

#[tokio::test(start_paused = true)]
async fn a_plan_does_not_wait_for_a_missing_secret() {
    let operator = operator(&FakeApiServer::default());
    operator.leader.start(seal());
    operator.notify(vec![provider(), key("search")]);
    operator.work_for(Duration::from_secs(1)).await;
    assert_eq!(operator.server.get(SEARCH), None);
    let wanted = ValueRef { holder: ValueKind::Secret, namespace: "shop".to_owned(), name: "openai".to_owned() };
    operator.notify(vec![ClusterEvent::Value { wanted, update: WatchUpdate::Listed }]);
    operator.work_for(Duration::from_secs(1)).await;
    assert!(operator.server.get(SEARCH).is_some());
}

#[tokio::test(start_paused = true)]
async fn a_late_policy_of_an_empty_namespace_is_removed() {
    let operator = operator(&FakeApiServer::default());
    operator.leader.start(seal());
    operator.notify(vec![key("search")]);
    operator.work().await;
    let object = operator.server.get(SEARCH).unwrap();
    operator.notify(vec![key_gone("search")]);
    operator.work().await;
    assert_eq!(operator.server.get(SEARCH), None);
    // The previous leader wrote it, and the watch reports it late.
    operator.server.with(|stored| stored.put(SEARCH, object));
    operator.notify(vec![reported(&operator.server, SEARCH)]);
    operator.work().await;
    assert_eq!(operator.server.get(SEARCH), None);
}

#[tokio::test(start_paused = true)]
async fn a_changed_generated_secret_is_corrected_within_an_hour() {
    let operator = operator(&FakeApiServer::default());
    operator.leader.start(seal());
    let object = json!({
        "metadata": {"name": "search", "namespace": "shop", "uid": "uid-search", "generation": 1, "resourceVersion": "1"},
        "spec": {"providers": [{"name": "openai"}]},
    });
    let key = ClusterEvent::Object {
        kind: "VirtualKey",
        update: WatchUpdate::Applied(serde_json::from_value(object).unwrap()),
    };
    let object = json!({
        "metadata": {"name": "openai", "namespace": "shop", "uid": "s", "resourceVersion": "1"}, "data": {"k": "c2s="},
    });
    let wanted = ValueRef { holder: ValueKind::Secret, namespace: "shop".to_owned(), name: "openai".to_owned() };
    let value = ClusterEvent::Value { wanted, update: WatchUpdate::Applied(serde_json::from_value(object).unwrap()) };
    operator.notify(vec![provider(), key]);
    operator.notify(vec![value]);
    operator.work().await;
    let data = |operator: &LeadingOperator| operator.server.get(SECRET).map(|secret| secret["data"].clone());
    let right = data(&operator).unwrap();
    for change in [None, Some(json!({}))] {
        operator.server.with(|stored| match change {
            None => drop(stored.objects.remove(SECRET)),
            Some(data) => {
                let mut secret = stored.objects[SECRET].clone();
                secret["data"] = data;
                stored.put(SECRET, secret);
            }
        });
        operator.work_for(Duration::from_secs(61 * 60)).await;
        assert_eq!(data(&operator).as_ref(), Some(&right));
    }
}
