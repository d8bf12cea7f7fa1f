//! The body of a mock's answer, sent at its pace.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::upstream::BodyError;

/// The chunks of an answer, and their times.
#[derive(Debug)]
pub struct MockPace {
    chunks: VecDeque<Bytes>,
    first: Duration,
    each: Duration,
    /// The connection breaks at the end, for this reason.
    cut: Option<String>,
}

impl MockPace {
    /// Everything at once.
    pub fn whole(body: impl Into<Bytes>) -> Self {
        MockPace { chunks: VecDeque::from([body.into()]), first: Duration::ZERO, each: Duration::ZERO, cut: None }
    }

    /// Only a broken connection.
    pub fn cut(reason: String) -> Self {
        MockPace { chunks: VecDeque::new(), first: Duration::ZERO, each: Duration::ZERO, cut: Some(reason) }
    }

    /// Events one by one. With a reason, the connection breaks after the last.
    pub fn stream(events: Vec<Bytes>, first: Duration, each: Duration, cut: Option<String>) -> Self {
        MockPace { chunks: events.into(), first, each, cut }
    }
}

/// A body with this pace.
#[derive(Debug)]
pub struct MockBody {
    pace: MockPace,
    started: bool,
    wait: Option<Pin<Box<Sleep>>>,
}

impl MockBody {
    pub fn new(pace: MockPace) -> Self {
        MockBody { pace, started: false, wait: None }
    }

    /// The next chunk, when it is due.
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
