//! What many connections hold at one time: heads and bodies that don't end, and answers that nobody reads.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::process::LIMIT;
use crate::{MIB, Scene};

/// As many as a test may have open where nobody gave it more descriptors.
const CONNECTIONS: usize = 400;

/// Each sends this, and no more; then each is read to its end. How many were told a status, and the most memory.
async fn hold(scene: &Scene, address: &str, connections: usize, text: &str) -> (Vec<u16>, usize) {
    scene.process.reset();
    let mut all = Vec::new();
    for _ in 0..connections {
        let mut stream = TcpStream::connect(address).await.unwrap();
        // One that has no room is closed, whatever it still sends.
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
async fn what_connections_hold_is_bounded() {
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

/// Operators may ask for much at once, and read none of it.
#[tokio::test(flavor = "multi_thread")]
async fn decisions_that_nobody_reads_are_bounded() {
    let scene = Scene::new().await;
    let names: Vec<String> = (0..32).map(|at| format!("\"ant/{at}{}\"", "n".repeat(400))).collect();
    let body = format!(r#"{{"model":"oai/m","messages":[],"fallbacks":[{}]}}"#, names.join(","));
    for _ in 0..20 {
        scene.ask(16, "/v1/chat/completions", body.clone().into_bytes()).await;
    }
    let url = scene.process.url("decisions?limit=1000");
    let told = reqwest::get(&url).await.unwrap().bytes().await.unwrap();
    assert!(told.len() > 2 * MIB, "{}", told.len());
    let address = url.strip_prefix("http://").and_then(|url| url.split('/').next()).unwrap().to_owned();
    let text = "GET /decisions?limit=1000 HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    let (statuses, peak) = hold(&scene, &address, 60, text).await;
    assert!(peak < LIMIT, "{} kB", peak >> 10);
    assert!(statuses.contains(&200), "{statuses:?}");
}
