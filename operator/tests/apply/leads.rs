//! From what watches tell to what stands in the cluster. The clock is stopped, and goes on when nothing is left to do.

use std::sync::Arc;
use std::time::Duration;

use outrigger_core::ObjectRef;
use outrigger_operator::apply::Applier;
use outrigger_operator::certs::CaBundle;
use outrigger_operator::metrics::OperatorMetrics;
use outrigger_operator::objects::refs::{ValueKind, ValueRef};
use outrigger_operator::reconcile::Reconciler;
use outrigger_operator::seal::Seal;
use outrigger_operator::server::health::Readiness;
use outrigger_operator::state::caches::Caches;
use outrigger_operator::state::index::ObjectIndex;
use outrigger_operator::status::publisher::StatusPublisher;
use outrigger_operator::stream::Hub;
use outrigger_operator::watch::dispatch::{ClusterEvent, Dispatcher};
use outrigger_operator::watch::watcher::WatchUpdate;
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
        self.leader.notify(self.dispatcher.take(events));
    }

    /// Works until nothing has been left to do for a while.
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
    ClusterEvent::Object { kind: "VirtualKey", update: WatchUpdate::Is(serde_json::from_value(object).unwrap()) }
}

/// With a credential in a Secret that nobody has read yet.
fn provider() -> ClusterEvent {
    let object = json!({
        "metadata": {"name": "openai", "namespace": "shop", "uid": "p", "generation": 1, "resourceVersion": "1"},
        "spec": {"type": "OpenAI", "credentials": [{"name": "main", "secretRef": {"name": "openai", "key": "k"}}]},
    });
    ClusterEvent::Object { kind: "LLMProvider", update: WatchUpdate::Is(serde_json::from_value(object).unwrap()) }
}

fn key_gone(name: &str) -> ClusterEvent {
    ClusterEvent::Object { kind: "VirtualKey", update: WatchUpdate::Gone(place(name)) }
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
    ClusterEvent::Pod(WatchUpdate::Is(serde_json::from_value(object).unwrap()))
}

/// What the watch of generated ConfigMaps would tell.
fn told(server: &FakeApiServer, path: &str) -> ClusterEvent {
    let mut object = server.get(path).unwrap();
    object["metadata"]["namespace"] = json!("shop");
    ClusterEvent::Generated(WatchUpdate::Is(serde_json::from_value(object).unwrap()))
}

fn document(server: &FakeApiServer, path: &str) -> Value {
    serde_json::from_str(server.get(path).unwrap()["data"]["policy.v1.json"].as_str().unwrap()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn nothing_is_written_before_this_replica_leads_and_everything_when_it_does() {
    let operator = operator(&FakeApiServer::default());
    operator.notify(vec![key("search")]);
    operator.work().await;
    assert_eq!(operator.server.asked(), Vec::<String>::new());
    operator.leader.begin(seal());
    operator.work().await;
    let object = operator.server.get(SEARCH).unwrap();
    assert_eq!(object["metadata"]["ownerReferences"][0]["uid"], json!("uid-search"));
    assert_eq!(document(&operator.server, SEARCH)["defaultKey"], json!("shop/search"));
    operator.leader.end();
    operator.notify(vec![key("batch")]);
    operator.work().await;
    assert_eq!(operator.server.with(|stored| stored.objects.len()), 1);
}

#[tokio::test(start_paused = true)]
async fn the_next_leader_writes_nothing_anew() {
    let server = FakeApiServer::default();
    let first = operator(&server);
    first.leader.begin(seal());
    first.notify(vec![key("search")]);
    first.work().await;
    let next = operator(&server);
    next.notify(vec![key("search"), told(&server, SEARCH)]);
    server.asked();
    next.leader.begin(seal());
    next.work().await;
    assert_eq!(server.asked(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_key_that_is_deleted_takes_its_policy_along_unless_pods_are_bound_to_it() {
    let operator = operator(&FakeApiServer::default());
    operator.leader.begin(seal());
    operator.notify(vec![key("search"), pod("app", &["search"])]);
    operator.work().await;
    operator.notify(vec![key_gone("search")]);
    operator.work().await;
    assert_eq!(document(&operator.server, SEARCH)["keys"], json!([]), "it is withdrawn, and the pod is told");
    operator.notify(vec![ClusterEvent::Pod(WatchUpdate::Gone(place("app")))]);
    operator.work().await;
    assert_eq!(operator.server.get(SEARCH), None);
}

#[tokio::test(start_paused = true)]
async fn what_goes_with_its_key_is_not_made_again() {
    let operator = operator(&FakeApiServer::default());
    operator.leader.begin(seal());
    operator.notify(vec![key("search")]);
    operator.work().await;
    operator.server.with(|stored| stored.objects.clear());
    operator.server.asked();
    // Two watches, and the ConfigMap's is quicker.
    operator.notify(vec![ClusterEvent::Generated(WatchUpdate::Gone(place("outrigger-search")))]);
    operator.notify(vec![key_gone("search")]);
    operator.work().await;
    assert_eq!(operator.server.asked(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn what_somebody_deletes_is_made_again() {
    let operator = operator(&FakeApiServer::default());
    operator.leader.begin(seal());
    operator.notify(vec![key("search")]);
    operator.work().await;
    operator.server.with(|stored| stored.objects.clear());
    operator.notify(vec![ClusterEvent::Generated(WatchUpdate::Gone(place("outrigger-search")))]);
    operator.work().await;
    assert!(operator.server.get(SEARCH).is_some());
}

#[tokio::test(start_paused = true)]
async fn what_no_key_keeps_stays_for_a_while_and_then_goes() {
    let operator = operator(&FakeApiServer::default());
    operator.leader.begin(seal());
    operator.notify(vec![pod("app", &["search", "batch"])]);
    operator.work().await;
    operator.notify(vec![ClusterEvent::Pod(WatchUpdate::Gone(place("app")))]);
    operator.work().await;
    assert!(operator.server.get(PAIR).is_some());
    // It is kept up to date meanwhile.
    operator.notify(vec![key("batch")]);
    operator.work().await;
    assert_eq!(document(&operator.server, PAIR)["keys"][0]["name"], json!("batch"));
    tokio::time::advance(Duration::from_secs(15 * 60)).await;
    operator.notify(vec![ClusterEvent::Tick]);
    operator.work().await;
    assert_eq!(operator.server.get(PAIR), None);
}

#[tokio::test(start_paused = true)]
async fn a_secret_that_can_not_be_read_holds_up_only_who_needs_it_and_only_once() {
    let operator = operator(&FakeApiServer::default());
    operator.leader.begin(seal());
    let other = json!({
        "metadata": {"name": "teller", "namespace": "wharf", "uid": "w", "generation": 1, "resourceVersion": "1"}, "spec": {},
    });
    let other =
        ClusterEvent::Object { kind: "VirtualKey", update: WatchUpdate::Is(serde_json::from_value(other).unwrap()) };
    operator.notify(vec![provider(), key("search"), other]);
    operator.work_for(Duration::from_secs(1)).await;
    assert!(operator.server.get("/api/v1/namespaces/wharf/configmaps/outrigger-teller").is_some());
    assert_eq!(operator.server.get(SEARCH), None, "its Secret may come yet");
    operator.work_for(Duration::from_secs(3)).await;
    assert!(operator.server.get(SEARCH).is_some());
    operator.notify(vec![key("batch")]);
    operator.work_for(Duration::from_secs(1)).await;
    assert!(operator.server.get("/api/v1/namespaces/shop/configmaps/outrigger-batch").is_some(), "waited for twice");
}

#[tokio::test(start_paused = true)]
async fn a_secret_that_is_known_to_be_missing_is_waited_for_no_longer() {
    let operator = operator(&FakeApiServer::default());
    operator.leader.begin(seal());
    operator.notify(vec![provider(), key("search")]);
    operator.work_for(Duration::from_secs(1)).await;
    assert_eq!(operator.server.get(SEARCH), None);
    let wanted = ValueRef { holder: ValueKind::Secret, namespace: "shop".to_owned(), name: "openai".to_owned() };
    operator.notify(vec![ClusterEvent::Value { wanted, update: WatchUpdate::Listed }]);
    operator.work_for(Duration::from_secs(1)).await;
    assert!(operator.server.get(SEARCH).is_some());
}

#[tokio::test(start_paused = true)]
async fn a_policy_that_shows_up_where_nothing_is_left_goes_as_well() {
    let operator = operator(&FakeApiServer::default());
    operator.leader.begin(seal());
    operator.notify(vec![key("search")]);
    operator.work().await;
    let object = operator.server.get(SEARCH).unwrap();
    operator.notify(vec![key_gone("search")]);
    operator.work().await;
    assert_eq!(operator.server.get(SEARCH), None);
    // Written by the leader before, and told late.
    operator.server.with(|stored| stored.put(SEARCH, object));
    operator.notify(vec![told(&operator.server, SEARCH)]);
    operator.work().await;
    assert_eq!(operator.server.get(SEARCH), None);
}

#[tokio::test(start_paused = true)]
async fn a_generated_secret_that_somebody_changes_is_put_right_in_a_while() {
    let operator = operator(&FakeApiServer::default());
    operator.leader.begin(seal());
    let object = json!({
        "metadata": {"name": "search", "namespace": "shop", "uid": "uid-search", "generation": 1, "resourceVersion": "1"},
        "spec": {"providers": [{"name": "openai"}]},
    });
    let key =
        ClusterEvent::Object { kind: "VirtualKey", update: WatchUpdate::Is(serde_json::from_value(object).unwrap()) };
    let object = json!({
        "metadata": {"name": "openai", "namespace": "shop", "uid": "s", "resourceVersion": "1"}, "data": {"k": "c2s="},
    });
    let wanted = ValueRef { holder: ValueKind::Secret, namespace: "shop".to_owned(), name: "openai".to_owned() };
    let value = ClusterEvent::Value { wanted, update: WatchUpdate::Is(serde_json::from_value(object).unwrap()) };
    operator.notify(vec![provider(), key]);
    operator.notify(vec![value]);
    operator.work().await;
    let data = |operator: &LeadingOperator| operator.server.get(SECRET).map(|secret| secret["data"].clone());
    let right = data(&operator).unwrap();
    for somebody in [None, Some(json!({}))] {
        operator.server.with(|stored| match somebody {
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
