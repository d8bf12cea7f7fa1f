//! A connection that yields to other tasks, so that a peer that never stops sending cannot occupy a worker thread.
//!
//! hyper may discard what it reads (repeated 1xx responses, empty frames). Then nothing else would end the reading, and
//! all timers of the thread would be late.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// How many bytes are read before it yields.
const YIELD_BYTES: usize = 256 << 10;

/// See the module.
#[derive(Debug)]
pub struct Fair<S> {
    inner: S,
    /// Bytes since the last yield.
    read: usize,
}

impl<S> Fair<S> {
    pub fn new(inner: S) -> Self {
        Fair { inner, read: 0 }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Fair<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.read >= YIELD_BYTES {
            this.read = 0;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let before = buf.filled().len();
        let polled = Pin::new(&mut this.inner).poll_read(cx, buf);
        match polled {
            Poll::Pending => this.read = 0,
            Poll::Ready(_) => this.read += buf.filled().len() - before,
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Fair<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().inner).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().inner).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    #[test]
    fn yields_after_a_limited_number_of_bytes() {
        let mut endless = Fair::new(tokio::io::repeat(b'x'));
        let mut cx = Context::from_waker(Waker::noop());
        let mut bytes = vec![0; 64 << 10];
        for _ in 0..3 {
            let mut read = 0;
            while Pin::new(&mut endless).poll_read(&mut cx, &mut ReadBuf::new(&mut bytes)).is_ready() {
                read += bytes.len();
            }
            assert_eq!(read, YIELD_BYTES);
        }
    }
}
