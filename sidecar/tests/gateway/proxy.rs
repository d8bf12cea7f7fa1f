//! Upstreams that are only reachable through a proxy.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::fake::{Fake, answer};
use crate::policies::{Running, chat, document, provider};
use crate::tls::http1;

/// The requests to a proxy, one for each connection.
type UpstreamRequest = Arc<Mutex<Vec<String>>>;

/// A proxy that connects every tunnel to `upstream`; without one it refuses.
async fn proxy(upstream: Option<SocketAddr>) -> (String, UpstreamRequest) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let asked = UpstreamRequest::default();
    let all = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let all = Arc::clone(&all);
            tokio::spawn(async move {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    head.push(client.read_u8().await.unwrap());
                }
                let head = String::from_utf8(head).unwrap();
                all.lock().unwrap().push(head.lines().next().unwrap().to_owned());
                let Some(upstream) = upstream else {
                    client.write_all(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n").await.unwrap();
                    return;
                };
                let mut server = TcpStream::connect(upstream).await.unwrap();
                client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await.unwrap();
                tokio::io::copy_bidirectional(&mut client, &mut server).await.ok();
            });
        }
    });
    (url, asked)
}

/// Only the proxy can resolve the provider's name, and TLS goes through the tunnel.
#[tokio::test]
async fn a_provider_is_reached_through_its_proxy() {
    let upstream = http1(std::time::Duration::ZERO, &[b"http/1.1"]).await;
    let (url, asked) = proxy(Some(upstream.address)).await;
    let mut secure = provider("secure", "https://localhost:9/v1");
    secure.ca = Some(upstream.pem.clone());
    secure.proxy = Some(url.clone());
    let running = Running::new(document(1, vec![secure])).await;
    for _ in 0..2 {
        let got = running.post("/v1/chat/completions", &chat("m")).await;
        assert_eq!(got.status, 200, "{}", got.text);
    }
    // One tunnel, whose connection is reused.
    assert_eq!(*asked.lock().unwrap(), ["CONNECT localhost:9 HTTP/1.1"]);

    let fake = Fake::always(answer("in clear text")).await;
    let (url, asked) =
        proxy(Some(fake.url.trim_start_matches("http://").trim_end_matches("/v1").parse().unwrap())).await;
    let mut clear = provider("clear", "http://models.nowhere.test:8000/v1");
    clear.proxy = Some(url);
    let running = Running::new(document(1, vec![clear])).await;
    let got = running.post("/v1/chat/completions", &chat("m")).await;
    assert_eq!(got.status, 200, "{}", got.text);
    assert_eq!(*asked.lock().unwrap(), ["CONNECT models.nowhere.test:8000 HTTP/1.1"]);
}

/// Providers with different proxies share no connection.
#[tokio::test]
async fn a_provider_without_a_proxy_is_called_directly() {
    let fake = Fake::always(answer("directly")).await;
    let (url, asked) = proxy(None).await;
    let mut refused = provider("first", &fake.url);
    refused.proxy = Some(url);
    let direct = provider("second", &fake.url);
    let running = Running::new(document(1, vec![refused, direct])).await;
    let got = running.post("/v1/chat/completions", &chat("m")).await;
    assert_eq!(got.status, 200, "{}", got.text);
    let record = running.record().await;
    assert_eq!(record["attempts"][0]["error"], "connect");
    assert_eq!(record["provider"], "second");
    assert_eq!(asked.lock().unwrap().len(), 1);
    assert!(!got.text.contains("CONNECT"));

    // If the proxy is unreachable, the error says so.
    let mut unreachable = provider("first", "https://api.nowhere.test/v1");
    unreachable.proxy = Some("http://127.0.0.1:1".to_owned());
    let running = Running::new(document(1, vec![unreachable])).await;
    let got = running.post("/v1/chat/completions", &chat("m")).await;
    assert_eq!(got.status, 502);
    assert!(got.text.contains("https://api.nowhere.test/v1: the proxy 127.0.0.1:1: "), "{}", got.text);
}
