//! Routes each request, and limits how much of it is read.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body::Body;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde_json::json;
use thiserror::Error;
use tokio::sync::Semaphore;

use super::Services;
use super::review_queue::ReviewQueue;
use crate::admission::validate;
use crate::server::response::{AnswerBody, answer};

/// An object may have 1.5 MiB as it is stored; a review holds it as JSON, and beside it the one it replaces.
const BODY_MAX: usize = 8 << 20;
/// What bodies that are being read or answered take together, in KiB.
const BODIES_KIB: u32 = 64 << 10;
/// For room, the body, and the answer together. The API server waits for 30 s at the most, and for us 5.
const TIME: Duration = Duration::from_secs(10);

/// Why a request is not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
enum RouteError {
    #[error("no such path: use POST /admit/… (the API server) or POST /v1/stream (gateways)")]
    NotFound,
    #[error("only POST is allowed")]
    Method,
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
            RouteError::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "request_too_large"),
            RouteError::Late => (StatusCode::REQUEST_TIMEOUT, "request_timeout"),
            RouteError::Broken => (StatusCode::BAD_REQUEST, "request_broken"),
            RouteError::Busy => (StatusCode::TOO_MANY_REQUESTS, "overloaded"),
            RouteError::Panicked => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
        }
    }
}

/// The way from a request to its answer.
#[derive(Debug)]
pub(super) struct Router {
    services: Services,
    memory: Arc<Semaphore>,
    /// Of objects that are to be judged; pods must not wait for them.
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
        answered.unwrap_or_else(|problem| {
            let (status, word) = problem.row();
            answer(status, json!({"error": {"type": word, "message": problem.to_string()}}).to_string())
        })
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
        // The API server says how long it is; who doesn't takes the room of the longest.
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
            validate::PATH => {
                let place = self.reviews.place(&validate::namespace(&body), kib).ok_or(RouteError::Busy)?;
                Some(place.turn().await.ok_or(RouteError::Late)?)
            }
            _ => None,
        };
        // Not on the threads that streams are served by: comparing a large object takes its time.
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
