//! Upstreams behind TLS.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http_body_util::Full;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::net::TcpListener;
use tokio::sync::Barrier;
use tokio_rustls::TlsAcceptor;

use crate::fake::completion;
use crate::policies::{Running, chat, document, provider};

/// An upstream whose certificate only `pem` verifies, with two streams for each connection. It answers when `together`
/// requests have arrived.
pub struct Http2 {
    pub address: SocketAddr,
    pub pem: String,
    connections: Arc<AtomicUsize>,
}

/// A TLS acceptor for `localhost`, and the certificate that verifies it.
pub fn certified(alpn: &[&[u8]]) -> (TlsAcceptor, String) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    (TlsAcceptor::from(Arc::new(config)), made.cert.pem())
}

async fn http2(together: usize) -> Http2 {
    let (acceptor, pem) = certified(&[b"h2"]);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let connections = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&connections);
    let barrier = Arc::new(Barrier::new(together));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, barrier, counted) = (acceptor.clone(), Arc::clone(&barrier), Arc::clone(&counted));
            tokio::spawn(async move {
                let Ok(stream) = acceptor.accept(stream).await else { return };
                counted.fetch_add(1, Ordering::SeqCst);
                let service = service_fn(move |request: http::Request<hyper::body::Incoming>| {
                    let barrier = Arc::clone(&barrier);
                    async move {
                        assert_eq!(request.uri().path(), "/v1/chat/completions");
                        barrier.wait().await;
                        let answer = http::Response::builder()
                            .header("content-type", "application/json")
                            .body(Full::new(bytes::Bytes::from(completion("over h2"))));
                        Ok::<_, std::convert::Infallible>(answer.unwrap())
                    }
                });
                let mut builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                builder.max_concurrent_streams(2);
                builder.serve_connection(TokioIo::new(stream), service).await.ok();
            });
        }
    });
    Http2 { address, pem, connections }
}

#[tokio::test]
async fn a_new_connection_is_opened_before_a_request_has_to_wait_for_a_stream() {
    let upstream = http2(6).await;
    let mut one = provider("first", &format!("https://localhost:{}/v1", upstream.address.port()));
    one.ca = Some(upstream.pem.clone());
    let running = Running::new(document(1, vec![one])).await;
    // All six are answered only when all six have arrived, which is impossible on one connection.
    let body = chat("m");
    let all = (0..6).map(|_| running.post("/v1/chat/completions", &body));
    for got in futures_util::future::join_all(all).await {
        assert_eq!(got.status, 200, "{}", got.text);
        assert!(got.text.contains("over h2"));
    }
    assert!(upstream.connections.load(Ordering::SeqCst) >= 3);
}

#[tokio::test]
async fn an_untrusted_certificate_is_a_tls_failure() {
    let upstream = http2(1).await;
    let one = provider("first", &format!("https://localhost:{}/v1", upstream.address.port()));
    let running = Running::new(document(1, vec![one])).await;
    let got = running.post("/v1/chat/completions", &chat("m")).await;
    assert_eq!((got.status, got.json()["error"]["type"].as_str()), (502, Some("upstream_unreachable")));
    assert_eq!(running.record().await["attempts"][0]["error"], "tls");
}

/// An HTTP/1.1 upstream behind TLS with slow handshakes. `alpn`: the protocols that it offers.
pub async fn http1(handshake: std::time::Duration, alpn: &[&[u8]]) -> Http2 {
    let (acceptor, pem) = certified(alpn);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let connections = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&connections);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, counted) = (acceptor.clone(), Arc::clone(&counted));
            tokio::spawn(async move {
                tokio::time::sleep(handshake).await;
                let Ok(stream) = acceptor.accept(stream).await else { return };
                counted.fetch_add(1, Ordering::SeqCst);
                let service = service_fn(|_: http::Request<hyper::body::Incoming>| async {
                    let answer = http::Response::builder()
                        .header("content-type", "application/json")
                        .body(Full::new(bytes::Bytes::from(completion("over 1.1"))));
                    Ok::<_, std::convert::Infallible>(answer.unwrap())
                });
                hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await.ok();
            });
        }
    });
    Http2 { address, pem, connections }
}

#[tokio::test]
async fn a_cold_start_on_http1_opens_connections_in_parallel() {
    for alpn in [&[&b"http/1.1"[..]][..], &[]] {
        let upstream = http1(std::time::Duration::from_millis(250), alpn).await;
        let mut one = provider("first", &format!("https://localhost:{}/v1", upstream.address.port()));
        one.ca = Some(upstream.pem.clone());
        one.max_attempts = Some(1);
        // Enough time for two handshakes one after another, but not for twelve.
        one.timeouts.connect = Some(900);
        let running = Running::new(document(1, vec![one])).await;
        let body = chat("m");
        let all = (0..12).map(|_| running.post("/v1/chat/completions", &body));
        for got in futures_util::future::join_all(all).await {
            assert_eq!(got.status, 200, "{}", got.text);
        }
        assert!(upstream.connections.load(Ordering::SeqCst) >= 6, "in parallel");
    }
}

/// `localhost` has two addresses; the first accepts connections and sends nothing.
#[tokio::test]
async fn an_address_without_a_handshake_is_replaced_by_the_next_one() {
    let upstream = http1(std::time::Duration::ZERO, &[b"http/1.1"]).await;
    let port = upstream.address.port();
    let _mute = TcpListener::bind(("::1", port)).await;
    let mut one = provider("first", &format!("https://localhost:{port}/v1"));
    one.ca = Some(upstream.pem.clone());
    one.max_attempts = Some(1);
    one.timeouts.connect = Some(900);
    let running = Running::new(document(1, vec![one])).await;
    let got = running.post("/v1/chat/completions", &chat("m")).await;
    assert!(got.text.contains("over 1.1"), "{} {}", got.status, got.text);
}

/// An upstream that stalls at some point, behind TLS.
async fn stalls(alpn: &[&[u8]], after_handshake: bool) -> (SocketAddr, String) {
    let (acceptor, pem) = certified(alpn);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let mut kept = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            if after_handshake {
                let stream = acceptor.accept(stream).await;
                kept.push((None, Some(stream)));
            } else {
                kept.push((Some(stream), None));
            }
        }
    });
    (address, pem)
}

#[tokio::test]
async fn another_provider_takes_over_if_one_stalls_behind_tls() {
    for (name, alpn, after, word) in [
        ("no handshake", &[&b"h2"[..]][..], false, "timeout_connect"),
        ("HTTP/2 without a frame", &[&b"h2"[..]], true, "timeout_attempt"),
        ("HTTP/1.1 without an answer", &[&b"http/1.1"[..]], true, "timeout_attempt"),
    ] {
        let (address, pem) = stalls(alpn, after).await;
        let mut one = provider("first", &format!("https://localhost:{}/v1", address.port()));
        one.ca = Some(pem);
        (one.timeouts.connect, one.timeouts.attempt) = (Some(400), Some(600));
        let second = crate::fake::Fake::always(crate::fake::answer("second")).await;
        let running = Running::new(document(1, vec![one, provider("second", &second.url)])).await;
        let got = running.post("/v1/chat/completions", &chat("m")).await;
        assert!(got.text.contains("second"), "{name}: {} {}", got.status, got.text);
        assert_eq!(running.record().await["attempts"][0]["error"], word, "{name}");
    }
}
