//! The streams of gateways: who may open one, which policies are pushed, and what gateways report.
//!
//! ```text
//! Hub::publish(WrittenRevision) ─► newest of the binding ─► each of its gateways, at its own pace
//!                                                                   │
//! Hub::changes, Hub::states ◄──────── hello, outcome ◄──────────────┘
//! ```
//!
//! Only the leader has streams; a follower answers with the leader's address. A gateway is admitted by the token of its pod
//! ([`mod@token`]), with one stream per pod. It gets the policy of the binding that its pod was admitted with, and those credentials
//! that its service account may use. Only the newest policy of a binding is kept, so a gateway that reads slowly costs nothing
//! and delays nobody.

pub mod cluster;
pub mod hub;
pub mod keys;
pub mod token;

mod admitted;
mod connected;
mod grants;
mod inbound;
mod outbound;
mod permits;
mod policy_line;
mod refusal;
mod reports;
mod rows;
mod session;

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Request, Response, header};
use http_body::Body;

use crate::runtime::response::AnswerBody;

pub use admitted::AdmittedStream;
pub use connected::{ConnectedGateway, STREAMS_MAX};
pub use hub::Hub;
pub use permits::{PermitReceiver, ReceivedPermits};
pub use refusal::StreamRefusal;
pub use reports::{ReceivedReport, ReportReceiver};
pub use rows::{ReceivedRows, RowsReceiver};
pub use token::{PodFacts, PodLookup, Verifier};

/// Answers `POST /v1/stream`.
#[derive(Debug)]
pub struct Streams {
    hub: Arc<Hub>,
    verifier: Verifier,
}

impl Streams {
    #[must_use]
    pub fn new(hub: Arc<Hub>, verifier: Verifier) -> Self {
        Streams { hub, verifier }
    }

    #[must_use]
    pub fn hub(&self) -> &Arc<Hub> {
        &self.hub
    }

    /// Keeps the cluster's keys fresh, for as long as it is polled.
    pub async fn keep_fresh(&self) {
        self.verifier.keep_fresh().await;
    }

    /// Opens a stream whose lines are the bodies of the request and its response, or returns why not.
    pub async fn answer<B>(&self, request: Request<B>) -> Response<AnswerBody>
    where
        B: Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: std::fmt::Display,
    {
        match self.admit(&request).await {
            Ok(stream) => stream.respond(request.into_body()),
            Err(response) => response,
        }
    }

    /// Admits the gateway that asks for a stream.
    ///
    /// # Errors
    /// The response that says why not.
    pub async fn admit<B>(&self, request: &Request<B>) -> Result<AdmittedStream, Response<AnswerBody>> {
        self.open(request.headers()).await.map_err(|refusal| {
            tracing::debug!(reason = refusal.word(), %refusal, "a stream was refused");
            refusal.response()
        })
    }

    async fn open(&self, headers: &HeaderMap) -> Result<AdmittedStream, StreamRefusal> {
        // Before the token is verified: a follower may be unable to do so.
        self.hub.leading()?;
        let gateway = self.verifier.gateway(token(headers)?).await?;
        let handle = Arc::new(self.hub.handle(gateway)?);
        Ok(AdmittedStream::new(handle, Arc::clone(self.verifier.pods())))
    }
}

fn token(headers: &HeaderMap) -> Result<&str, StreamRefusal> {
    let value = headers.get(header::AUTHORIZATION).ok_or(StreamRefusal::NoToken)?;
    let value = value.to_str().map_err(|_| StreamRefusal::NoToken)?;
    match value.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") && !token.trim().is_empty() => Ok(token.trim()),
        _ => Err(StreamRefusal::NoToken),
    }
}
