//! The gateway's messages, for as long as the stream is open. On an HTTP/2 connection they are the request's body.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame};
use outrigger_sync::FromGateway;
use tokio::sync::mpsc::{self, Receiver, Sender};

use super::StreamEnded;

/// Messages that may wait for the connection. They are short, and there are only a few in a minute.
const MAX_WAITING: usize = 64;

/// Sends messages.
#[derive(Debug)]
pub(super) struct ReportSender(Sender<Bytes>);

/// The messages as lines. They end when its [`ReportSender`] is dropped.
#[derive(Debug)]
pub(super) struct ReportBody(Receiver<Bytes>);

pub(super) fn channel() -> (ReportSender, ReportBody) {
    let (sender, receiver) = mpsc::channel(MAX_WAITING);
    (ReportSender(sender), ReportBody(receiver))
}

impl ReportSender {
    /// Sends a message without waiting. If the queue is full, the operator does not read, and the stream ends.
    pub(super) fn send(&self, message: &FromGateway) -> Result<(), StreamEnded> {
        self.0.try_send(outrigger_sync::write(message).into()).map_err(|_| StreamEnded::Unread)
    }
}

impl ReportBody {
    /// The next line; `None` once the [`ReportSender`] is dropped.
    pub(super) async fn next(&mut self) -> Option<Bytes> {
        self.0.recv().await
    }
}

impl Body for ReportBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(cx).map(|line| line.map(|line| Ok(Frame::data(line))))
    }
}
