//! A mock's answer, told at its pace.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Response, StatusCode, header};
use outrigger_llm::Dialect;
use outrigger_policy::FaultKind;
use tokio::time::{Instant, Sleep, sleep_until};

use super::fault::Fault;
use crate::upstream::{BodyError, UpstreamBody};

/// What is told, and when.
#[derive(Debug)]
pub struct Pace {
    chunks: VecDeque<Bytes>,
    first: Duration,
    each: Duration,
    /// Ends with a lost connection.
    cut: Option<String>,
}

impl Pace {
    /// All at once.
    pub fn whole(body: impl Into<Bytes>) -> Self {
        Pace { chunks: VecDeque::from([body.into()]), first: Duration::ZERO, each: Duration::ZERO, cut: None }
    }

    /// Nothing but a lost connection.
    pub fn cut(reason: String) -> Self {
        Pace { chunks: VecDeque::new(), first: Duration::ZERO, each: Duration::ZERO, cut: Some(reason) }
    }

    /// Events one by one; a fault ends them early.
    pub fn stream(
        mut events: Vec<Bytes>,
        first: Duration,
        each: Duration,
        fault: Option<&Fault>,
        dialect: Dialect,
    ) -> Self {
        let mut cut = None;
        if let Some(fault) = fault {
            events.truncate(fault.events());
            match fault.kind() {
                FaultKind::ErrorEvent => events.push(fault.error_event(dialect).into()),
                _ => cut = Some(fault.message()),
            }
        }
        Pace { chunks: events.into(), first, each, cut }
    }
}

/// The body that is told so.
#[derive(Debug)]
pub struct MockBody {
    pace: Pace,
    started: bool,
    wait: Option<Pin<Box<Sleep>>>,
}

impl MockBody {
    /// The next chunk, when its time has come.
    pub fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        if self.wait.is_none() {
            let pause = if self.started { self.pace.each } else { self.pace.first };
            if !pause.is_zero() && !self.pace.chunks.is_empty() {
                self.wait = Some(Box::pin(sleep_until(Instant::now() + pause)));
            }
        }
        if let Some(wait) = &mut self.wait {
            if wait.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            self.wait = None;
        }
        self.started = true;
        Poll::Ready(match self.pace.chunks.pop_front() {
            Some(chunk) => Some(Ok(chunk)),
            None => self.pace.cut.take().map(|reason| Err(BodyError::Lost(reason))),
        })
    }
}

/// A JSON answer.
pub fn json(status: u16, pace: Pace) -> Response<UpstreamBody> {
    respond(status, "application/json", pace)
}

/// An event stream.
pub fn event_stream(pace: Pace) -> Response<UpstreamBody> {
    respond(200, "text/event-stream", pace)
}

fn respond(status: u16, content_type: &'static str, pace: Pace) -> Response<UpstreamBody> {
    let mut response = Response::new(UpstreamBody::mock(MockBody { pace, started: false, wait: None }));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(content_type));
    response
}
