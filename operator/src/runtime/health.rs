//! Health and metrics over plain HTTP, for kubelets and Prometheus.
//!
//! A replica is ready if it can answer webhooks: it has a certificate and its caches are complete. Leading does not matter.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use outrigger_listen::{
    ConnectionLimits, ConnectionTimeouts, Connections, Eviction, NEVER, Peer, Port, Serve, accept, until_end,
};
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// The limit of connections, for kubelets, Prometheus and people.
const CONNECTIONS_MAX: usize = 64;
/// The limit for one address.
const PEER_MAX: usize = 8;
/// The time for a request's head, and between two requests of one connection.
const HEAD: Duration = Duration::from_secs(5);
const WHOLE: Duration = Duration::from_secs(60);
/// The largest head in bytes.
const HEAD_MAX: usize = 8 << 10;

/// The conditions that a replica waits for before it is ready.
#[derive(Clone, Debug, Default)]
pub struct Readiness(Arc<watch::Sender<BTreeSet<String>>>);

impl Readiness {
    /// Adds a condition. The replica is not ready until it is met.
    pub fn require(&self, what: &str) {
        self.0.send_modify(|awaited| {
            awaited.insert(what.to_owned());
        });
    }

    pub fn satisfy(&self, what: &str) {
        self.0.send_if_modified(|awaited| awaited.remove(what));
    }

    /// The conditions that are not met yet.
    #[must_use]
    pub fn pending(&self) -> Vec<String> {
        self.0.borrow().iter().cloned().collect()
    }

    /// Waits until all conditions are met.
    pub async fn ready(&self) {
        // An error is impossible, because this value owns the sender.
        let _ = self.0.subscribe().wait_for(BTreeSet::is_empty).await;
    }
}

/// The state that the pages show, computed for each request.
pub trait HealthReport: Send + Sync + 'static {
    fn metrics(&self) -> Vec<u8>;
    /// What the replica still waits for; empty if it is ready.
    fn pending(&self) -> Vec<String>;
}

/// Serves as long as the future is polled.
///
/// Any pod may open connections, and none may block a kubelet, whose requests are short. So a new connection is always
/// accepted. If there are too many, an idle one is closed, or else the oldest, and those of the same address first.
pub async fn serve(listener: TcpListener, report: Arc<dyn HealthReport>) {
    let limits = ConnectionLimits {
        connections: CONNECTIONS_MAX,
        per_address: Some(PEER_MAX),
        over_limit: 0,
        eviction: Eviction::IncludingBusy,
        // Hyper times heads, and `WHOLE` limits everything else.
        timeouts: ConnectionTimeouts { head: NEVER, idle: NEVER, unread: NEVER },
    };
    let port = Port { connections: Arc::new(Connections::new(limits)), evict_also_from: None, serve_backlog: false };
    // Dropped only after `accept` has ended.
    let (_stop, stopped) = watch::channel(());
    accept(listener, port, HealthPort { report, stopped: stopped.clone() }, stopped).await;
}

struct HealthPort {
    report: Arc<dyn HealthReport>,
    stopped: watch::Receiver<()>,
}

impl Serve for HealthPort {
    fn serve(
        &self,
        stream: TcpStream,
        _remote: SocketAddr,
        peer: Arc<Peer>,
    ) -> impl Future<Output = ()> + Send + 'static {
        let (report, mut stopped) = (Arc::clone(&self.report), self.stopped.clone());
        async move {
            let counted = Arc::clone(&peer);
            let service = service_fn(move |request: Request<Incoming>| {
                let (answer, underway) = (answer(&*report, &request), counted.begin_request());
                async move {
                    drop(underway);
                    Ok::<_, Infallible>(answer)
                }
            });
            let mut http = http1::Builder::new();
            http.timer(TokioTimer::new())
                .header_read_timeout(HEAD)
                .max_header_size(HEAD_MAX)
                .max_buf_size(2 * HEAD_MAX);
            let connection = http.serve_connection(TokioIo::new(stream), service);
            let ending = until_end(connection, |connection| connection.graceful_shutdown(), &peer, &mut stopped);
            // An error means that the peer is gone.
            let _ = tokio::time::timeout(WHOLE, ending).await;
        }
    }
}

fn answer<B>(report: &dyn HealthReport, request: &Request<B>) -> Response<Full<Bytes>> {
    if request.method() != Method::GET && request.method() != Method::HEAD {
        return respond(StatusCode::METHOD_NOT_ALLOWED, json!({"error": "only GET is allowed"}));
    }
    match request.uri().path() {
        "/healthz" => respond(StatusCode::OK, json!({"alive": true})),
        "/readyz" => match report.pending() {
            awaited if awaited.is_empty() => respond(StatusCode::OK, json!({"ready": true})),
            awaited => respond(StatusCode::SERVICE_UNAVAILABLE, json!({"ready": false, "awaits": awaited})),
        },
        "/metrics" => {
            let text = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
            let mut response = Response::new(Full::from(report.metrics()));
            response.headers_mut().insert(header::CONTENT_TYPE, text);
            response
        }
        _ => respond(StatusCode::NOT_FOUND, json!({"error": "no such page: use /healthz, /readyz or /metrics"})),
    }
}

fn respond(status: StatusCode, body: impl fmt::Display) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(body.to_string()));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpSocket, TcpStream};

    use super::*;

    struct TestReport(Readiness);

    impl HealthReport for TestReport {
        fn metrics(&self) -> Vec<u8> {
            b"metrics".to_vec()
        }

        fn pending(&self) -> Vec<String> {
            self.0.pending()
        }
    }

    async fn get(report: &TestReport, path: &str) -> (u16, String) {
        let response = answer(report, &Request::get(path).body(()).unwrap());
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn ready_when_all_conditions_are_met_and_alive_before() {
        let report = TestReport(Readiness::default());
        report.0.require("certificate");
        assert_eq!(get(&report, "/readyz").await, (503, r#"{"ready":false,"awaits":["certificate"]}"#.to_owned()));
        assert_eq!(get(&report, "/healthz").await.0, 200);
        report.0.satisfy("certificate");
        assert_eq!(get(&report, "/readyz").await.0, 200);
        assert_eq!(get(&report, "/metrics").await, (200, "metrics".to_owned()));
        assert_eq!(get(&report, "/x").await.0, 404);
    }

    #[tokio::test]
    async fn a_kubelet_is_answered_despite_many_idle_connections() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serving = tokio::spawn(serve(listener, Arc::new(TestReport(Readiness::default()))));
        let connect = |from: String| async move {
            let socket = TcpSocket::new_v4().unwrap();
            socket.bind(from.parse().unwrap()).unwrap();
            socket.connect(address).await.unwrap()
        };
        let mut silent: Vec<TcpStream> = Vec::new();
        // One pod with many connections, and many pods with a few.
        for number in 0..CONNECTIONS_MAX * 2 {
            silent.push(connect("127.0.0.2:0".to_owned()).await);
            silent.push(connect(format!("127.0.0.{}:0", 3 + number)).await);
        }
        let mut probe = connect("127.0.0.1:0".to_owned()).await;
        probe.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
        let mut answer = String::new();
        let read = tokio::time::timeout(Duration::from_secs(20), probe.read_to_string(&mut answer)).await;
        read.unwrap().unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        // The oldest of them were closed, the newest were not.
        let mut byte = [0];
        assert!(matches!(silent[0].read(&mut byte).await, Ok(0) | Err(_)));
        serving.abort();
    }
}
