//! Requests that the server did not process: they are sent again on a new connection, invisible to the caller and free.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use outrigger_policy::Document;
use serde_json::json;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::escrow::nanos;
use crate::fake::{Act, Fake, answer, completion};
use crate::limits::{limit, priced, short, spent};
use crate::policies::Running;
use crate::tls::certified;

/// What a raw HTTP/2 server does with a request.
#[derive(Clone, Copy, Debug)]
enum Reaction {
    Answer,
    /// `RST_STREAM` with this code.
    Reset(u32),
    /// `GOAWAY` with this last stream; then it closes the connection, or leaves it open.
    Leave {
        last: u32,
        closes: bool,
    },
    /// Closes the connection without an answer.
    Close,
}

struct Raw {
    address: SocketAddr,
    pem: String,
    /// The requests, as connection and stream.
    requests: Arc<Mutex<Vec<(usize, u32)>>>,
}

async fn raw(script: &[Reaction]) -> Raw {
    let (acceptor, pem) = certified(&[b"h2"]);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let raw = Raw { address: listener.local_addr().unwrap(), pem, requests: Arc::default() };
    let (requests, script) = (Arc::clone(&raw.requests), Arc::new(Mutex::new(VecDeque::from(script.to_vec()))));
    tokio::spawn(async move {
        let mut connection = 0;
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, requests, script) = (acceptor.clone(), Arc::clone(&requests), Arc::clone(&script));
            connection += 1;
            tokio::spawn(async move {
                if let Ok(stream) = acceptor.accept(stream).await {
                    serve(stream, connection, &requests, &script).await;
                }
            });
        }
    });
    raw
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

async fn read_frame(stream: &mut (impl AsyncRead + Unpin)) -> Option<(u8, u8, u32)> {
    let mut head = [0; 9];
    stream.read_exact(&mut head).await.ok()?;
    let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
    let mut payload = vec![0; length as usize];
    stream.read_exact(&mut payload).await.ok()?;
    Some((head[3], head[4], u32::from_be_bytes([head[5], head[6], head[7], head[8]])))
}

async fn serve(
    mut stream: tokio_rustls::server::TlsStream<tokio::net::TcpStream>,
    connection: usize,
    requests: &Mutex<Vec<(usize, u32)>>,
    script: &Mutex<VecDeque<Reaction>>,
) {
    let mut preface = [0; 24];
    stream.read_exact(&mut preface).await.unwrap();
    stream.write_all(&frame(4, 0, 0, &[])).await.unwrap();
    while let Some((kind, flags, id)) = read_frame(&mut stream).await {
        match (kind, flags & 1) {
            // The client's settings.
            (4, 0) => stream.write_all(&frame(4, 1, 0, &[])).await.unwrap(),
            // The end of a request.
            (0, 1) => {
                requests.lock().unwrap().push((connection, id));
                let reaction = script.lock().unwrap().pop_front().unwrap_or(Reaction::Answer);
                match reaction {
                    Reaction::Answer => {
                        let head = [&b"\x88\x00\x0ccontent-type\x10application/json"[..]].concat();
                        stream.write_all(&frame(1, 4, id, &head)).await.unwrap();
                        stream.write_all(&frame(0, 1, id, completion("over h2").as_bytes())).await.unwrap();
                    }
                    Reaction::Reset(code) => stream.write_all(&frame(3, 0, id, &code.to_be_bytes())).await.unwrap(),
                    Reaction::Leave { last, closes } => {
                        let payload = [last.to_be_bytes(), 0_u32.to_be_bytes()].concat();
                        stream.write_all(&frame(7, 0, 0, &payload)).await.unwrap();
                        if closes {
                            stream.shutdown().await.ok();
                            return;
                        }
                    }
                    Reaction::Close => return,
                }
            }
            _ => {}
        }
    }
}

fn charged(mut policy: Document) -> Document {
    policy.keys[0].limits.budgets = vec![limit("all", 1_000_000_000_000)];
    policy
}

/// The cost of an answer with three input tokens and two output tokens at the price of `priced`.
const ONE_ANSWER: u64 = 23_000_000;

#[tokio::test]
async fn an_unprocessed_http2_request_is_sent_again_and_charged_once() {
    const REFUSED: u32 = 7;
    for (what, script, expected) in [
        ("refused at once", vec![Reaction::Reset(REFUSED)], vec![(1, 1), (2, 1)]),
        (
            "refused on a kept connection",
            vec![Reaction::Answer, Reaction::Reset(REFUSED)],
            vec![(1, 1), (1, 3), (2, 1)],
        ),
        (
            "above the last stream",
            vec![Reaction::Answer, Reaction::Leave { last: 1, closes: false }],
            vec![(1, 1), (1, 3), (2, 1)],
        ),
        (
            "above it, and closed at once",
            vec![Reaction::Answer, Reaction::Leave { last: 1, closes: true }],
            vec![(1, 1), (1, 3), (2, 1)],
        ),
        ("no stream at all", vec![Reaction::Leave { last: 0, closes: true }], vec![(1, 1), (2, 1)]),
        ("a kept connection, closed", vec![Reaction::Answer, Reaction::Close], vec![(1, 1), (1, 3), (2, 1)]),
    ] {
        let upstream = raw(&script).await;
        let url = format!("https://localhost:{}/v1", upstream.address.port());
        let mut policy = charged(priced(&[("first", &url)]));
        policy.providers[0].ca = Some(upstream.pem.clone());
        let running = Running::new(policy).await;
        let requests = script.len() as u64;
        for _ in 0..requests {
            let got = running.post("/v1/chat/completions", &short("m")).await;
            assert_eq!(
                (got.status, got.headers["x-outrigger-attempts"].as_bytes()),
                (200, &b"1"[..]),
                "{what}: {}",
                got.text
            );
        }
        assert_eq!(*upstream.requests.lock().unwrap(), expected, "{what}");
        assert_eq!(nanos(&spent(&running, "budgets[all]").await), requests * ONE_ANSWER, "{what}");
    }
}

#[tokio::test]
async fn a_request_that_may_have_been_processed_is_charged() {
    const INTERNAL: u32 = 2;
    for (what, script) in [
        ("reset for another reason", vec![Reaction::Answer, Reaction::Reset(INTERNAL)]),
        // The server reports this stream as processed.
        ("the last stream itself", vec![Reaction::Answer, Reaction::Leave { last: 3, closes: true }]),
        ("a new connection, closed", vec![Reaction::Close]),
    ] {
        let upstream = raw(&script).await;
        let url = format!("https://localhost:{}/v1", upstream.address.port());
        let mut policy = charged(priced(&[("first", &url)]));
        policy.providers[0].ca = Some(upstream.pem.clone());
        let running = Running::new(policy).await;
        let requests = script.len() as u64;
        for _ in 1..requests {
            assert_eq!(running.post("/v1/chat/completions", &short("m")).await.status, 200);
        }
        let got = running.post("/v1/chat/completions", &short("m")).await;
        assert_eq!(got.headers["x-outrigger-attempts"], "2", "{what}: {}", got.text);
        // The lost attempt is charged in full: ten tokens at a cent each.
        let spent = nanos(&spent(&running, "budgets[all]").await);
        assert!(spent > requests * ONE_ANSWER + 100_000_000, "{what}: {spent}");
    }
}

#[tokio::test]
async fn a_request_that_is_refused_twice_fails_and_is_free() {
    const REFUSED: u32 = 7;
    let upstream = raw(&[Reaction::Reset(REFUSED); 20]).await;
    let url = format!("https://localhost:{}/v1", upstream.address.port());
    let mut policy = charged(priced(&[("first", &url)]));
    policy.providers[0].ca = Some(upstream.pem.clone());
    policy.providers[0].max_attempts = Some(1);
    let running = Running::new(policy).await;
    let got = running.post("/v1/chat/completions", &short("m")).await;
    assert_eq!(got.status, 502, "{}", got.text);
    assert_eq!(upstream.requests.lock().unwrap().len(), 2);
    assert_eq!(spent(&running, "budgets[all]").await, json!("0.00"));
}

#[tokio::test]
async fn a_reused_connection_that_is_closed_costs_nothing_and_is_invisible() {
    let upstream = Fake::new(vec![answer("one"), vec![Act::Close], answer("two")]).await;
    let running = Running::new(charged(priced(&[("first", &upstream.url)]))).await;
    for expected in ["one", "two"] {
        let got = running.post("/v1/chat/completions", &short("m")).await;
        assert_eq!((got.status, got.headers["x-outrigger-attempts"].as_bytes()), (200, &b"1"[..]), "{}", got.text);
        assert!(got.text.contains(expected), "{}", got.text);
    }
    let connections: Vec<usize> = upstream.asked().iter().map(|request| request.connection).collect();
    assert_eq!(connections, [0, 0, 1]);
    assert_eq!(nanos(&spent(&running, "budgets[all]").await), 2 * ONE_ANSWER);
    assert_eq!(running.record().await["attempts"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_request_with_a_partial_answer_counts_as_processed() {
    let upstream =
        Fake::new(vec![answer("one"), vec![Act::Send("HTTP/1.1 200 OK\r\n".to_owned()), Act::Close], answer("two")])
            .await;
    let running = Running::new(charged(priced(&[("first", &upstream.url)]))).await;
    for _ in 0..2 {
        assert_eq!(running.post("/v1/chat/completions", &short("m")).await.status, 200);
    }
    assert_eq!(running.record().await["attempts"].as_array().unwrap().len(), 2);
    assert!(nanos(&spent(&running, "budgets[all]").await) > 2 * ONE_ANSWER + 100_000_000);
}
