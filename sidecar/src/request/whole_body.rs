//! The body of a whole answer, in one piece or three, with the memory that it uses until it is sent.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use crate::memory::MemoryLease;

/// The pieces that are still to be sent, in order. Empty ones are skipped.
#[derive(Debug, Default)]
pub struct WholeBody {
    pieces: [Bytes; 3],
    /// Released when the last piece is written.
    lease: MemoryLease,
}

/// The memory of a shorter body is included in that of its request.
const LONG: usize = 64 << 10;

/// The last piece. It releases the memory when it is written, not when it is handed to hyper: the caller may read
/// slowly.
struct Last {
    piece: Bytes,
    _held: MemoryLease,
}

impl AsRef<[u8]> for Last {
    fn as_ref(&self) -> &[u8] {
        &self.piece
    }
}

impl WholeBody {
    #[must_use]
    pub fn new(pieces: [Bytes; 3], lease: MemoryLease) -> Self {
        WholeBody { pieces, lease }
    }
}

impl From<Bytes> for WholeBody {
    fn from(whole: Bytes) -> Self {
        WholeBody::new([whole, Bytes::new(), Bytes::new()], MemoryLease::default())
    }
}

impl Body for WholeBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let next = self.pieces.iter_mut().find(|piece| !piece.is_empty()).map(std::mem::take);
        let piece = match next {
            Some(piece) if self.lease.bytes() >= LONG && self.is_end_stream() => {
                Some(Bytes::from_owner(Last { piece, _held: std::mem::take(&mut self.lease) }))
            }
            piece => piece,
        };
        Poll::Ready(piece.map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.pieces.iter().all(Bytes::is_empty)
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.pieces.iter().map(|piece| piece.len() as u64).sum())
    }
}
