//! The listener: webhooks, limits, certificates, the end.

use http::{Request, StatusCode};
use http_body_util::BodyExt;
use hyper_util::rt::TokioIo;
use serde_json::json;

use crate::client::{GatewayStream, RequestBody, SOON, connect, post, tls, until, whole};
use crate::world::{StreamWorld, certificate};

#[tokio::test]
async fn reviews_are_answered_over_both_versions_of_http() {
    let world = StreamWorld::new().await;
    // An object and the one that it replaces.
    let body = vec![b'x'; 3_500_000];
    let (status, told) = post(&mut connect(&world).await, "/admit/pods?timeout=5s", whole(body.clone())).await;
    assert_eq!((status, told), (StatusCode::OK, json!({"path": "/admit/pods", "bytes": 3_500_000})));
    let stream = tls(&world, b"http/1.1").await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake::<_, RequestBody>(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    for _ in 0..2 {
        let request = Request::post("/admit/workloads").header("host", "outrigger.test").body(whole(body.clone()));
        let response = sender.send_request(request.unwrap()).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        response.into_body().collect().await.unwrap();
    }
}

#[tokio::test]
async fn what_is_not_for_here_is_refused_with_a_reason() {
    let world = StreamWorld::new().await;
    let mut sender = connect(&world).await;
    let (status, told) = post(&mut sender, "/metrics", whole("")).await;
    assert_eq!((status, told["error"]["type"].as_str()), (StatusCode::NOT_FOUND, Some("not_found")));
    let (status, told) = post(&mut sender, "/admit/pods", whole(vec![b'x'; (8 << 20) + 1])).await;
    let message = Some("the body is over 8 MiB");
    assert_eq!((status, told["error"]["message"].as_str()), (StatusCode::PAYLOAD_TOO_LARGE, message));
    let request = Request::get("https://outrigger.test/v1/stream").body(whole("")).unwrap();
    assert_eq!(sender.send_request(request).await.unwrap().status(), StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn a_review_that_panics_is_answered_and_the_next_one_is_too() {
    let world = StreamWorld::new().await;
    let mut sender = connect(&world).await;
    let (status, told) = post(&mut sender, "/admit/panics", whole("{}")).await;
    assert_eq!((status, told["error"]["type"].as_str()), (StatusCode::INTERNAL_SERVER_ERROR, Some("internal")));
    assert_eq!(post(&mut sender, "/admit/pods", whole("{}")).await.0, StatusCode::OK);
}

#[tokio::test]
async fn a_certificate_is_exchanged_while_streams_go_on() {
    let world = StreamWorld::new().await;
    let mut stream = GatewayStream::new(&world, &world.pod("search-1", "search")).await;
    until(&world, || world.hub.states().pop()).await;
    let (certified, authority) = certificate();
    *world.shown.0.lock().unwrap() = certified;
    assert!(tls(&world, b"h2").await.is_err(), "only the new one is shown");
    *world.authority.lock().unwrap() = authority;
    assert_eq!(post(&mut connect(&world).await, "/admit/pods", whole("{}")).await.0, StatusCode::OK);
    world.hub.publish(&crate::world::written(1));
    assert_eq!(stream.policy().await.sequence, 1);
}

#[tokio::test]
async fn on_shutdown_streams_end_and_the_server_with_them() {
    let world = StreamWorld::new().await;
    let mut stream = GatewayStream::new(&world, &world.pod("search-1", "search")).await;
    until(&world, || world.hub.states().pop()).await;
    world.stop.lock().unwrap().take();
    assert_eq!(stream.hear().await, None);
    let served = world.served.lock().unwrap().take().unwrap();
    tokio::time::timeout(SOON, served).await.expect("the server ends").unwrap();
    assert!(tls(&world, b"h2").await.is_err());
}
