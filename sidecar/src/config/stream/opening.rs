//! Asks for the stream on a connection to the operator.

use std::sync::{Arc, Weak};

use http::uri::Authority;
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri, header};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper::rt::Executor;
use hyper_util::rt::TokioIo;
use outrigger_sync::{FromGateway, LEADER, PATH, PROTOCOL};
use parking_lot::Mutex;
use serde::Deserialize;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::task::JoinSet;

use super::StreamEnded;
use super::received::Received;
use super::report::{ReportBody, ReportSender, channel};
use crate::upstream::Pieces;

/// How many bytes the operator may send on an HTTP/2 connection before the gateway reads them. A policy of a megabyte
/// takes a few round trips, and is rare.
const WINDOW: u32 = 128 << 10;
/// The longest body of a refusal that is read, in bytes.
const MAX_REFUSAL_BODY: usize = 8 << 10;
const MAX_MESSAGE: usize = 300;

/// An open stream. Dropping it closes the connection.
#[derive(Debug)]
pub(super) struct OpenStream {
    pub(super) reports: ReportSender,
    pub(super) received: Received,
    pub(super) _tasks: Tasks,
}

/// A stream that is asked for.
#[derive(Debug)]
pub(super) struct StreamRequest<'a> {
    pub(super) target: &'a Uri,
    pub(super) token: HeaderValue,
    /// For errors.
    pub(super) address: &'a str,
    /// The first message.
    pub(super) hello: FromGateway,
}

impl StreamRequest<'_> {
    /// Upgrades the connection: after the answer, it carries nothing but lines.
    pub(super) async fn upgrade(
        self,
        io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    ) -> Result<OpenStream, StreamEnded> {
        let (tasks, spawner) = tasks();
        let failed = |source| self.failed(source);
        // The body's type is the one of requests to providers, for the same reason as the connection's.
        let (mut sender, connection) =
            http1::Builder::new().handshake::<_, Pieces>(TokioIo::new(io)).await.map_err(failed)?;
        spawner.execute(async move {
            // The upgrade gets the error.
            let _ = connection.with_upgrades().await;
        });
        let mut request = self.request(Pieces::default());
        *request.uri_mut() = Uri::from_static(PATH);
        let host = HeaderValue::from_str(self.target.authority().map_or("", Authority::as_str));
        request.headers_mut().extend(host.ok().map(|host| (header::HOST, host)));
        request.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        request.headers_mut().insert(header::UPGRADE, HeaderValue::from_static(PROTOCOL));
        let response = sender.send_request(request).await.map_err(failed)?;
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            return Err(refused(response).await);
        }
        let upgraded = hyper::upgrade::on(response).await.map_err(failed)?;
        let (reader, writer) = tokio::io::split(TokioIo::new(upgraded));
        let (reports, lines) = channel();
        reports.send(&self.hello)?;
        spawner.execute(write(lines, writer));
        Ok(OpenStream { reports, received: Received::connection(reader), _tasks: tasks })
    }

    /// Uses the bodies of an HTTP/2 request and its answer: with an operator that does not know the protocol yet.
    pub(super) async fn http2(
        self,
        io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    ) -> Result<OpenStream, StreamEnded> {
        let (tasks, spawner) = tasks();
        let failed = |source| self.failed(source);
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
        reports.send(&self.hello)?;
        let response = sender.send_request(self.request(report_body)).await.map_err(failed)?;
        if response.status() != StatusCode::OK {
            return Err(refused(response).await);
        }
        Ok(OpenStream { reports, received: Received::body(response.into_body()), _tasks: tasks })
    }

    fn request<B>(&self, body: B) -> Request<B> {
        let mut request = Request::new(body);
        (*request.method_mut(), *request.uri_mut()) = (Method::POST, self.target.clone());
        request.headers_mut().insert(header::AUTHORIZATION, self.token.clone());
        request.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
        request
    }

    fn failed(&self, source: hyper::Error) -> StreamEnded {
        StreamEnded::Http { address: self.address.to_owned(), source }
    }
}

/// Writes the lines, and closes the connection at their end.
async fn write(mut lines: ReportBody, mut writer: impl AsyncWrite + Unpin) {
    while let Some(line) = lines.next().await {
        if writer.write_all(&line).await.is_err() || writer.flush().await.is_err() {
            return;
        }
    }
    let _ = writer.shutdown().await;
}

async fn refused(response: Response<Incoming>) -> StreamEnded {
    let status = response.status();
    let leader = response.headers().get(LEADER).filter(|_| status == StatusCode::MISDIRECTED_REQUEST);
    match leader.and_then(leader_address) {
        Some(leader) => StreamEnded::NotLeader(leader),
        None => StreamEnded::Refused { status: status.as_u16(), message: message(response.into_body()).await },
    }
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

fn tasks() -> (Tasks, Spawner) {
    let tasks = Tasks::default();
    let spawner = Spawner(Arc::downgrade(&tasks));
    (tasks, spawner)
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
}
