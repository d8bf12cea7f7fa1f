//! A gateway's side of a stream.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::stream;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Incoming;
use hyper::client::conn::http2::SendRequest;
use hyper::upgrade::Upgraded;
use hyper_util::rt::{TokioExecutor, TokioIo};
use outrigger_sync::{FromGateway, FromOperator, Hello, LineReader, PROTOCOL, PolicyOutcome, Rejection};
use rustls_pki_types::ServerName;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf};
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

impl RefusedStream {
    async fn read(response: Response<Incoming>) -> Self {
        let (head, body) = response.into_parts();
        let error = body.collect().await.unwrap().to_bytes();
        let error = serde_json::from_slice::<Value>(&error).unwrap()["error"].take();
        RefusedStream { status: head.status, headers: head.headers, error }
    }
}

/// An open stream.
#[derive(Debug)]
pub struct GatewayStream {
    outgoing: mpsc::Sender<Bytes>,
    responses: Responses,
    lines: LineReader,
}

/// What carries the operator's lines.
#[derive(Debug)]
enum Responses {
    Connection(ReadHalf<TokioIo<Upgraded>>),
    Body(Incoming),
}

impl Responses {
    async fn next(&mut self) -> Option<Bytes> {
        match self {
            Responses::Connection(reader) => {
                let mut bytes = BytesMut::with_capacity(8 << 10);
                (reader.read_buf(&mut bytes).await.ok()? > 0).then(|| bytes.freeze())
            }
            Responses::Body(body) => body.frame().await?.ok()?.into_data().ok(),
        }
    }
}

impl GatewayStream {
    pub async fn open(world: &StreamWorld, token: &str) -> Result<Self, RefusedStream> {
        Self::upgrade(world, token, PROTOCOL).await
    }

    /// Opens a stream on a connection of its own, which becomes `protocol`.
    pub async fn upgrade(world: &StreamWorld, token: &str, protocol: &str) -> Result<Self, RefusedStream> {
        let stream = tls(world, PROTOCOL.as_bytes()).await.unwrap();
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake::<_, RequestBody>(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection.with_upgrades());
        let request = Request::post(outrigger_sync::PATH)
            .header("host", "outrigger.test")
            .header("connection", "upgrade")
            .header("upgrade", protocol)
            .header("authorization", format!("Bearer {token}"))
            .body(whole(""));
        let response = sender.send_request(request.unwrap()).await.unwrap();
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            return Err(RefusedStream::read(response).await);
        }
        let upgraded = hyper::upgrade::on(response).await.unwrap();
        let (reader, mut writer) = tokio::io::split(TokioIo::new(upgraded));
        let (outgoing, mut parts) = mpsc::channel::<Bytes>(8);
        tokio::spawn(async move {
            while let Some(part) = parts.recv().await {
                if writer.write_all(&part).await.is_err() {
                    break;
                }
            }
            writer.shutdown().await.ok();
        });
        Ok(GatewayStream { outgoing, responses: Responses::Connection(reader), lines: LineReader::default() })
    }

    /// Opens a stream on an existing HTTP/2 connection, as older gateways do.
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
        if response.status() != StatusCode::OK {
            return Err(RefusedStream::read(response).await);
        }
        let responses = Responses::Body(response.into_body());
        Ok(GatewayStream { outgoing, responses, lines: LineReader::default() })
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
                self.lines.push(&self.responses.next().await?).unwrap();
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
