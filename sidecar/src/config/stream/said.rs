//! What the gateway says: the body of its request, for as long as the stream is open.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame};
use outrigger_sync::FromGateway;
use tokio::sync::mpsc::{self, Receiver, Sender};

use super::Ended;

/// Lines that wait for the connection to have room. One is short, and more are made in minutes.
const WAITING: usize = 64;

/// Says lines.
#[derive(Debug)]
pub(super) struct Mouth(Sender<Bytes>);

/// The body. It ends with its [`Mouth`].
#[derive(Debug)]
pub(super) struct Said(Receiver<Bytes>);

pub(super) fn pair() -> (Mouth, Said) {
    let (sender, receiver) = mpsc::channel(WAITING);
    (Mouth(sender), Said(receiver))
}

impl Mouth {
    /// Never waits: an operator that does not read is as good as none.
    pub(super) fn say(&self, message: &FromGateway) -> Result<(), Ended> {
        self.0.try_send(outrigger_sync::write(message).into()).map_err(|_| Ended::Unread)
    }
}

impl Body for Said {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(cx).map(|line| line.map(|line| Ok(Frame::data(line))))
    }
}
