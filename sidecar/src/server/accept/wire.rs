//! A connection's bytes, watched: which version of HTTP they are of, whether a head has begun and how much memory it takes,
//! whether answers are read.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::frames::{Frames, PREFACE};
use super::peers::Peer;
use crate::memory::{Held, Memory};
use crate::sockets::Sparing;

/// Bytes that a connection of HTTP/2 reads at one time. Requests that have come begin before it reads more.
const FEW_HEADS: usize = 16 << 10;
/// So much of a head that has no end yet is in nobody's account: nearly all are shorter.
const SHORT_HEAD: usize = 8 << 10;

/// A connection.
#[derive(Debug)]
pub struct Wire {
    stream: Sparing<TcpStream>,
    peer: Arc<Peer>,
    memory: Memory,
    /// For a long head that has no end yet; its request has room of its own.
    held: Held,
    /// Bytes of it, on HTTP/1.1.
    head: usize,
    /// What was read to know the version, and how much of it was given on.
    first: [u8; PREFACE.len()],
    filled: usize,
    given: usize,
    /// Of HTTP/2.
    frames: Option<Frames>,
    /// Whether others run before more is read.
    rests: bool,
}

impl Wire {
    #[must_use]
    pub fn new(stream: TcpStream, peer: Arc<Peer>, memory: Memory) -> Self {
        let (stream, held) = (Sparing::new(stream), Held::default());
        Wire {
            stream,
            peer,
            memory,
            held,
            head: 0,
            first: [0; PREFACE.len()],
            filled: 0,
            given: 0,
            frames: None,
            rests: false,
        }
    }

    /// Waits for the first bytes: whether they are of HTTP/2.
    ///
    /// # Errors
    /// The connection broke.
    pub async fn speaks_http2(&mut self) -> io::Result<bool> {
        while self.filled < PREFACE.len() && PREFACE.starts_with(&self.first[..self.filled]) {
            match self.stream.read(&mut self.first[self.filled..]).await? {
                0 => break,
                read => self.filled += read,
            }
            self.peer.hears();
        }
        let http2 = self.first == *PREFACE;
        if http2 {
            self.frames = Some(Frames::default());
            self.stream.no_more_than(FEW_HEADS);
            self.peer.hears_part(false);
        }
        Ok(http2)
    }

    fn writes(&self, written: &Poll<io::Result<usize>>) {
        self.peer.is_unread(written.is_pending());
        if let Poll::Ready(Ok(bytes)) = written {
            self.peer.wrote(*bytes);
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let wire = self.get_mut();
        if wire.given < wire.filled {
            let rest = &wire.first[wire.given..wire.filled];
            let part = &rest[..rest.len().min(buf.remaining())];
            buf.put_slice(part);
            wire.given += part.len();
            return Poll::Ready(Ok(()));
        }
        if std::mem::take(&mut wire.rests) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let before = buf.filled().len();
        ready!(Pin::new(&mut wire.stream).poll_read(cx, buf))?;
        let read = &buf.filled()[before..];
        let head = match &mut wire.frames {
            _ if read.is_empty() => 0,
            None => {
                wire.peer.hears();
                wire.head = if wire.peer.is_waiting() { wire.head + read.len() } else { 0 };
                wire.head
            }
            Some(frames) => {
                wire.peer.hears_part(frames.feed(read));
                // A head is in no account until its request begins, so requests begin before more heads are read.
                wire.rests = true;
                frames.unfinished_head()
            }
        };
        if head <= SHORT_HEAD {
            wire.held.shrink_to(0);
        } else if wire.held.grow_to(2 * head, &wire.memory).is_err() {
            // The buffer that it stands in may be twice as long.
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::OutOfMemory, "there is no room for a long head")));
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let wire = self.get_mut();
        let written = Pin::new(&mut wire.stream).poll_write(cx, buf);
        wire.writes(&written);
        written
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let wire = self.get_mut();
        let written = Pin::new(&mut wire.stream).poll_write_vectored(cx, bufs);
        wire.writes(&written);
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}
