//! Opens a stream to the operator: reads the files, connects with TLS, and sends the request, all within one time
//! limit.

use std::sync::{Arc, Weak};

use http::uri::Authority;
use http::{HeaderValue, Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http2;
use hyper::rt::Executor;
use hyper_util::rt::TokioIo;
use outrigger_sync::{FromGateway, Hello, LEADER};
use parking_lot::Mutex;
use rustls::pki_types::ServerName;
use serde::Deserialize;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;

use super::report::{ReportBody, ReportSender, channel};
use super::trust::{Authorities, contents};
use super::{OperatorStream, StreamEnded};
use crate::config::source::{InstalledPolicy, PolicySources};
use crate::upstream::{Stream, tcp};

/// How many bytes the operator may send before the gateway reads them. A policy of a megabyte takes a few round trips,
/// and is rare.
const WINDOW: u32 = 128 << 10;
/// The longest body of a refusal that is read, in bytes.
const MAX_REFUSAL_BODY: usize = 8 << 10;
const MAX_MESSAGE: usize = 300;
const MAX_TOKEN: u64 = 64 << 10;

/// An open stream. Dropping it closes the connection.
#[derive(Debug)]
pub(super) struct OpenStream {
    pub(super) reports: ReportSender,
    pub(super) body: Incoming,
    pub(super) _tasks: Tasks,
}

pub(super) async fn dial(
    operator: &OperatorStream,
    leader: Option<&Authority>,
    sources: &PolicySources,
) -> Result<OpenStream, StreamEnded> {
    let address = leader.map_or_else(|| operator.endpoint.authority(), ToString::to_string);
    match tokio::time::timeout(operator.pace.dial, connect(operator, leader, &address, sources)).await {
        Ok(opened) => opened,
        Err(_) => Err(StreamEnded::TimedOut { address, seconds: operator.pace.dial.as_secs() }),
    }
}

async fn connect(
    operator: &OperatorStream,
    leader: Option<&Authority>,
    address: &str,
    sources: &PolicySources,
) -> Result<OpenStream, StreamEnded> {
    let OperatorStream { endpoint, token, authorities: path, trust, .. } = operator;
    let authorities = Authorities::read(path, trust.as_ref())?;
    let fingerprints = authorities.fingerprints();
    let config = authorities.config().map_err(|source| StreamEnded::Authorities { path: path.clone(), source })?;
    let token = contents(token, MAX_TOKEN).map_err(|source| StreamEnded::Token { path: token.clone(), source })?;
    let token = bearer(&token).ok_or_else(|| StreamEnded::NoToken { path: operator.token.clone() })?;
    let (host, port) = match leader {
        Some(leader) => (leader.host().trim_matches(['[', ']']), leader.port_u16().unwrap_or(endpoint.port)),
        None => (endpoint.host.as_str(), endpoint.port),
    };
    let failed = |source| StreamEnded::Connect { address: address.to_owned(), source };
    let tcp = tcp(host, port, operator.pace.dial).await.map_err(failed)?;
    // Every replica has a certificate for the name of the Service.
    let failed = |source| StreamEnded::Tls { address: address.to_owned(), source };
    let name = ServerName::try_from(endpoint.host.clone()).map_err(|error| failed(std::io::Error::other(error)))?;
    let tls = TlsConnector::from(config).connect(name, tcp).await.map_err(failed)?;
    // The same type as for providers, so that hyper is compiled for one type of connection only.
    open(Stream::Tls(Box::new(tls)), operator, token, address, hello(sources.installed(), fingerprints)).await
}

/// Opens the stream over a connection.
pub(super) async fn open(
    io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    operator: &OperatorStream,
    token: HeaderValue,
    address: &str,
    hello: FromGateway,
) -> Result<OpenStream, StreamEnded> {
    let failed = |source| StreamEnded::Http { address: address.to_owned(), source };
    let tasks = Tasks::default();
    let spawner = Spawner(Arc::downgrade(&tasks));
    let (mut sender, connection) = http2::Builder::new(spawner.clone())
        .initial_stream_window_size(WINDOW)
        .initial_connection_window_size(WINDOW)
        .handshake::<_, ReportBody>(TokioIo::new(io))
        .await
        .map_err(failed)?;
    spawner.execute(async move {
        // The reader of the body gets the error.
        let _ = connection.await;
    });
    let (reports, report_body) = channel();
    reports.send(&hello)?;
    let mut request = Request::new(report_body);
    (*request.method_mut(), *request.uri_mut()) = (Method::POST, operator.target.clone());
    request.headers_mut().insert(header::AUTHORIZATION, token);
    request.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
    let response = sender.send_request(request).await.map_err(failed)?;
    let status = response.status();
    if status == StatusCode::OK {
        return Ok(OpenStream { reports, body: response.into_body(), _tasks: tasks });
    }
    let leader = response.headers().get(LEADER).filter(|_| status == StatusCode::MISDIRECTED_REQUEST);
    match leader.and_then(leader_address) {
        Some(leader) => Err(StreamEnded::NotLeader(leader)),
        None => Err(StreamEnded::Refused { status: status.as_u16(), message: message(response.into_body()).await }),
    }
}

pub(super) fn hello(installed: InstalledPolicy, authorities: Vec<String>) -> FromGateway {
    let InstalledPolicy { sequence, digest, rejected } = installed;
    FromGateway::Hello(Hello {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        formats: outrigger_policy::FORMATS.to_vec(),
        sequence,
        digest,
        authorities,
        rejected,
    })
}

fn bearer(token: &[u8]) -> Option<HeaderValue> {
    let token = std::str::from_utf8(token).ok()?.trim();
    let mut value = HeaderValue::from_str(&format!("Bearer {token}")).ok().filter(|_| !token.is_empty())?;
    value.set_sensitive(true);
    Some(value)
}

/// Parses `host:port`.
fn leader_address(value: &HeaderValue) -> Option<Authority> {
    let address: Authority = value.to_str().ok()?.parse().ok()?;
    (address.port_u16().is_some() && !address.as_str().contains('@')).then_some(address)
}

/// The operator's message in a refusal, on one line.
async fn message(body: Incoming) -> Option<String> {
    #[derive(Deserialize)]
    struct Answer {
        error: Error,
    }
    #[derive(Deserialize)]
    struct Error {
        message: String,
    }
    let body = Limited::new(body, MAX_REFUSAL_BODY).collect().await.ok()?.to_bytes();
    let Answer { error: Error { message } } = serde_json::from_slice(&body).ok()?;
    let line = |letter: char| if letter.is_control() { ' ' } else { letter };
    Some(message.chars().take(MAX_MESSAGE).map(line).collect())
}

/// The tasks of a connection. They end with it.
pub(super) type Tasks = Arc<Mutex<JoinSet<()>>>;

/// Spawns the tasks of a connection. The reference is weak, because a task holds a spawner and must not keep itself
/// alive.
#[derive(Clone, Debug)]
struct Spawner(Weak<Mutex<JoinSet<()>>>);

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Spawner {
    fn execute(&self, task: F) {
        if let Some(tasks) = self.0.upgrade() {
            tasks.lock().spawn(task);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leader_must_be_an_address_with_a_port() {
        let read =
            |value: &'static str| leader_address(&HeaderValue::from_static(value)).map(|leader| leader.to_string());
        assert_eq!(read("10.1.2.3:10250").as_deref(), Some("10.1.2.3:10250"));
        assert_eq!(read("[fd00::1]:10250").as_deref(), Some("[fd00::1]:10250"));
        for none in ["10.1.2.3", "", "me@10.1.2.3:1", "https://x:1/", "a b:1"] {
            assert_eq!(read(none), None, "{none}");
        }
    }

    #[test]
    fn tokens_are_one_word_and_hidden_in_debug_output() {
        let value = bearer(b" eyJ.token\n").unwrap();
        assert_eq!(value.as_bytes(), b"Bearer eyJ.token");
        assert!(!format!("{value:?}").contains("eyJ"));
        assert!(bearer(b" \n").is_none() && bearer(b"a\nb").is_none() && bearer(&[0xff]).is_none());
    }
}
