//! A request's body in pieces: unchanged bytes of the caller, and edits.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};

use crate::memory::MemoryLease;

/// Bytes that are sent one after the other. Cheap to clone, because the bytes are shared.
#[derive(Clone, Debug, Default)]
pub struct Pieces {
    pieces: VecDeque<Bytes>,
    /// Set when the first piece is sent.
    sent: Arc<AtomicBool>,
    /// Their memory reservation.
    _lease: Option<Arc<MemoryLease>>,
}

impl Pieces {
    /// A body of these pieces, in order. Empty ones are dropped.
    pub fn new(pieces: impl IntoIterator<Item = Bytes>) -> Self {
        let pieces = pieces.into_iter().filter(|piece| !piece.is_empty()).collect();
        Pieces { pieces, sent: Arc::default(), _lease: None }
    }

    /// Sets `sent` when it begins to be sent: from then on it may be processed, and billed.
    #[must_use]
    pub fn with_sent_flag(self, sent: &Arc<AtomicBool>) -> Self {
        Pieces { sent: Arc::clone(sent), ..self }
    }

    /// Holds this reservation until the body is dropped.
    #[must_use]
    pub fn with_lease(self, lease: MemoryLease) -> Self {
        let lease = (lease.bytes() > 0).then(|| Arc::new(lease));
        Pieces { _lease: lease, ..self }
    }

    /// The length in bytes.
    #[must_use]
    pub fn length(&self) -> usize {
        self.pieces.iter().map(Bytes::len).sum()
    }

    /// The pieces, in order.
    pub fn pieces(&self) -> impl Iterator<Item = &Bytes> {
        self.pieces.iter()
    }

    /// All pieces joined; they count as sent.
    #[must_use]
    pub fn joined(self) -> Bytes {
        self.sent.store(true, Ordering::Release);
        let mut pieces = self.pieces;
        match pieces.len() {
            0 | 1 => pieces.pop_front().unwrap_or_default(),
            _ => {
                let mut whole = BytesMut::with_capacity(pieces.iter().map(Bytes::len).sum());
                pieces.iter().for_each(|piece| whole.extend_from_slice(piece));
                whole.freeze()
            }
        }
    }
}

impl<T: Into<Bytes>> From<T> for Pieces {
    fn from(whole: T) -> Self {
        Pieces::new([whole.into()])
    }
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.sent.store(true, Ordering::Release);
        Poll::Ready(self.pieces.pop_front().map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.pieces.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.pieces.iter().map(|piece| piece.len() as u64).sum())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sends_pieces_in_order() {
        let pieces = Pieces::new([Bytes::from("a"), Bytes::new(), Bytes::from("bc")]);
        assert_eq!(pieces.size_hint().exact(), Some(3));
        assert_eq!(pieces.clone().joined(), "abc");
        assert!(Pieces::default().is_end_stream());
        assert_eq!(Pieces::from("x").joined(), "x");
    }

    #[test]
    fn sets_a_flag_when_the_body_is_sent() {
        let sent = Arc::default();
        let mut pieces = Pieces::from("x").with_sent_flag(&sent);
        assert!(!sent.load(Ordering::Acquire));
        let polled = Pin::new(&mut pieces).poll_frame(&mut Context::from_waker(std::task::Waker::noop()));
        assert!(polled.is_ready() && sent.load(Ordering::Acquire));
    }
}
