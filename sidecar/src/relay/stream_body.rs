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
pub struct RelayBody(Option<ActiveStream>);

#[derive(Debug)]
struct ActiveStream {
    relay: Box<Relay>,
    completion: Box<Completion>,
    status: u16,
}

impl RelayBody {
    pub fn new(relay: Box<Relay>, completion: Box<Completion>, status: u16) -> Self {
        RelayBody(Some(ActiveStream { relay, completion, status }))
    }
}

impl Body for RelayBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let Some(active) = &mut self.0 else { return Poll::Ready(None) };
        match std::task::ready!(active.relay.poll_next(cx, &mut active.completion)) {
            Some(bytes) => Poll::Ready(Some(Ok(Frame::data(bytes)))),
            None => {
                if let Some(active) = self.0.take() {
                    let status = active.status;
                    active.end(status);
                }
                Poll::Ready(None)
            }
        }
    }
}

impl Drop for RelayBody {
    fn drop(&mut self) {
        let Some(mut active) = self.0.take() else { return };
        // A caller that has read the answer to its end may close the connection at once.
        if !active.relay.is_complete() {
            active.completion.record_client_closed();
            active.status = CLIENT_CLOSED;
        }
        let drains = active.completion.context.key().on_hang_up == OnHangUp::Drain;
        let runtime = tokio::runtime::Handle::try_current();
        match runtime {
            Ok(runtime) if drains || active.completion.is_charged() => drop(runtime.spawn(active.linger(drains))),
            // Nothing is charged: cancel the upstream request at once.
            _ => active.end_early(),
        }
    }
}

impl ActiveStream {
    /// Ends a stream that was relayed to its end, received by the caller or not.
    fn end(mut self, status: u16) {
        self.completion.record_stream_end(self.relay.chunk_overhead_us());
        self.account();
        self.completion.finish(status);
    }

    fn account(&mut self) {
        let (usage, content_bytes) = (self.relay.usage(), self.relay.content_bytes());
        match self.relay.is_finished() {
            true => self.completion.settle_complete(&usage, content_bytes),
            false => self.completion.settle_cut(&usage, content_bytes),
        }
    }

    /// Cancels the upstream request.
    fn end_early(mut self) {
        if self.relay.is_finished() {
            self.relay.mark_served();
        }
        let status = self.status;
        self.end(status);
    }

    /// Reads on for a moment, or to the end.
    async fn linger(mut self, drains: bool) {
        let content_bytes = self.relay.content_bytes();
        let longest = if drains { self.relay.longest() } else { LINGER };
        let reading = async {
            while std::future::poll_fn(|cx| self.relay.poll_next(cx, &mut self.completion)).await.is_some() {
                if !drains && estimate::output_tokens(self.relay.content_bytes() - content_bytes) >= LINGER_TOKENS {
                    break;
                }
            }
        };
        // Running out of time is an end like any other.
        drop(tokio::time::timeout(longest, reading).await);
        self.end_early();
    }
}
