//! A stream as the body of an answer, and what becomes of it when its caller goes away.
//!
//! ```text
//! flowing -> ended
//!         -> hung up -> read on for a moment (1 s, 256 tokens) or to the end -> settled
//! ```
//! A provider tells what an answer used at its end. A caller who hangs up takes that along, so the gateway reads on for a
//! moment where money is at stake, and to the end where the key says `onHangUp: Drain`.

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

/// How long an answer is read on for that nobody waits for.
const LINGER: Duration = Duration::from_secs(1);
/// How many tokens more of it.
const LINGER_TOKENS: u64 = 256;

/// A relay together with the end of its request.
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
        // Whoever has read an answer to its end may close at once.
        if !flowing.relay.is_told() {
            flowing.completion.hung_up();
            flowing.status = CLIENT_CLOSED;
        }
        let drains = flowing.completion.context.key().on_hang_up == OnHangUp::Drain;
        let runtime = tokio::runtime::Handle::try_current();
        match runtime {
            Ok(runtime) if drains || flowing.completion.is_charged() => drop(runtime.spawn(flowing.linger(drains))),
            // Nothing hangs on it: the upstream is told at once.
            _ => flowing.end_early(),
        }
    }
}

impl Flowing {
    /// All was told, whether or not somebody heard it.
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

    /// The upstream is cancelled where it is.
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
        // That the time is over is as good an end as any.
        drop(tokio::time::timeout(longest, reading).await);
        self.end_early();
    }
}
