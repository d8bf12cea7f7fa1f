//! Watches the bytes of a connection: the version of HTTP, whether a head is incomplete and how much memory it takes,
//! and whether answers are read.

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
use crate::sockets::LimitedRead;

/// How many bytes an HTTP/2 connection reads at a time. Bytes after the allowed number of heads are buffered.
const READ_SIZE: usize = 16 << 10;
/// The longest incomplete head that is not in the memory account. Nearly all heads are shorter.
const MAX_UNACCOUNTED_HEAD: usize = 8 << 10;

/// The bytes of a connection.
pub struct Wire {
    stream: LimitedRead<TcpStream>,
    peer: Arc<Peer>,
    memory: Memory,
    /// Memory for a long incomplete head. Its request reserves memory of its own.
    lease: MemoryLease,
    /// A pending wait for that memory.
    no_room: Option<BoxFuture<'static, Result<MemoryLease, NoRoom>>>,
    /// The bytes of the incomplete head, on HTTP/1.1.
    head: usize,
    /// The bytes that were read to detect the version, and how many of them were passed on.
    preface: [u8; PREFACE.len()],
    filled: usize,
    passed_on: usize,
    http2: Option<Http2>,
    /// Permits for connections that read HTTP/2 heads.
    permits: Arc<Semaphore>,
}

/// The additional state of an HTTP/2 connection.
#[derive(Debug)]
struct Http2 {
    frames: Frames,
    heads: Arc<Heads>,
    /// Bytes that were read after the allowed number of heads.
    rest: Bytes,
}

impl Wire {
    #[must_use]
    pub fn new(stream: TcpStream, peer: Arc<Peer>, memory: Memory, permits: Arc<Semaphore>) -> Self {
        let (stream, lease) = (LimitedRead::new(stream), MemoryLease::default());
        Wire {
            stream,
            peer,
            memory,
            lease,
            no_room: None,
            head: 0,
            preface: [0; PREFACE.len()],
            filled: 0,
            passed_on: 0,
            http2: None,
            permits,
        }
    }

    /// Waits for the first bytes. Returns the state of the heads for HTTP/2, `None` for HTTP/1.1.
    ///
    /// # Errors
    /// If the connection breaks.
    pub async fn http2(&mut self) -> io::Result<Option<Arc<Heads>>> {
        while self.filled < PREFACE.len() && PREFACE.starts_with(&self.preface[..self.filled]) {
            match self.stream.read(&mut self.preface[self.filled..]).await? {
                0 => break,
                read => self.filled += read,
            }
            self.peer.bytes_received();
        }
        if self.preface != *PREFACE {
            return Ok(None);
        }
        self.stream.limit_reads(READ_SIZE);
        self.peer.set_head_unfinished(false);
        let heads = Arc::new(Heads::new(Arc::clone(&self.permits)));
        self.http2 = Some(Http2 { frames: Frames::default(), heads: Arc::clone(&heads), rest: Bytes::new() });
        Ok(Some(heads))
    }

    fn report_write(&self, written: &Poll<io::Result<usize>>) {
        self.peer.set_unread(written.is_pending());
        if let Poll::Ready(Ok(bytes)) = written {
            self.peer.add_written(*bytes);
        }
    }
}

impl Wire {
    /// Reads from an HTTP/1.1 connection.
    fn poll_first_version(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        // hyper's buffer may be twice as long as the head.
        ready!(self.poll_memory(2 * self.head, cx))?;
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        let read = buf.filled().len() - before;
        if read > 0 {
            self.peer.bytes_received();
            self.head = if self.peer.is_waiting() { self.head + read } else { 0 };
        }
        Poll::Ready(Ok(()))
    }

    /// Reads from an HTTP/2 connection, at most the allowed number of heads.
    fn poll_second_version(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Some(http2) = &self.http2 else { return Poll::Ready(Ok(())) };
        let buffered = http2.rest.len() + 2 * http2.frames.unfinished_head();
        ready!(self.poll_memory(buffered, cx))?;
        let Some(http2) = &mut self.http2 else { return Poll::Ready(Ok(())) };
        ready!(http2.heads.poll_may_read(cx));
        let consumed = if http2.rest.is_empty() {
            let before = buf.filled().len();
            ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
            let read = &buf.filled()[before..];
            let consumed = http2.frames.feed(read, heads::MAX_UNSTARTED);
            http2.rest = Bytes::copy_from_slice(&read[consumed.bytes..]);
            buf.set_filled(before + consumed.bytes);
            consumed
        } else {
            let available = http2.rest.len().min(buf.remaining());
            let consumed = http2.frames.feed(&http2.rest[..available], heads::MAX_UNSTARTED);
            buf.put_slice(&http2.rest.split_to(consumed.bytes));
            consumed
        };
        if consumed.heads > 0 {
            http2.heads.heads_read();
        }
        if consumed.bytes > 0 {
            self.peer.set_head_unfinished(http2.frames.is_unfinished());
        }
        Poll::Ready(Ok(()))
    }

    /// Reserves memory for incomplete heads before more is read. Short heads need none. If there is no memory, it waits
    /// a moment and then fails.
    fn poll_memory(&mut self, bytes: usize, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if bytes <= 2 * MAX_UNACCOUNTED_HEAD {
            self.lease.shrink_to(0);
            return Poll::Ready(Ok(()));
        }
        let no_room = |_| io::Error::new(io::ErrorKind::OutOfMemory, "the gateway has no memory left for a long head");
        loop {
            if let Some(waiting) = &mut self.no_room {
                let lease = ready!(waiting.as_mut().poll(cx));
                self.no_room = None;
                drop(lease.map_err(no_room)?);
            }
            match self.lease.grow_to(bytes, &self.memory) {
                Err(NoRoom::Now) => {
                    let (memory, has) = (self.memory.clone(), self.lease.bytes());
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
        if wire.passed_on < wire.filled {
            let unread = &wire.preface[wire.passed_on..wire.filled];
            let part = &unread[..unread.len().min(buf.remaining())];
            buf.put_slice(part);
            wire.passed_on += part.len();
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
        wire.report_write(&written);
        written
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let wire = self.get_mut();
        let written = Pin::new(&mut wire.stream).poll_write_vectored(cx, bufs);
        wire.report_write(&written);
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
