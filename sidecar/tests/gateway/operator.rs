//! A scripted operator in process, behind real TLS, and a gateway that follows it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use outrigger_core::SecretRef;
use outrigger_policy::Document;
use outrigger_sidecar::config::source::PolicySources;
use outrigger_sidecar::config::stream::{OperatorStream as Followed, ReconnectPace};
use outrigger_sidecar::telemetry::records::Lines;
use outrigger_sidecar::{Gateway, Settings};
use outrigger_sync::{CredentialMessage, FromGateway, FromOperator, Hello, PolicyMessage, PolicyOutcome, Rejection};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

use crate::policies::Running;

/// Long enough for a busy machine: the awaited event happens, or the test fails.
const PATIENCE: Duration = Duration::from_secs(30);

/// Reconnects without the delays of a cluster.
pub fn hasty() -> ReconnectPace {
    ReconnectPace { spread: Duration::from_millis(2), longest: Duration::from_millis(20), ..ReconnectPace::default() }
}

pub async fn soon<T>(what: &str, coming: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, coming).await.unwrap_or_else(|_| panic!("{what} did not come"))
}

/// The answer to a request for a stream.
#[derive(Clone)]
pub enum Answer {
    Stream,
    Refuse(u16, &'static str),
    Leader(String),
}

/// The certificate authority of operators.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub pem: String,
}

impl Authority {
    pub fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Authority { issuer: Issuer::new(params, key), pem }
    }
}

pub struct Operator {
    pub address: SocketAddr,
    answer: Arc<Mutex<Answer>>,
    streams: mpsc::UnboundedReceiver<Stream>,
    serving: AbortHandle,
}

/// An open stream at the operator's end. Dropping it ends the stream.
pub struct Stream {
    pub token: String,
    messages: mpsc::UnboundedReceiver<FromGateway>,
    sender: mpsc::UnboundedSender<Bytes>,
}

impl Drop for Operator {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Operator {
    /// An operator with a certificate for `localhost`.
    pub async fn new(authority: &Authority) -> Self {
        Operator::with_protocol(authority, outrigger_sync::PROTOCOL.as_bytes()).await
    }

    /// An operator of a version that knows only HTTP/2.
    pub async fn older(authority: &Authority) -> Self {
        Operator::with_protocol(authority, b"h2").await
    }

    async fn with_protocol(authority: &Authority, protocol: &'static [u8]) -> Self {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &authority.issuer).unwrap();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        config.alpn_protocols = vec![protocol.to_vec()];
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let answer = Arc::new(Mutex::new(Answer::Stream));
        let (opened, streams) = mpsc::unbounded_channel();
        let answering = Arc::clone(&answer);
        let serving = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((tcp, _)) = listener.accept().await {
                let (acceptor, answer, opened) = (acceptor.clone(), Arc::clone(&answering), opened.clone());
                connections.spawn(async move {
                    let Ok(tls) = acceptor.accept(tcp).await else { return };
                    let service = service_fn(move |request| {
                        let answered = answered(request, answer.lock().unwrap().clone(), &opened);
                        async move { Ok::<_, std::convert::Infallible>(answered) }
                    });
                    if protocol == b"h2" {
                        let builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                        builder.serve_connection(TokioIo::new(tls), service).await.ok();
                    } else {
                        let builder = hyper::server::conn::http1::Builder::new();
                        builder.serve_connection(TokioIo::new(tls), service).with_upgrades().await.ok();
                    }
                });
            }
        });
        Operator { address, answer, streams, serving: serving.abort_handle() }
    }

    pub fn url(&self) -> String {
        format!("https://localhost:{}", self.address.port())
    }

    pub fn answers(&self, answer: Answer) {
        *self.answer.lock().unwrap() = answer;
    }

    /// A stream that was opened meanwhile.
    pub fn try_stream(&mut self) -> Option<Stream> {
        self.streams.try_recv().ok()
    }

    /// Waits for the next stream and its hello.
    pub async fn stream(&mut self) -> (Stream, Hello) {
        let mut stream = soon("a stream", self.streams.recv()).await.unwrap();
        match stream.message().await {
            FromGateway::Hello(hello) => (stream, hello),
            other => panic!("not a hello: {other:?}"),
        }
    }
}

type Body = BoxBody<Bytes, std::convert::Infallible>;

fn answered(request: Request<Incoming>, answer: Answer, opened: &mpsc::UnboundedSender<Stream>) -> Response<Body> {
    assert_eq!((request.method(), request.uri().path()), (&http::Method::POST, outrigger_sync::PATH));
    let upgrades = request.headers().get("upgrade").is_some_and(|protocol| protocol == outrigger_sync::PROTOCOL);
    let host = request.headers().get("host").and_then(|host| host.to_str().ok()?.split(':').next());
    assert_eq!(host.or(request.uri().host()), Some("localhost"), "whichever replica it is");
    let error = |status: u16, message: &str| {
        let body = serde_json::json!({"error": {"type": "x", "message": message}}).to_string();
        let mut response = Response::new(Full::new(Bytes::from(body)).boxed());
        *response.status_mut() = StatusCode::from_u16(status).unwrap();
        response
    };
    match answer {
        Answer::Refuse(status, message) => error(status, message),
        Answer::Leader(leader) => {
            let mut response = error(421, "another leads");
            response.headers_mut().insert(outrigger_sync::LEADER, leader.parse().unwrap());
            response
        }
        Answer::Stream => {
            let token = request.headers()["authorization"].to_str().unwrap().to_owned();
            let ((received, messages), (sender, mut output)) = (mpsc::unbounded_channel(), mpsc::unbounded_channel());
            opened.send(Stream { token, messages, sender }).ok();
            let mut lines = outrigger_sync::LineReader::default();
            let mut receive = move |bytes: &[u8]| {
                lines.push(bytes).unwrap();
                while let Some(message) = lines.from_gateway().unwrap() {
                    received.send(message).ok();
                }
            };
            if upgrades {
                tokio::spawn(async move {
                    let upgraded = hyper::upgrade::on(request).await.unwrap();
                    let (mut reader, mut writer) = tokio::io::split(TokioIo::new(upgraded));
                    let writing = async {
                        while let Some(bytes) = output.recv().await {
                            writer.write_all(&bytes).await.ok();
                        }
                        writer.shutdown().await.ok();
                    };
                    let reading = async {
                        let mut room = vec![0; 8 << 10];
                        while let Ok(many @ 1..) = reader.read(&mut room).await {
                            receive(&room[..many]);
                        }
                    };
                    // Either end closes the connection.
                    tokio::select! {
                        () = writing => {}
                        () = reading => {}
                    }
                });
                let mut response = Response::new(Full::default().boxed());
                *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
                response.headers_mut().insert("connection", "upgrade".parse().unwrap());
                response.headers_mut().insert("upgrade", outrigger_sync::PROTOCOL.parse().unwrap());
                return response;
            }
            let mut body = request.into_body();
            tokio::spawn(async move {
                while let Some(Ok(frame)) = body.frame().await {
                    receive(frame.data_ref().unwrap());
                }
            });
            let parts = futures_util::stream::poll_fn(move |cx| output.poll_recv(cx));
            let frames = futures_util::StreamExt::map(parts, |bytes| Ok(Frame::data(bytes)));
            Response::new(StreamBody::new(frames).boxed())
        }
    }
}

impl Stream {
    pub async fn message(&mut self) -> FromGateway {
        soon("a message", self.messages.recv()).await.expect("the stream is open")
    }

    /// The next outcome.
    pub async fn outcome(&mut self) -> PolicyOutcome {
        loop {
            match self.message().await {
                FromGateway::Outcome(outcome) => return outcome,
                FromGateway::Permits(_) => {}
                other => panic!("not an outcome: {other:?}"),
            }
        }
    }

    /// Pushes a policy, and waits for its outcome.
    pub async fn push(&mut self, document: &Document, credentials: &[(&str, &str)]) -> PolicyOutcome {
        self.write(&policy(document, credentials));
        self.outcome().await
    }

    /// The two directions of the stream.
    pub fn split(self) -> (OperatorSender, mpsc::UnboundedReceiver<FromGateway>) {
        (OperatorSender(self.sender), self.messages)
    }

    pub fn write(&self, message: &FromOperator) {
        self.bytes(outrigger_sync::write(message));
    }

    pub fn bytes(&self, bytes: Vec<u8>) {
        self.sender.send(bytes.into()).unwrap();
    }

    /// Waits until the gateway has ended the stream.
    pub async fn wait_until_closed(mut self) {
        soon("the stream's end", async { while self.messages.recv().await.is_some() {} }).await;
    }
}

/// Sends an operator's messages on one stream. Dropping it ends the stream.
pub struct OperatorSender(mpsc::UnboundedSender<Bytes>);

impl OperatorSender {
    /// Sends a message, whether or not the gateway still receives it.
    pub fn send(&self, message: &FromOperator) {
        self.0.send(outrigger_sync::write(message).into()).ok();
    }
}

/// A policy with credentials, by the names of their Secrets as `policies::credential` makes them.
pub fn policy(document: &Document, credentials: &[(&str, &str)]) -> FromOperator {
    let credential =
        |(name, value): &(&str, &str)| CredentialMessage { secret: secret(name), value: (*value).to_owned() };
    FromOperator::Policy(Box::new(PolicyMessage {
        sequence: document.sequence,
        digest: format!("digest of {}", document.sequence),
        document: document.clone(),
        credentials: credentials.iter().map(credential).collect(),
    }))
}

pub fn secret(name: &str) -> SecretRef {
    SecretRef::new("default", name, "apiKey").unwrap()
}

/// The files of a pod.
pub struct Pod {
    dir: tempfile::TempDir,
}

impl Pod {
    pub fn new(authorities: &str) -> Self {
        let pod = Pod { dir: tempfile::tempdir().unwrap() };
        std::fs::create_dir(pod.policy()).unwrap();
        pod.write("token", "first-token\n");
        pod.write("policy/ca.crt", authorities);
        pod
    }

    pub fn at(&self, path: &str) -> PathBuf {
        self.dir.path().join(path)
    }

    pub fn policy(&self) -> PathBuf {
        self.at("policy")
    }

    pub fn state(&self) -> PathBuf {
        self.at("state")
    }

    /// Replaces a file in one step, as the kubelet does.
    pub fn write(&self, path: &str, text: &str) {
        std::fs::write(self.at("next"), text).unwrap();
        std::fs::rename(self.at("next"), self.at(path)).unwrap();
    }

    pub fn mount(&self, document: &Document) {
        self.write("policy/policy.v1.json", &serde_json::to_string(document).unwrap());
    }

    /// The snapshot for the next process, as text.
    pub fn snapshot(&self) -> String {
        std::fs::read_to_string(self.state().join("held/policy.v1")).unwrap_or_default()
    }

    /// Waits until a dropped gateway has released the folder: its tasks are dropped later.
    async fn is_released(&self) {
        let Ok(lock) = std::fs::File::open(self.state().join("lock")) else { return };
        soon("the folder", async {
            while lock.try_lock().is_err() {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }

    /// Starts a gateway with these files, like a process.
    pub async fn start(&self, url: &str) -> Sidecar {
        self.is_released().await;
        let settings = Settings { lines: Lines::Off, state: Some(self.state()), ..Settings::default() };
        let gateway = Gateway::new(settings).unwrap();
        let sources = Arc::new(PolicySources::new(Arc::clone(&gateway), Some(&self.state())));
        sources.restore();
        sources.read_mounted(&self.policy());
        let operator = Followed::new(url, self.at("token"), self.at("policy/ca.crt"), hasty()).unwrap();
        let mut following = JoinSet::new();
        following.spawn(operator.follow(Arc::clone(&sources)));
        Sidecar { running: Running::of(gateway).await, sources, policy: self.policy(), _following: following }
    }
}

/// A gateway that follows an operator until it is dropped.
pub struct Sidecar {
    pub running: Running,
    sources: Arc<PolicySources>,
    policy: PathBuf,
    _following: JoinSet<()>,
}

impl Sidecar {
    /// Stops it, and waits until it has released its folder, which one process has at a time.
    pub async fn ends(mut self) {
        let gateway = Arc::downgrade(&self.running.gateway);
        self.running.stop().await.unwrap().unwrap();
        drop(self);
        while gateway.strong_count() > 0 {
            tokio::task::yield_now().await;
        }
    }

    /// Ends it immediately, without a final report.
    pub async fn kill(self) {
        self.running.kill().await;
    }

    /// Reads the mounted files again.
    pub fn read_mounted(&self) {
        self.sources.read_mounted(Path::new(&self.policy));
    }

    pub async fn ready(&self) -> Value {
        self.running.admin("/readyz").await
    }

    /// Waits until the status of the operator satisfies a condition.
    pub async fn wait_for_status(&self, condition: impl Fn(&Value) -> bool) -> Value {
        soon("the operator's status", async {
            loop {
                // Each request is a round trip over a socket, so other tasks can run.
                let ready = self.ready().await;
                if condition(&ready["operator"]) {
                    return ready["operator"].clone();
                }
            }
        })
        .await
    }
}

pub fn in_force(sequence: u64, outcome: &PolicyOutcome) {
    assert_eq!((outcome.sequence, &outcome.rejected), (sequence, &None));
}

pub fn rejection(outcome: PolicyOutcome) -> Rejection {
    outcome.rejected.expect("a rejection")
}
