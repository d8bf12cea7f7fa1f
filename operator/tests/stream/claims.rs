//! What gateways report, and what is written as a result.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use http::{Method, Request, Response};
use http_body_util::BodyExt;
use kube::Client;
use kube::client::Body;
use outrigger_operator::apply::Applier;
use outrigger_operator::certs::CaBundle;
use outrigger_operator::metrics::OperatorMetrics;
use outrigger_operator::reconcile::Reconciler;
use outrigger_operator::runtime::health::Readiness;
use outrigger_operator::seal::Seal;
use outrigger_operator::state::caches::Caches;
use outrigger_operator::state::index::ObjectIndex;
use outrigger_operator::state::update::WatchUpdate;
use outrigger_operator::status::publisher::StatusPublisher;
use outrigger_operator::watch::dispatch::{ClusterEvent, Dispatcher};
use outrigger_sync::Hello;
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};

use crate::client::{GatewayStream, until};
use crate::world::{StreamWorld, binding, now};

/// An API server that accepts everything, and sends the names of written objects in order.
fn client(written: mpsc::UnboundedSender<String>) -> Client {
    let version = Arc::new(AtomicU64::new(1));
    let service = tower::service_fn(move |request: Request<Body>| {
        let (written, version) = (written.clone(), Arc::clone(&version));
        async move {
            let (head, body) = request.into_parts();
            let body = body.collect().await.unwrap().to_bytes();
            let (code, object) = match head.method {
                Method::PATCH => {
                    let mut object: Value = serde_json::from_slice(&body).unwrap();
                    object["metadata"]["uid"] = object["metadata"]["name"].clone();
                    object["metadata"]["resourceVersion"] = json!(version.fetch_add(1, Ordering::SeqCst).to_string());
                    written.send(object["metadata"]["name"].as_str().unwrap().to_owned()).unwrap();
                    (200, object)
                }
                _ => (404, json!({"kind": "Status", "status": "Failure", "code": 404, "reason": "NotFound"})),
            };
            let body = Body::from(object.to_string().into_bytes());
            Ok::<_, Infallible>(Response::builder().status(code).body(body).unwrap())
        }
    });
    Client::new(service, "outrigger")
}

fn key(name: &str) -> ClusterEvent {
    let object = json!({
        "metadata": {"name": name, "namespace": "shop", "uid": name, "generation": 1, "resourceVersion": "1"}, "spec": {},
    });
    ClusterEvent::Object { kind: "VirtualKey", update: WatchUpdate::Applied(serde_json::from_value(object).unwrap()) }
}

#[tokio::test]
async fn a_higher_sequence_is_followed_at_once_and_repeated_ones_are_not() {
    let world = StreamWorld::new().await;
    let (names, mut written) = mpsc::unbounded_channel();
    let client = client(names);
    let caches = Arc::new(Caches::new(ObjectIndex::new("outrigger", false)));
    let (hub, metrics) = (Arc::clone(&world.hub), Arc::new(OperatorMetrics::new().unwrap()));
    let authorities = watch::Sender::new(Some(Arc::new(CaBundle::of("PEM".to_owned()))));
    let dispatcher = Arc::new(Dispatcher::new(Arc::clone(&caches), Readiness::default()));
    let bundle = authorities.subscribe();
    let (of_caches, of_hub, of_metrics) = (Arc::clone(&caches), Arc::clone(&hub), Arc::clone(&metrics));
    let applier = Arc::new(Applier::new(client.clone(), of_caches, of_hub, of_metrics, bundle, "outrigger"));
    let publisher =
        Arc::new(StatusPublisher::new(client, Arc::clone(&caches), Arc::clone(&hub), Arc::clone(&metrics), "a"));
    let leader =
        Arc::new(Reconciler::new(caches, Arc::clone(&dispatcher), applier, hub, publisher, Arc::default(), metrics));
    leader.start(Seal::of(&[7; 32]).unwrap());
    let working = Arc::clone(&leader);
    let working = tokio::spawn(async move { tokio::join!(working.plan_all(), working.write_each()) });
    leader.notify(dispatcher.apply(vec![key("search")]));
    assert_eq!(written.recv().await.unwrap(), "outrigger-search");

    let ahead = u64::try_from(now()).unwrap() + 1_000;
    let mut gateway = GatewayStream::open(&world, &world.pod("search-1", "search")).await.unwrap();
    gateway.hello(Hello { sequence: Some(ahead), ..Hello::default() }).await;
    let claims = |sequence| world.hub.highest(&binding()).filter(|highest| *highest == sequence);
    until(&world, || claims(ahead)).await;
    leader.follow_gateways();
    assert_eq!(written.recv().await.unwrap(), "outrigger-search");
    assert_eq!(gateway.policy().await.sequence, ahead + 1);
    for further in 1..=10 {
        gateway.accepted(ahead + 100 * further).await;
        until(&world, || claims(ahead + 100 * further)).await;
        leader.follow_gateways();
    }
    // Everything that was due earlier has been written by now.
    leader.notify(dispatcher.apply(vec![key("batch")]));
    assert_eq!(written.recv().await.unwrap(), "outrigger-batch");
    // The plan caused a check of the policy, and no write.
    leader.notify(dispatcher.apply(vec![key("zoo")]));
    assert_eq!(written.recv().await.unwrap(), "outrigger-zoo");
    working.abort();
}
