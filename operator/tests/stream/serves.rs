//! The listener: webhooks, limits, certificates, shutdown.

use http::{Request, StatusCode};
use http_body_util::BodyExt;
use hyper_util::rt::TokioIo;
use outrigger_sync::{FromGateway, Hello};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::client::{GatewayStream, RequestBody, SOON, connect, post, tls, until, whole};
use crate::world::{StreamWorld, certificate};

#[tokio::test]
async fn reviews_are_answered_over_both_versions_of_http() {
    let world = StreamWorld::new().await;
    // A large object and its previous version.
    let body = vec![b'x'; 3_500_000];
    let (status, answer) = post(&mut connect(&world).await, "/admit/pods?timeout=5s", whole(body.clone())).await;
    assert_eq!((status, answer), (StatusCode::OK, json!({"path": "/admit/pods", "bytes": 3_500_000})));
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
async fn other_requests_are_refused_with_a_reason() {
    let world = StreamWorld::new().await;
    let mut sender = connect(&world).await;
    let (status, answer) = post(&mut sender, "/metrics", whole("")).await;
    assert_eq!((status, answer["error"]["type"].as_str()), (StatusCode::NOT_FOUND, Some("not_found")));
    let (status, answer) = post(&mut sender, "/admit/pods", whole(vec![b'x'; (8 << 20) + 1])).await;
    let message = Some("the body is over 8 MiB");
    assert_eq!((status, answer["error"]["message"].as_str()), (StatusCode::PAYLOAD_TOO_LARGE, message));
    let request = Request::get("https://outrigger.test/v1/stream").body(whole("")).unwrap();
    assert_eq!(sender.send_request(request).await.unwrap().status(), StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn a_panic_in_a_review_fails_only_that_review() {
    let world = StreamWorld::new().await;
    let mut sender = connect(&world).await;
    let (status, answer) = post(&mut sender, "/admit/panics", whole("{}")).await;
    assert_eq!((status, answer["error"]["type"].as_str()), (StatusCode::INTERNAL_SERVER_ERROR, Some("internal")));
    assert_eq!(post(&mut sender, "/admit/pods", whole("{}")).await.0, StatusCode::OK);
}

#[tokio::test]
async fn a_certificate_is_replaced_while_streams_stay_open() {
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
    assert_eq!(stream.next().await, None);
    let served = world.served.lock().unwrap().take().unwrap();
    tokio::time::timeout(SOON, served).await.expect("the server ends").unwrap();
    assert!(tls(&world, b"h2").await.is_err());
}

/// An HTTP/2 request in one write: preface, empty settings, and a head with literal fields.
fn at_once(path: &str, authority: &str) -> Vec<u8> {
    let mut fields = vec![0x83, 0x87];
    for (name, value) in [(0x04, path), (0x01, authority)] {
        fields.extend([name, u8::try_from(value.len()).unwrap()]);
        fields.extend(value.as_bytes());
    }
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    bytes.extend([0, 0, 0, 4, 0, 0, 0, 0, 0]);
    bytes.extend([0, 0, u8::try_from(fields.len()).unwrap(), 1, 0x5, 0, 0, 0, 1]);
    bytes.extend(fields);
    bytes
}

/// Whether frames contain a response on stream 1.
fn is_answered(mut frames: &[u8]) -> bool {
    while let [a, b, c, kind, _, stream @ ..] = frames {
        let length = usize::from(*a) << 16 | usize::from(*b) << 8 | usize::from(*c);
        if *kind == 1 && stream.starts_with(&[0, 0, 0, 1]) {
            return true;
        }
        frames = stream.get(4 + length..).unwrap_or_default();
    }
    false
}

#[tokio::test]
async fn a_connection_from_before_the_shutdown_is_answered_although_its_request_comes_later() {
    let world = StreamWorld::new().await;
    let mut connection = tls(&world, b"h2").await.unwrap();
    world.stop.lock().unwrap().take();
    // The listener closes once the shutdown has begun.
    while TcpStream::connect(world.address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    connection.write_all(&at_once("/admit/pods", "outrigger.test")).await.unwrap();
    let mut frames = Vec::new();
    // The connection may end in any way afterwards.
    let _ = tokio::time::timeout(SOON, connection.read_to_end(&mut frames)).await.expect("it closes the connection");
    assert!(is_answered(&frames), "{frames:?}");
}

#[tokio::test]
async fn a_connection_for_a_stream_answers_nothing_else() {
    let world = StreamWorld::new().await;
    let token = world.pod("search-1", "search");
    let refused = GatewayStream::upgrade(&world, &token, "websocket").await.unwrap_err();
    let message = "a stream's connection is upgraded: send `connection: upgrade` and `upgrade: outrigger-stream/1`";
    assert_eq!((refused.status, refused.error["message"].as_str()), (StatusCode::UPGRADE_REQUIRED, Some(message)));
    for (request, status) in [
        ("POST /admit/pods HTTP/1.1", "404 Not Found"),
        ("GET /v1/stream HTTP/1.1", "405 Method Not Allowed"),
        ("POST /v1/stream HTTP/1.1", "426 Upgrade Required"),
    ] {
        let mut connection = tls(&world, outrigger_sync::PROTOCOL.as_bytes()).await.unwrap();
        let head = format!("{request}\r\nhost: outrigger.test\r\ncontent-length: 0\r\n\r\n");
        connection.write_all(head.as_bytes()).await.unwrap();
        let mut answer = String::new();
        // The server closes it.
        tokio::time::timeout(SOON, connection.read_to_string(&mut answer)).await.expect("an end").unwrap();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{request}: {answer}");
    }
    let mut connection = tls(&world, outrigger_sync::PROTOCOL.as_bytes()).await.unwrap();
    connection.write_all(b"no request\r\n\r\n").await.unwrap();
    // With or without an answer, the connection ends.
    let _ = tokio::time::timeout(SOON, connection.read_to_end(&mut Vec::new())).await.expect("an end");
    assert_eq!(world.hub.states().len(), 0);
}

#[tokio::test]
async fn what_a_gateway_sends_before_the_answer_is_part_of_its_stream() {
    let world = StreamWorld::new().await;
    let token = world.pod("search-1", "search");
    let mut connection = tls(&world, outrigger_sync::PROTOCOL.as_bytes()).await.unwrap();
    let mut bytes = format!(
        "POST /v1/stream HTTP/1.1\r\nhost: outrigger.test\r\nauthorization: Bearer {token}\r\n\
         connection: keep-alive, Upgrade\r\nupgrade: outrigger-stream/1\r\ncontent-length: 0\r\n\r\n"
    )
    .into_bytes();
    let hello = FromGateway::Hello(Hello { version: "0.1.0".to_owned(), formats: vec![1], ..Hello::default() });
    bytes.extend(outrigger_sync::write(&hello));
    connection.write_all(&bytes).await.unwrap();
    let state = until(&world, || world.hub.states().pop()).await;
    assert_eq!((state.pod.as_str(), state.version.as_str()), ("search-1", "0.1.0"));
    drop(connection);
    until(&world, || world.hub.states().is_empty().then_some(())).await;
}

#[tokio::test]
async fn an_older_gateway_opens_its_stream_over_http2() {
    let world = StreamWorld::new().await;
    let mut stream = GatewayStream::on(&mut connect(&world).await, &world.pod("search-1", "search")).await.unwrap();
    stream.hello(Hello::default()).await;
    world.hub.publish(&crate::world::written(1));
    assert_eq!(stream.policy().await.sequence, 1);
    stream.accepted(1).await;
    until(&world, || world.hub.states().pop().filter(|state| state.sequence == Some(1))).await;
}
