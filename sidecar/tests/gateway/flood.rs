//! Floods of connections.

use std::process::Stdio;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::Command;

use crate::access::raw;
use crate::fake::{Act, Fake, answer};
use crate::free_addresses::free;
use crate::operator::{Pod, soon};
use crate::policies::{Running, chat, document, provider};

/// An incomplete head.
async fn slow_head(at: &str, bytes: usize) -> TcpStream {
    let mut stream = TcpStream::connect(at).await.unwrap();
    let head = format!("GET /healthz HTTP/1.1\r\nhost: localhost\r\nx-filler: {}", "a".repeat(bytes));
    // The connection may be closed by then.
    stream.write_all(head.as_bytes()).await.ok();
    stream
}

#[tokio::test]
async fn probes_succeed_during_a_flood_on_both_ports_with_few_descriptors() {
    let upstream = Fake::always(answer("hi")).await;
    let pod = Pod::new("");
    pod.write("policy/default_first-main_apiKey", "sk-1");
    pod.mount(&document(1, vec![provider("first", &upstream.url)]));
    let (clients, admin) = (free(), free());
    let sidecar = env!("CARGO_BIN_EXE_outrigger-sidecar");
    let mut limited = Command::new("sh");
    limited.args(["-c", "ulimit -n 256 && exec \"$0\" \"$@\"", sidecar]);
    limited.args(["--listen", &clients, "--admin", &admin]).arg("--policy").arg(pod.policy());
    let mut child = limited.stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true).spawn().unwrap();
    let probe = async |name: &str| {
        let asked = Command::new(sidecar).args(["probe", name, "--listen", &clients, "--admin", &admin]).output();
        soon("a probe", asked).await.unwrap().status.success()
    };
    soon("its start", async { while !probe("started").await {} }).await;
    let mut held = Vec::new();
    for _ in 0..300 {
        held.push(slow_head(&clients, 7_000).await);
        held.push(slow_head(&admin, 7_000).await);
    }
    assert!(child.try_wait().unwrap().is_none());
    let begun = Instant::now();
    for path in ["/healthz", "/readyz", "/metrics"] {
        let stream = TcpStream::connect(&admin).await.unwrap();
        let response = raw(stream, &format!("GET {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")).await;
        assert!(response.starts_with("HTTP/1.1 200"), "{path}: {response}");
    }
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    assert!(probe("started").await && probe("ready").await);
    // A client with a request is served.
    let url = format!("http://{clients}/v1/chat/completions");
    assert_eq!(reqwest::Client::new().post(url).json(&chat("m")).send().await.unwrap().status(), 200);
    child.kill().await.unwrap();
}

#[tokio::test]
async fn an_incomplete_head_times_out() {
    let running = Running::new(document(1, vec![provider("first", "http://127.0.0.1:9/v1")])).await;
    let settings = [0, 0, 0, 4, 0, 0, 0, 0, 0];
    let half_a_head = [0, 0, 5, 1, 0, 0, 0, 0, 1, 0x82, 0x86, 0x84, 0x41, 0x01];
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    let waits = [
        (running.admin, b"GET /healthz HTTP/1.1\r\nhost: a".to_vec()),
        (running.admin, b"G".to_vec()),
        (running.address, b"POST /v1/messages HTTP/1.1\r\n".to_vec()),
        // Neither of the two versions yet.
        (running.address, b"P".to_vec()),
        (running.address, preface[..20].to_vec()),
        (running.address, [&preface[..], &settings, &half_a_head].concat()),
    ]
    .map(|(at, bytes)| {
        tokio::spawn(async move {
            let mut stream = TcpStream::connect(at).await.unwrap();
            stream.write_all(&bytes).await.unwrap();
            // The HTTP/2 settings, and the end.
            let mut response = Vec::new();
            stream.read_to_end(&mut response).await.ok();
            response
        })
    });
    for wait in waits {
        let response = soon("its end", wait).await.unwrap();
        assert!(!response.starts_with(b"HTTP/1.1 2"), "{}", String::from_utf8_lossy(&response));
    }
}

#[tokio::test]
async fn heads_are_limited() {
    let running = Running::new(document(1, vec![provider("first", "http://127.0.0.1:9/v1")])).await;
    for (at, fits, too_long) in [(running.admin, 6_000, 9_000), (running.address, 30_000, 33_000)] {
        for (filler, status) in [(fits, "HTTP/1.1 404"), (too_long, "HTTP/1.1 431")] {
            let head = format!(
                "GET /nowhere HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\nx-filler: {}\r\n\r\n",
                "a".repeat(filler)
            );
            let response = raw(TcpStream::connect(at).await.unwrap(), &head).await;
            assert!(response.starts_with(status), "{filler}: {response}");
        }
    }
}

#[tokio::test]
async fn a_connection_serves_several_requests() {
    let upstream = Fake::always(answer("hi")).await;
    let running = Running::new(document(1, vec![provider("first", &upstream.url)])).await;
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    for _ in 0..3 {
        stream.write_all(b"GET /v1/models HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
        let mut response = [0; 12];
        stream.read_exact(&mut response).await.unwrap();
        assert_eq!(&response, b"HTTP/1.1 200");
        let mut rest = vec![0; 16_384];
        let _read = stream.read(&mut rest).await.unwrap();
    }
}

#[tokio::test]
async fn a_stopping_gateway_closes_waiting_connections() {
    let upstream = Fake::always(vec![Act::Silence]).await;
    let mut running = Running::new(document(1, vec![provider("first", &upstream.url)])).await;
    let mut waiting = Vec::new();
    for bytes in [&b""[..], b"P", b"GET /v1/models HTTP/1.1\r\n"] {
        let mut stream = TcpStream::connect(running.address).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        waiting.push(stream);
    }
    running.admin("/healthz").await;
    soon("its end", running.stop()).await.unwrap().unwrap();
}
