//! Cuts off a caller that does not read its answer.
//!
//! On HTTP/1.1 the socket's buffer fills, which the connection notices. On HTTP/2, one stream may stall while the
//! connection continues, and then nothing polls its body. So a task watches the body. A stalled answer ends as if the
//! caller had gone, which releases what it holds.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use parking_lot::Mutex;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use crate::request::reply::ReplyBody;

/// Wraps a body so that it ends if its last chunk is not taken for `unread`.
pub fn limit_unread(body: ReplyBody, unread: Duration) -> ReplyBody {
    if body.is_end_stream() {
        return body;
    }
    let state = Arc::new(Mutex::new(State { body: Some(body), returned_at: None }));
    let watch = tokio::spawn(watch(Arc::downgrade(&state), unread)).abort_handle();
    UnreadBody { state, watch }.boxed_unsync()
}

struct UnreadBody {
    state: Arc<Mutex<State>>,
    watch: AbortHandle,
}

struct State {
    body: Option<ReplyBody>,
    /// When the last chunk was returned, until the next one is polled.
    returned_at: Option<Instant>,
}

impl Body for UnreadBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let mut state = self.state.lock();
        state.returned_at = None;
        let Some(body) = &mut state.body else {
            return Poll::Ready(Some(Err(io::Error::new(
                io::ErrorKind::TimedOut,
                "the caller did not read the answer",
            ))));
        };
        let frame = ready!(Pin::new(body).poll_frame(cx));
        state.returned_at = frame.is_some().then(Instant::now);
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        let state = self.state.lock();
        state.body.as_ref().is_some_and(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        let state = self.state.lock();
        state.body.as_ref().map(Body::size_hint).unwrap_or_default()
    }
}

impl Drop for UnreadBody {
    fn drop(&mut self) {
        self.watch.abort();
    }
}

async fn watch(state: Weak<Mutex<State>>, unread: Duration) {
    let mut check_at = Instant::now() + unread;
    loop {
        tokio::time::sleep_until(check_at).await;
        let Some(state) = state.upgrade() else { return };
        let mut state = state.lock();
        check_at = state.returned_at.unwrap_or_else(Instant::now) + unread;
        if check_at <= Instant::now() {
            let body = state.body.take();
            drop(state);
            return drop(body);
        }
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::StreamBody;
    use tokio::sync::mpsc;

    use super::*;

    const UNREAD: Duration = Duration::from_secs(120);

    /// A watched body, with a sender that shows when the body is dropped.
    fn body() -> (mpsc::UnboundedSender<&'static str>, ReplyBody) {
        let (send, receive) = mpsc::unbounded_channel();
        let stream = futures_util::stream::unfold(receive, |mut receive| async move {
            let text: &str = receive.recv().await?;
            Some((Ok(Frame::data(Bytes::from(text))), receive))
        });
        (send, limit_unread(BodyExt::boxed_unsync(StreamBody::new(stream)), UNREAD))
    }

    #[tokio::test(start_paused = true)]
    async fn drops_the_body_of_an_answer_that_is_not_read() {
        let (send, mut body) = body();
        send.send("a").unwrap();
        body.frame().await.unwrap().unwrap();
        tokio::time::sleep(UNREAD - Duration::from_secs(1)).await;
        assert!(!send.is_closed());
        send.closed().await;
        assert!(body.frame().await.unwrap().is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn does_not_cut_off_a_caller_that_waits_for_the_upstream() {
        let (send, mut body) = body();
        send.send("a").unwrap();
        body.frame().await.unwrap().unwrap();
        let waiting = tokio::spawn(async move { body.frame().await.unwrap().unwrap() });
        tokio::time::sleep(UNREAD * 3).await;
        send.send("b").unwrap();
        assert!(waiting.await.unwrap().is_data());
    }
}
