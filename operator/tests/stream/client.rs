//! A gateway's side of a stream.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, Request, StatusCode};
use http_body::Frame;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Incoming;
use hyper::client::conn::http2::SendRequest;
use hyper_util::rt::{TokioExecutor, TokioIo};
use outrigger_sync::{FromGateway, FromOperator, Hello, LineReader, PolicyOutcome, Rejection};
use rustls_pki_types::ServerName;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::world::StreamWorld;

/// The limit of every wait. It is never reached unless a test fails.
pub const SOON: Duration = Duration::from_secs(30);

pub type RequestBody = BoxBody<Bytes, std::convert::Infallible>;
pub type HttpSender = SendRequest<RequestBody>;

pub async fn tls(world: &StreamWorld, alpn: &[u8]) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(world.authority.lock().unwrap().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![alpn.to_vec()];
    let stream = TcpStream::connect(world.address).await?;
    TlsConnector::from(Arc::new(config)).connect(ServerName::try_from("outrigger.test").unwrap(), stream).await
}

/// An HTTP/2 connection.
pub async fn connect(world: &StreamWorld) -> HttpSender {
    let stream = tls(world, b"h2").await.unwrap();
    let (sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    sender
}

pub fn whole(body: impl Into<Bytes>) -> RequestBody {
    Full::new(body.into()).boxed()
}

pub async fn post(sender: &mut HttpSender, path: &str, body: RequestBody) -> (StatusCode, Value) {
    let request = Request::post(format!("https://outrigger.test{path}")).body(body).unwrap();
    let response = sender.send_request(request).await.unwrap();
    let status = response.status();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&body).unwrap())
}

/// The response to a stream that was refused.
#[derive(Debug)]
pub struct RefusedStream {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub error: Value,
}

/// An open stream.
#[derive(Debug)]
pub struct GatewayStream {
    outgoing: mpsc::Sender<Bytes>,
    responses: Incoming,
    lines: LineReader,
}

impl GatewayStream {
    pub async fn open(world: &StreamWorld, token: &str) -> Result<Self, RefusedStream> {
        Self::on(&mut connect(world).await, token).await
    }

    /// Opens a stream on an existing connection.
    pub async fn on(sender: &mut HttpSender, token: &str) -> Result<Self, RefusedStream> {
        let (outgoing, parts) = mpsc::channel::<Bytes>(8);
        let parts = stream::unfold(parts, |mut parts| async move {
            let part = parts.recv().await?;
            Some((Ok(Frame::data(part)), parts))
        });
        let request = Request::post(format!("https://outrigger.test{}", outrigger_sync::PATH))
            .header("authorization", format!("Bearer {token}"))
            .body(StreamBody::new(parts).boxed());
        sender.ready().await.unwrap();
        let response = sender.send_request(request.unwrap()).await.unwrap();
        let (head, body) = response.into_parts();
        if head.status != StatusCode::OK {
            let error = body.collect().await.unwrap().to_bytes();
            let error = serde_json::from_slice::<Value>(&error).unwrap()["error"].take();
            return Err(RefusedStream { status: head.status, headers: head.headers, error });
        }
        Ok(GatewayStream { outgoing, responses: body, lines: LineReader::default() })
    }

    /// Opens a stream and sends a hello of a gateway without a policy.
    pub async fn new(world: &StreamWorld, token: &str) -> Self {
        let stream = Self::open(world, token).await.unwrap();
        stream.hello(Hello::default()).await;
        stream
    }

    pub async fn hello(&self, hello: Hello) {
        self.send(&FromGateway::Hello(Hello { version: "0.1.0".to_owned(), formats: vec![1], ..hello })).await;
    }

    pub async fn accepted(&self, sequence: u64) {
        self.send(&FromGateway::Outcome(PolicyOutcome { sequence, ..PolicyOutcome::default() })).await;
    }

    pub async fn refused(&self, rejected: Rejection) {
        let outcome =
            PolicyOutcome { sequence: rejected.sequence, rejected: Some(rejected), ..PolicyOutcome::default() };
        self.send(&FromGateway::Outcome(outcome)).await;
    }

    pub async fn send(&self, message: &FromGateway) {
        self.send_bytes(outrigger_sync::write(message)).await;
    }

    pub async fn send_bytes(&self, bytes: impl Into<Bytes>) {
        self.outgoing.send(bytes.into()).await.unwrap();
    }

    /// Returns whether the stream accepted the bytes.
    pub async fn try_send(&self, bytes: impl Into<Bytes>) -> bool {
        self.outgoing.send(bytes.into()).await.is_ok()
    }

    /// The next message; `None` if the stream has ended.
    pub async fn next(&mut self) -> Option<FromOperator> {
        let next = async {
            loop {
                if let Some(message) = self.lines.from_operator().unwrap() {
                    return Some(message);
                }
                let frame = self.responses.frame().await?.ok()?;
                self.lines.push(&frame.into_data().ok()?).unwrap();
            }
        };
        tokio::time::timeout(SOON, next).await.expect("a message or an end")
    }

    /// The next policy. Skips beats.
    pub async fn policy(&mut self) -> outrigger_sync::PolicyMessage {
        loop {
            match self.next().await {
                Some(FromOperator::Policy(policy)) => return *policy,
                Some(FromOperator::Beat(_)) => {}
                other => panic!("no policy but {other:?}"),
            }
        }
    }
}

/// Waits until a condition holds for the gateways' states.
pub async fn until<T>(world: &StreamWorld, mut look: impl FnMut() -> Option<T>) -> T {
    let mut changes = world.hub.changes();
    let found = async {
        loop {
            changes.borrow_and_update();
            if let Some(found) = look() {
                return found;
            }
            changes.changed().await.unwrap();
        }
    };
    tokio::time::timeout(SOON, found).await.expect("states that never came")
}
