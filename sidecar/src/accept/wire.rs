//! A connection's bytes, watched: which version of HTTP they are of, whether a head has begun, whether answers are read.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::frames::{Frames, PREFACE};
use super::peers::Peer;

/// A connection.
#[derive(Debug)]
pub struct Wire {
    stream: TcpStream,
    peer: Arc<Peer>,
    /// What was read to know the version, and how much of it was given on.
    first: [u8; PREFACE.len()],
    filled: usize,
    given: usize,
    /// Of HTTP/2.
    frames: Option<Frames>,
}

impl Wire {
    #[must_use]
    pub fn new(stream: TcpStream, peer: Arc<Peer>) -> Self {
        Wire { stream, peer, first: [0; PREFACE.len()], filled: 0, given: 0, frames: None }
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
            self.peer.hears_part(false);
        }
        Ok(http2)
    }

    fn writes(&self, written: &Poll<io::Result<usize>>) {
        self.peer.is_unread(written.is_pending());
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
        let before = buf.filled().len();
        ready!(Pin::new(&mut wire.stream).poll_read(cx, buf))?;
        let read = &buf.filled()[before..];
        match &mut wire.frames {
            _ if read.is_empty() => {}
            None => wire.peer.hears(),
            Some(frames) => wire.peer.hears_part(frames.feed(read)),
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
