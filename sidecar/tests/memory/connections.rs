//! Memory of many connections: incomplete heads and bodies, and answers that nobody reads.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Barrier;

use crate::process::LIMIT;
use crate::{MIB, Scene};

/// As many connections as a test may have open with the default limit of descriptors.
const CONNECTIONS: usize = 400;

/// Sends this text on each connection, then reads each to its end. Returns the statuses that came, and the peak of
/// memory.
async fn hold(scene: &Scene, address: &str, connections: usize, text: &str) -> (Vec<u16>, usize) {
    scene.process.reset();
    let mut all = Vec::new();
    for _ in 0..connections {
        let mut stream = TcpStream::connect(address).await.unwrap();
        // A connection beyond the limit is closed while it sends.
        if stream.write_all(text.as_bytes()).await.is_ok() {
            all.push(stream);
        }
    }
    let mut statuses = Vec::new();
    for mut stream in all {
        stream.shutdown().await.ok();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.ok();
        let status = answer.get(9..12).and_then(|digits| std::str::from_utf8(digits).ok()?.parse::<u16>().ok());
        statuses.extend(status);
    }
    (statuses, scene.process.peak())
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_of_incomplete_requests_is_bounded() {
    let scene = Scene::new().await;
    let head = "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\n";
    let fields: String = (0..95).map(|at| format!("x-{at}: {}\r\n", "v".repeat(300))).collect();
    let long = "v".repeat(31_000);
    for (name, text) in [
        ("a head without an end", format!("{head}x: {long}")),
        ("many fields", format!("{head}{fields}")),
        ("a long head, and a body without an end", format!("{head}content-length: 10\r\nx: {long}\r\n\r\n{{")),
        ("many fields, and a body without an end", format!("{head}content-length: 10\r\n{fields}\r\n{{")),
        ("two thirds of a body", format!("{head}content-length: 300000\r\n\r\n{}", " ".repeat(200_000))),
    ] {
        let (statuses, peak) = hold(&scene, &scene.process.clients, CONNECTIONS, &text).await;
        assert!(peak < LIMIT, "{name}: {} kB", peak >> 10);
        assert!(statuses.iter().all(|status| matches!(status, 400 | 503)), "{name}: {statuses:?}");
    }
}

/// Operators may send many requests at once, and read no response.
#[tokio::test(flavor = "multi_thread")]
async fn memory_of_unread_decisions_is_bounded() {
    let scene = Scene::new().await;
    let names: Vec<String> = (0..32).map(|at| format!("\"ant/{at}{}\"", "n".repeat(400))).collect();
    let body = format!(r#"{{"model":"oai/m","messages":[],"fallbacks":[{}]}}"#, names.join(","));
    for _ in 0..20 {
        scene.ask(16, "/v1/chat/completions", body.clone().into_bytes()).await;
    }
    let url = scene.process.url("decisions?limit=1000");
    let body = reqwest::get(&url).await.unwrap().bytes().await.unwrap();
    assert!(body.len() > 2 * MIB, "{}", body.len());
    let address = url.strip_prefix("http://").and_then(|url| url.split('/').next()).unwrap().to_owned();
    let text = "GET /decisions?limit=1000 HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    let (statuses, peak) = hold(&scene, &address, 60, text).await;
    assert!(peak < LIMIT, "{} kB", peak >> 10);
    assert!(statuses.contains(&200), "{statuses:?}");
}

/// HTTP/2 heads of the longest allowed kind, which are expensive in different ways: by their length, by HPACK, which
/// repeats a field of 3 kB with one byte, and by the number of their fields.
fn heads() -> [(&'static str, HeaderMap); 3] {
    let long = [(HeaderName::from_static("x"), "v".repeat(31_000))].into_iter().collect();
    let repeated = (0..10).map(|_| (HeaderName::from_static("x"), "v".repeat(3_000))).collect();
    let many = (0..850).map(|at| (HeaderName::try_from(format!("x{at}")).unwrap(), String::new())).collect();
    [("a long field", long), ("a field that is repeated", repeated), ("many fields", many)].map(
        |(name, fields): (_, Vec<_>)| {
            let values = fields.into_iter().map(|(name, value)| (name, HeaderValue::try_from(value).unwrap()));
            let mut head = HeaderMap::new();
            values.for_each(|(name, value)| {
                head.append(name, value);
            });
            (name, head)
        },
    )
}

/// Opens as many requests on a connection as are accepted, without the end of their bodies, then ends them. Returns the
/// statuses that came. A connection beyond the limit of memory is closed.
async fn open_many(address: String, head: HeaderMap, streams: usize, ends: Arc<Barrier>) -> Vec<u16> {
    let (mut client, connection) = h2::client::handshake(TcpStream::connect(address).await.unwrap()).await.unwrap();
    let driver = tokio::spawn(connection);
    let mut open = Vec::new();
    for _ in 0..streams {
        let Ok(ready) = client.ready().await else { break };
        client = ready;
        let mut request = Request::post("http://localhost/v1/chat/completions").body(()).unwrap();
        request.headers_mut().clone_from(&head);
        let Ok((answer, mut body)) = client.send_request(request, false) else { break };
        // A stream that was refused already accepts no data.
        let _ = body.send_data(Bytes::from_static(b"{"), false);
        open.push((answer, body));
    }
    ends.wait().await;
    let mut statuses = Vec::new();
    for (answer, mut body) in open {
        let _ = body.send_data(Bytes::new(), true);
        statuses.extend(answer.await.ok().map(|answer| answer.status().as_u16()));
    }
    driver.abort();
    statuses
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_of_http2_heads_is_bounded() {
    let scene = Scene::new().await;
    for (name, head) in heads() {
        for (connections, streams) in [(8, 120), (64, 40)] {
            scene.process.reset();
            let ends = Arc::new(Barrier::new(connections));
            let opening = (0..connections)
                .map(|_| open_many(scene.process.clients.clone(), head.clone(), streams, Arc::clone(&ends)));
            let statuses: Vec<u16> = futures_util::future::join_all(opening).await.into_iter().flatten().collect();
            let peak = scene.process.peak();
            if std::env::var_os("OUTRIGGER_FIGURES").is_some() {
                let busy = statuses.iter().filter(|status| **status == 503).count();
                eprintln!(
                    "{:6.1} MiB  {connections} x {streams}  {} answers, {busy} 503  {name}",
                    peak as f64 / MIB as f64,
                    statuses.len()
                );
                continue;
            }
            assert!(peak < LIMIT, "{name}, {connections} connections: {} kB", peak >> 10);
            // On a busy machine, the wait for a body may time out.
            assert!(statuses.iter().all(|status| matches!(status, 400 | 408 | 503)), "{name}: {statuses:?}");
            // Connections beyond the limit were closed; a new client is served.
            let body = br#"{"model":"oai/m","messages":[{"role":"user","content":"hi"}]}"#;
            assert_eq!(scene.tries(name, 1, "/v1/chat/completions", body.to_vec()).await, [200], "{name}");
        }
    }
}
