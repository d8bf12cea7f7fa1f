//! Web pages, foreign host names, and pages that are only for callers on this machine.

use std::net::SocketAddr;

use outrigger_sidecar::access::Access;
use outrigger_sidecar::telemetry::records::Lines;
use outrigger_sidecar::{Gateway, Settings};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use crate::fake::{Fake, answer, json as fake_json, streamed_answer};
use crate::policies::{Running, chat, document, provider, secrets, streamed};

const APP: &str = "http://localhost:3000";

async fn allowing(origins: &[&str], hosts: &[&str], url: &str) -> Running {
    let access = Access::new(origins, hosts).unwrap();
    let gateway = Gateway::new(Settings { lines: Lines::Off, access, ..Settings::default() }).unwrap();
    let policy = document(1, vec![provider("first", url)]);
    let values = secrets(&policy);
    gateway.install(policy, &values).unwrap();
    Running::of(gateway).await
}

/// Sends these lines, and returns everything that comes back on the connection.
pub async fn raw(mut stream: TcpStream, request: &str) -> String {
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut response = Vec::new();
    stream.read_to_end(&mut response).await.ok();
    String::from_utf8_lossy(&response).into_owned()
}

async fn get(at: SocketAddr, target: &str, lines: &str) -> String {
    let stream = TcpStream::connect(at).await.unwrap();
    raw(stream, &format!("GET {target} HTTP/1.1\r\n{lines}connection: close\r\n\r\n")).await
}

async fn post(running: &Running, target: &str, lines: &str) -> String {
    let body = chat("m").to_string();
    let length = body.len();
    let stream = TcpStream::connect(running.address).await.unwrap();
    let head = format!("POST {target} HTTP/1.1\r\n{lines}content-length: {length}\r\nconnection: close\r\n\r\n{body}");
    raw(stream, &head).await
}

#[tokio::test]
async fn a_web_page_is_refused_before_its_request_is_read_or_charged() {
    let upstream = Fake::always(answer("hi")).await;
    let running = Running::new(document(1, vec![provider("first", &upstream.url)])).await;
    let port = running.address.port();
    let path = "/v1/chat/completions";
    for (target, lines, kind) in [
        (
            path,
            "host: localhost\r\norigin: https://evil.example\r\ncontent-type: text/plain\r\n".to_owned(),
            "origin_blocked",
        ),
        (path, "host: localhost\r\norigin: null\r\n".to_owned(), "origin_blocked"),
        (path, format!("host: localhost:{port}\r\norigin: http://localhost:{port}\r\n"), "origin_blocked"),
        (
            path,
            "host: localhost\r\norigin: http://a.example\r\norigin: http://b.example\r\n".to_owned(),
            "origin_blocked",
        ),
        (path, "host: localhost\r\nsec-fetch-site: cross-site\r\n".to_owned(), "origin_blocked"),
        (path, "host: evil.example\r\n".to_owned(), "host_blocked"),
        (path, format!("host: evil.example:{port}\r\norigin: http://evil.example:{port}\r\n"), "host_blocked"),
        (path, "host: localhost.evil.example\r\n".to_owned(), "host_blocked"),
        ("http://evil.example/v1/chat/completions", "host: localhost\r\n".to_owned(), "host_blocked"),
    ] {
        let response = post(&running, target, &lines).await;
        assert!(response.starts_with("HTTP/1.1 403") && response.contains(kind), "{lines}{response}");
        assert!(!response.contains("access-control-"), "{response}");
    }
    // The gateway does not wait for the body either.
    let stream = TcpStream::connect(running.address).await.unwrap();
    let head =
        format!("POST {path} HTTP/1.1\r\nhost: evil.example\r\ncontent-length: 100\r\nconnection: close\r\n\r\n");
    assert!(raw(stream, &head).await.starts_with("HTTP/1.1 403"));
    assert_eq!(upstream.asked().len(), 0);
    assert_eq!(running.admin("/decisions").await, json!([]), "no other record is displaced");
    let metrics = reqwest::get(format!("http://{}/metrics", running.admin)).await.unwrap().text().await.unwrap();
    assert!(metrics.contains("outrigger_refusals_total{type=\"origin_blocked\"} 5"), "{metrics}");
    for host in [format!("localhost:{port}"), "127.0.0.1".to_owned(), format!("[::1]:{port}"), "localhost.".to_owned()]
    {
        let response = post(&running, path, &format!("host: {host}\r\n")).await;
        assert!(response.starts_with("HTTP/1.1 200"), "{host}: {response}");
    }
}

#[tokio::test]
async fn http2_host_names_are_checked_too() {
    let upstream = Fake::always(answer("hi")).await;
    let running = Running::new(document(1, vec![provider("first", &upstream.url)])).await;
    // A client with a rebound name sends it as `:authority`.
    let rebound = reqwest::Client::builder().http2_prior_knowledge().resolve("evil.example", running.address);
    let url = format!("http://evil.example:{}/v1/chat/completions", running.address.port());
    let got = running.send(rebound.build().unwrap().post(url).json(&chat("m"))).await;
    assert_eq!((got.status, got.json()["error"]["type"].as_str()), (403, Some("host_blocked")));
    let client = reqwest::Client::builder().http2_prior_knowledge().build().unwrap();
    let post = || client.post(running.url("/v1/chat/completions")).json(&chat("m"));
    assert_eq!(running.send(post().header("host", "evil.example")).await.status, 403);
    assert_eq!(running.send(post().header("origin", "null")).await.status, 403);
    assert_eq!(upstream.asked().len(), 0);
    assert_eq!(running.send(post()).await.status, 200);
}

#[tokio::test]
async fn a_page_of_an_allowed_origin_can_read_every_answer() {
    let upstream =
        Fake::new(vec![streamed_answer("streamed"), answer("whole"), fake_json(422, r#"{"error":{"message":"no"}}"#)])
            .await;
    let running = allowing(&[APP], &["gateway.internal"], &upstream.url).await;
    let client = reqwest::Client::new();
    let url = running.url("/v1/chat/completions");
    let preflight = client.request(reqwest::Method::OPTIONS, &url).header("origin", APP);
    let preflight = preflight.header("access-control-request-method", "POST");
    let got = running.send(preflight.header("access-control-request-headers", "authorization,x-stainless-os")).await;
    assert_eq!((got.status, got.header("access-control-allow-origin")), (204, Some(APP)));
    assert_eq!(got.header("access-control-allow-headers"), Some("authorization,x-stainless-os"));
    let mut unknown = chat("m");
    unknown["model"] = json!("");
    for (body, status) in [(streamed("m"), 200), (chat("m"), 200), (chat("m"), 422), (unknown, 400)] {
        let got = running
            .send(client.post(&url).header("origin", APP).header("sec-fetch-site", "same-site").json(&body))
            .await;
        assert_eq!((got.status, got.header("access-control-allow-origin")), (status, Some(APP)), "{}", got.text);
        assert!(got.header("vary").is_some_and(|vary| vary.contains("Origin")));
        assert!(
            got.header("access-control-expose-headers")
                .is_some_and(|response| response.contains("x-outrigger-decision"))
        );
    }
    let nowhere = running.send(client.get(running.url("/nowhere")).header("origin", APP)).await;
    assert_eq!((nowhere.status, nowhere.header("access-control-allow-origin")), (404, Some(APP)));
    assert_eq!(
        running.send(client.post(&url).header("origin", "http://localhost:3001").json(&chat("m"))).await.status,
        403
    );
    upstream.play(answer("hi"));
    let response = post(&running, "/v1/chat/completions", "host: gateway.internal:4180\r\n").await;
    assert!(response.starts_with("HTTP/1.1 200"), "{response}");
    // Headers about the page are not passed on.
    for request in upstream.asked() {
        assert!(
            !request.head.to_lowercase().contains("origin") && !request.head.contains("sec-fetch"),
            "{}",
            request.head
        );
    }
}

#[tokio::test]
async fn local_pages_are_refused_to_web_pages_and_to_a_mesh() {
    let running = allowing(&[APP], &["gateway.internal"], "http://127.0.0.1:9/v1").await;
    let port = running.admin.port();
    for path in ["/policy", "/decisions", "/decisions?limit=1"] {
        for lines in [
            "host: evil.example\r\n".to_owned(),
            "host: gateway.internal\r\n".to_owned(),
            format!("host: 127.0.0.1:{port}\r\norigin: {APP}\r\n"),
            format!("host: 127.0.0.1:{port}\r\nsec-fetch-site: cross-site\r\n"),
            format!("host: 127.0.0.1:{port}\r\nx-forwarded-for: 10.0.0.9\r\n"),
        ] {
            let response = get(running.admin, path, &lines).await;
            assert!(response.starts_with("HTTP/1.1 403"), "{path} {lines}{response}");
        }
        let response = get(running.admin, path, &format!("host: localhost:{port}\r\n")).await;
        assert!(response.starts_with("HTTP/1.1 200"), "{path} {response}");
        // A service mesh forwards remote callers from loopback, from another address of it.
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.6:0".parse().unwrap()).unwrap();
        let stream = socket.connect(running.admin).await.unwrap();
        let response =
            raw(stream, &format!("GET {path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nconnection: close\r\n\r\n")).await;
        assert!(response.starts_with("HTTP/1.1 403"), "{path} {response}");
    }
    // Probes and scrapes may use any host name and any proxy.
    for path in ["/healthz", "/readyz", "/startedz", "/metrics"] {
        let response = get(running.admin, path, "host: 10.1.2.3:4181\r\nx-forwarded-for: 10.0.0.9\r\n").await;
        assert!(response.starts_with("HTTP/1.1 200"), "{path} {response}");
    }
}
