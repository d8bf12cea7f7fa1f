//! Routes each request, and limits how much of it is read.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, Method, Request, Response, StatusCode, header};
use http_body::Body;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde_json::json;
use thiserror::Error;
use tokio::sync::Semaphore;

use super::Services;
use super::review_queue::ReviewQueue;
use crate::admission::objects;
use crate::runtime::response::{AnswerBody, answer};
use crate::stream::AdmittedStream;

/// The largest body. A stored object may have 1.5 MiB; a review holds it as JSON, together with the previous version.
const BODY_MAX: usize = 8 << 20;
/// The memory for all bodies that are being read or answered, in KiB.
const BODIES_KIB: u32 = 64 << 10;
/// The time for waiting, the body and the response together. The API server waits at most 30 s, and for this webhook 5
/// s.
const TIME: Duration = Duration::from_secs(10);

/// Why a request cannot be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
enum RouteError {
    #[error("no such path: use POST /admit/… (the API server) or POST /v1/stream (gateways)")]
    NotFound,
    #[error("only POST is allowed")]
    Method,
    #[error(
        "a stream's connection is upgraded: send `connection: upgrade` and `upgrade: {}`",
        outrigger_sync::PROTOCOL
    )]
    NoUpgrade,
    #[error("the body is over {} MiB", BODY_MAX >> 20)]
    TooLarge,
    #[error("the body did not come within {} s", TIME.as_secs())]
    Late,
    #[error("the body ended early")]
    Broken,
    #[error("too many objects of this namespace wait for validation: try again")]
    Busy,
    #[error("the review could not be answered, which is a bug: see the operator's log")]
    Panicked,
}

impl RouteError {
    fn row(self) -> (StatusCode, &'static str) {
        match self {
            RouteError::NotFound => (StatusCode::NOT_FOUND, "not_found"),
            RouteError::Method => (StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed"),
            RouteError::NoUpgrade => (StatusCode::UPGRADE_REQUIRED, "upgrade_required"),
            RouteError::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "request_too_large"),
            RouteError::Late => (StatusCode::REQUEST_TIMEOUT, "request_timeout"),
            RouteError::Broken => (StatusCode::BAD_REQUEST, "request_broken"),
            RouteError::Busy => (StatusCode::TOO_MANY_REQUESTS, "overloaded"),
            RouteError::Panicked => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
        }
    }

    fn response(self) -> Response<AnswerBody> {
        let (status, word) = self.row();
        answer(status, json!({"error": {"type": word, "message": self.to_string()}}).to_string())
    }
}

/// Routes requests to their handlers.
#[derive(Debug)]
pub(super) struct Router {
    services: Services,
    memory: Arc<Semaphore>,
    /// Reviews of our own objects. Pods must not wait for them.
    reviews: ReviewQueue,
}

impl Router {
    pub(super) fn new(services: Services) -> Self {
        Router { services, memory: Arc::new(Semaphore::new(BODIES_KIB as usize)), reviews: ReviewQueue::new() }
    }

    pub(super) fn services(&self) -> &Services {
        &self.services
    }

    pub(super) async fn answer<B>(&self, request: Request<B>) -> Response<AnswerBody>
    where
        B: Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>> + std::fmt::Display,
    {
        let path = request.uri().path();
        let admission = path.starts_with("/admit/");
        let answered = match request.method() {
            _ if !admission && path != outrigger_sync::PATH => Err(RouteError::NotFound),
            method if method != Method::POST => Err(RouteError::Method),
            _ if admission => self.admit(request).await,
            _ => Ok(self.services.streams.answer(request).await),
        };
        answered.unwrap_or_else(RouteError::response)
    }

    /// Admits the gateway that asks for a stream on a connection of its own.
    ///
    /// # Errors
    /// The response that says why not.
    pub(super) async fn stream<B>(&self, request: &Request<B>) -> Result<AdmittedStream, Response<AnswerBody>> {
        match request.method() {
            _ if request.uri().path() != outrigger_sync::PATH => Err(RouteError::NotFound.response()),
            method if method != Method::POST => Err(RouteError::Method.response()),
            _ if !upgrades(request.headers()) => Err(RouteError::NoUpgrade.response()),
            _ => self.services.streams.admit(request).await,
        }
    }

    async fn admit<B>(&self, request: Request<B>) -> Result<Response<AnswerBody>, RouteError>
    where
        B: Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        match tokio::time::timeout(TIME, self.review(request)).await {
            Ok(answered) => answered,
            Err(_) => Err(RouteError::Late),
        }
    }

    async fn review<B>(&self, request: Request<B>) -> Result<Response<AnswerBody>, RouteError>
    where
        B: Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let (head, body) = request.into_parts();
        // The API server sends a content length. A client that does not gets the room of the largest body.
        let length = body.size_hint().upper().map_or(BODY_MAX, |upper| usize::try_from(upper).unwrap_or(usize::MAX));
        if length > BODY_MAX {
            return Err(RouteError::TooLarge);
        }
        let kib = u32::try_from(length.div_ceil(1 << 10)).unwrap_or(BODIES_KIB).max(1);
        let memory = Arc::clone(&self.memory).acquire_many_owned(kib).await.map_err(|_| RouteError::Late)?;
        let body =
            Limited::new(body, BODY_MAX).collect().await.map_err(|error| match error.is::<LengthLimitError>() {
                true => RouteError::TooLarge,
                false => RouteError::Broken,
            })?;
        let (admit, body) = (Arc::clone(&self.services.admit), body.to_bytes());
        let turn = match head.uri.path() {
            objects::PATH => {
                let place = self.reviews.place(&objects::namespace(&body), kib).ok_or(RouteError::Busy)?;
                Some(place.turn().await.ok_or(RouteError::Late)?)
            }
            _ => None,
        };
        // Not on the threads that serve streams, because comparing large objects takes long.
        let reviewed = tokio::task::spawn_blocking(move || {
            let reviewed = admit.admit(head.uri.path(), body);
            drop((memory, turn));
            reviewed
        });
        match reviewed.await {
            Ok((status, body)) => Ok(answer(status, body)),
            Err(error) => {
                tracing::error!(%error, "a review panicked");
                Err(RouteError::Panicked)
            }
        }
    }
}

/// Whether the connection may become a stream after the answer.
fn upgrades(headers: &HeaderMap) -> bool {
    let names = |name: HeaderName, word: &str| {
        let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
        values.flat_map(|value| value.split(',')).any(|value| value.trim().eq_ignore_ascii_case(word))
    };
    names(header::CONNECTION, "upgrade") && names(header::UPGRADE, outrigger_sync::PROTOCOL)
}
