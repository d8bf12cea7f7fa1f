//! A connection's bytes, watched: which version of HTTP they are of, whether a head has begun and how much memory it takes,
//! whether answers are read.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use outrigger_listen::Peer;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

use super::frames::{Frames, PREFACE};
use super::heads::{self, Heads};
use crate::memory::{Memory, MemoryLease, NoRoom};
use crate::sockets::Sparing;

/// Bytes that a connection of HTTP/2 reads at one time: those behind the heads that may go on are kept.
const FEW_HEADS: usize = 16 << 10;
/// So much of a head that has no end yet is in nobody's account: nearly all are shorter.
const SHORT_HEAD: usize = 8 << 10;

/// A connection.
pub struct Wire {
    stream: Sparing<TcpStream>,
    peer: Arc<Peer>,
    memory: Memory,
    /// For a long head that has no end yet; its request has room of its own.
    held: MemoryLease,
    /// While it has no room.
    no_room: Option<BoxFuture<'static, Result<MemoryLease, NoRoom>>>,
    /// Bytes of it, on HTTP/1.1.
    head: usize,
    /// What was read to know the version, and how much of it was given on.
    first: [u8; PREFACE.len()],
    filled: usize,
    given: usize,
    http2: Option<Http2>,
    /// Of connections that read heads of HTTP/2.
    places: Arc<Semaphore>,
}

/// What a connection of HTTP/2 has beside its bytes.
#[derive(Debug)]
struct Http2 {
    frames: Frames,
    heads: Arc<Heads>,
    /// What was read behind the heads that may go on.
    behind: Bytes,
}

impl Wire {
    #[must_use]
    pub fn new(stream: TcpStream, peer: Arc<Peer>, memory: Memory, places: Arc<Semaphore>) -> Self {
        let (stream, held) = (Sparing::new(stream), MemoryLease::default());
        Wire {
            stream,
            peer,
            memory,
            held,
            no_room: None,
            head: 0,
            first: [0; PREFACE.len()],
            filled: 0,
            given: 0,
            http2: None,
            places,
        }
    }

    /// Waits for the first bytes. Of HTTP/2: what its connection and its requests say of heads.
    ///
    /// # Errors
    /// The connection broke.
    pub async fn http2(&mut self) -> io::Result<Option<Arc<Heads>>> {
        while self.filled < PREFACE.len() && PREFACE.starts_with(&self.first[..self.filled]) {
            match self.stream.read(&mut self.first[self.filled..]).await? {
                0 => break,
                read => self.filled += read,
            }
            self.peer.hears();
        }
        if self.first != *PREFACE {
            return Ok(None);
        }
        self.stream.no_more_than(FEW_HEADS);
        self.peer.hears_part(false);
        let heads = Arc::new(Heads::new(Arc::clone(&self.places)));
        self.http2 = Some(Http2 { frames: Frames::default(), heads: Arc::clone(&heads), behind: Bytes::new() });
        Ok(Some(heads))
    }

    fn writes(&self, written: &Poll<io::Result<usize>>) {
        self.peer.is_unread(written.is_pending());
        if let Poll::Ready(Ok(bytes)) = written {
            self.peer.wrote(*bytes);
        }
    }
}

impl Wire {
    /// Reads bytes of HTTP/1.1.
    fn poll_first_version(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        // The buffer that it stands in may be twice as long.
        ready!(self.poll_room(2 * self.head, cx))?;
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        let read = buf.filled().len() - before;
        if read > 0 {
            self.peer.hears();
            self.head = if self.peer.is_waiting() { self.head + read } else { 0 };
        }
        Poll::Ready(Ok(()))
    }

    /// The same for HTTP/2: no more heads than may be between the wire and their requests.
    fn poll_second_version(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Some(http2) = &self.http2 else { return Poll::Ready(Ok(())) };
        let kept = http2.behind.len() + 2 * http2.frames.unfinished_head();
        ready!(self.poll_room(kept, cx))?;
        let Some(http2) = &mut self.http2 else { return Poll::Ready(Ok(())) };
        ready!(http2.heads.poll_may_read(cx));
        let fed = if http2.behind.is_empty() {
            let before = buf.filled().len();
            ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
            let read = &buf.filled()[before..];
            let fed = http2.frames.feed(read, heads::AT_ONCE);
            http2.behind = Bytes::copy_from_slice(&read[fed.bytes..]);
            buf.set_filled(before + fed.bytes);
            fed
        } else {
            let most = http2.behind.len().min(buf.remaining());
            let fed = http2.frames.feed(&http2.behind[..most], heads::AT_ONCE);
            buf.put_slice(&http2.behind.split_to(fed.bytes));
            fed
        };
        if fed.heads > 0 {
            http2.heads.were_read();
        }
        if fed.bytes > 0 {
            self.peer.hears_part(http2.frames.is_unfinished());
        }
        Poll::Ready(Ok(()))
    }

    /// Takes room for so many bytes of heads that have not gone on, before more is read. A few are in nobody's account. If
    /// there is no room, the connection waits for a moment, and ends if there is none then.
    fn poll_room(&mut self, bytes: usize, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if bytes <= 2 * SHORT_HEAD {
            self.held.shrink_to(0);
            return Poll::Ready(Ok(()));
        }
        let no_room = |_| io::Error::new(io::ErrorKind::OutOfMemory, "there is no room for a long head");
        loop {
            if let Some(waiting) = &mut self.no_room {
                let room = ready!(waiting.as_mut().poll(cx));
                self.no_room = None;
                drop(room.map_err(no_room)?);
            }
            match self.held.grow_to(bytes, &self.memory) {
                Err(NoRoom::Now) => {
                    let (memory, has) = (self.memory.clone(), self.held.bytes());
                    self.no_room = Some(Box::pin(async move { memory.wait(bytes.saturating_sub(has), has).await }));
                }
                outcome => return Poll::Ready(outcome.map_err(no_room)),
            }
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
        match wire.http2 {
            None => wire.poll_first_version(cx, buf),
            Some(_) => wire.poll_second_version(cx, buf),
        }
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
