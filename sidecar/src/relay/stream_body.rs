//! The body of a streamed answer, and how it ends if the caller goes away.
//!
//! ```text
//! flowing -> ended
//!         -> caller gone -> read on for a moment (1 s, 256 tokens) or to the end -> settled
//! ```
//! A provider reports the usage at the end of an answer. If the caller goes away before, the gateway reads on for a
//! moment if the request is charged, and to the end if the key sets `onHangUp: Drain`.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame};
use outrigger_llm::tokens::estimate;
use outrigger_policy::OnHangUp;

use super::Relay;
use crate::completion::{CLIENT_CLOSED, Completion};

/// How long to read on after the caller has gone.
const LINGER: Duration = Duration::from_secs(1);
/// How many more tokens to read then.
const LINGER_TOKENS: u64 = 256;

/// A relay together with the completion of its request.
#[derive(Debug)]
pub struct Flow(Option<Flowing>);

#[derive(Debug)]
struct Flowing {
    relay: Box<Relay>,
    completion: Box<Completion>,
    status: u16,
}

impl Flow {
    pub fn new(relay: Box<Relay>, completion: Box<Completion>, status: u16) -> Self {
        Flow(Some(Flowing { relay, completion, status }))
    }
}

impl Body for Flow {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let Some(flowing) = &mut self.0 else { return Poll::Ready(None) };
        match std::task::ready!(flowing.relay.poll_next(cx, &mut flowing.completion)) {
            Some(bytes) => Poll::Ready(Some(Ok(Frame::data(bytes)))),
            None => {
                if let Some(flowing) = self.0.take() {
                    let status = flowing.status;
                    flowing.end(status);
                }
                Poll::Ready(None)
            }
        }
    }
}

impl Drop for Flow {
    fn drop(&mut self) {
        let Some(mut flowing) = self.0.take() else { return };
        // A caller that has read the answer to its end may close the connection at once.
        if !flowing.relay.is_told() {
            flowing.completion.hung_up();
            flowing.status = CLIENT_CLOSED;
        }
        let drains = flowing.completion.context.key().on_hang_up == OnHangUp::Drain;
        let runtime = tokio::runtime::Handle::try_current();
        match runtime {
            Ok(runtime) if drains || flowing.completion.is_charged() => drop(runtime.spawn(flowing.linger(drains))),
            // Nothing is charged: cancel the upstream request at once.
            _ => flowing.end_early(),
        }
    }
}

impl Flowing {
    /// Ends a stream that was relayed to its end, received by the caller or not.
    fn end(mut self, status: u16) {
        self.completion.streamed(self.relay.chunk_overhead_us());
        self.account();
        self.completion.finish(status);
    }

    fn account(&mut self) {
        let (usage, said) = (self.relay.usage(), self.relay.said());
        match self.relay.is_finished() {
            true => self.completion.answered(&usage, said),
            false => self.completion.cut(&usage, said),
        }
    }

    /// Cancels the upstream request.
    fn end_early(mut self) {
        if self.relay.is_finished() {
            self.relay.served();
        }
        let status = self.status;
        self.end(status);
    }

    /// Reads on for a moment, or to the end.
    async fn linger(mut self, drains: bool) {
        let said = self.relay.said();
        let longest = if drains { self.relay.longest() } else { LINGER };
        let reading = async {
            while std::future::poll_fn(|cx| self.relay.poll_next(cx, &mut self.completion)).await.is_some() {
                if !drains && estimate::output_tokens(self.relay.said() - said) >= LINGER_TOKENS {
                    break;
                }
            }
        };
        // Running out of time is an end like any other.
        drop(tokio::time::timeout(longest, reading).await);
        self.end_early();
    }
}
