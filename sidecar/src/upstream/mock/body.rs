//! A mock's answer, told at its pace.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::upstream::BodyError;

/// What is told, and when.
#[derive(Debug)]
pub struct MockPace {
    chunks: VecDeque<Bytes>,
    first: Duration,
    each: Duration,
    /// Ends with a lost connection.
    cut: Option<String>,
}

impl MockPace {
    /// All at once.
    pub fn whole(body: impl Into<Bytes>) -> Self {
        MockPace { chunks: VecDeque::from([body.into()]), first: Duration::ZERO, each: Duration::ZERO, cut: None }
    }

    /// Nothing but a lost connection.
    pub fn cut(reason: String) -> Self {
        MockPace { chunks: VecDeque::new(), first: Duration::ZERO, each: Duration::ZERO, cut: Some(reason) }
    }

    /// Events one by one; with a reason, the connection is lost behind the last.
    pub fn stream(events: Vec<Bytes>, first: Duration, each: Duration, cut: Option<String>) -> Self {
        MockPace { chunks: events.into(), first, each, cut }
    }
}

/// The body that is told so.
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
