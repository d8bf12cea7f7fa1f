//! Watches a connection, to find out whether the server can have processed a request.
//!
//! A request that the server did not process is sent again, invisible to the caller and free of charge. HTTP/2 reports
//! this case (a refused stream, or a stream above the last one of a GOAWAY). It is also assumed if a reused connection
//! turns out to be closed: not a byte arrived, and it was closed about as quickly as the news of an earlier closing
//! needs.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::Stream;

/// A reused connection that is closed within this time was closed before the request arrived. Later, the request may be
/// the cause.
const REUSED_CLOSE_TIME: Duration = Duration::from_secs(1);

/// The length of the client's first bytes, before its frames.
const PREFACE: u64 = 24;
const HEADERS: u8 = 1;
const GOAWAY: u8 = 7;

/// The events on a connection so far.
#[derive(Debug)]
pub struct ConnectionEvents {
    /// The number of received bytes.
    read: AtomicU64,
    /// The server has closed it.
    closed: AtomicBool,
    /// HTTP/2: the highest opened stream, and the last one that the server reports as processed.
    opened: AtomicU32,
    last: AtomicU32,
}

impl Default for ConnectionEvents {
    fn default() -> Self {
        let (opened, last) = (AtomicU32::new(0), AtomicU32::new(u32::MAX));
        ConnectionEvents { read: AtomicU64::new(0), closed: AtomicBool::new(false), opened, last }
    }
}

/// The state of a connection when a request was handed to it.
#[derive(Debug)]
pub struct Mark {
    events: Arc<ConnectionEvents>,
    read: u64,
    opened: u32,
    at: Instant,
    reused: bool,
}

impl Mark {
    /// The state before a request; `reused` if the connection is reused.
    #[must_use]
    pub fn of(events: &Arc<ConnectionEvents>, reused: bool) -> Self {
        Mark {
            read: events.read.load(Ordering::Acquire),
            opened: events.opened.load(Ordering::Acquire),
            events: Arc::clone(events),
            at: Instant::now(),
            reused,
        }
    }

    /// Whether the server did not process a request that ended with this error.
    #[must_use]
    pub fn is_unprocessed(&self, error: &hyper::Error) -> bool {
        if let Some(error) = std::error::Error::source(error).and_then(|source| source.downcast_ref::<h2::Error>())
            && error.is_remote()
        {
            if error.is_reset() && error.reason() == Some(h2::Reason::REFUSED_STREAM) {
                return true;
            }
            if error.is_go_away() {
                // The request's own stream is above all that were opened before it. Streams that may be processed
                // continue until the connection is closed, so a stream that ends before that is above the last one.
                let above = self.events.last.load(Ordering::Acquire) <= self.opened;
                return above || !self.events.closed.load(Ordering::Acquire);
            }
        }
        self.reused && self.events.read.load(Ordering::Acquire) == self.read && self.at.elapsed() < REUSED_CLOSE_TIME
    }
}

/// A watched connection.
#[derive(Debug)]
pub struct Watched {
    stream: Stream,
    events: Arc<ConnectionEvents>,
    /// Only for HTTP/2.
    frames: Option<[FrameHeads; 2]>,
}

impl Watched {
    #[must_use]
    pub fn new(stream: Stream, http2: bool) -> Self {
        let frames = http2.then(|| [FrameHeads::default(), FrameHeads { skip: PREFACE, ..FrameHeads::default() }]);
        Watched { stream, events: Arc::default(), frames }
    }

    #[must_use]
    pub fn events(&self) -> &Arc<ConnectionEvents> {
        &self.events
    }

    fn received(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return self.events.closed.store(true, Ordering::Release);
        }
        self.events.read.fetch_add(bytes.len() as u64, Ordering::AcqRel);
        if let Some([received, _]) = &mut self.frames {
            received.pass(bytes, |kind, _, last| {
                if let (GOAWAY, Some(last)) = (kind, last) {
                    self.events.last.fetch_min(last, Ordering::AcqRel);
                }
            });
        }
    }

    fn sent(&mut self, bytes: &[u8]) {
        if let Some([_, sent]) = &mut self.frames {
            sent.pass(bytes, |kind, stream, _| {
                if kind == HEADERS {
                    self.events.opened.fetch_max(stream, Ordering::AcqRel);
                }
            });
        }
    }
}

/// Parses the heads of frames: `length:u24 kind:u8 flags:u8 stream:u32 payload`.
#[derive(Clone, Copy, Debug, Default)]
struct FrameHeads {
    /// How much of the frame's payload is still to come.
    skip: u64,
    /// Its head, and for a GOAWAY the first four bytes of the payload.
    head: [u8; 13],
    head_bytes: usize,
}

impl FrameHeads {
    /// Reports the kind and the stream of each frame, and for a GOAWAY the last stream, as soon as they are known.
    fn pass(&mut self, mut bytes: &[u8], mut report: impl FnMut(u8, u32, Option<u32>)) {
        while !bytes.is_empty() {
            if self.skip > 0 {
                let skipped = bytes.len().min(usize::try_from(self.skip).unwrap_or(usize::MAX));
                self.skip -= skipped as u64;
                bytes = &bytes[skipped..];
                continue;
            }
            let wanted = if self.head_bytes >= 9 { 13 } else { 9 };
            let copied = bytes.len().min(wanted - self.head_bytes);
            self.head[self.head_bytes..self.head_bytes + copied].copy_from_slice(&bytes[..copied]);
            self.head_bytes += copied;
            bytes = &bytes[copied..];
            if self.head_bytes < wanted {
                return;
            }
            let [high, middle, low, kind, _, a, b, c, d, e, f, g, h] = self.head;
            let length = u64::from(u32::from_be_bytes([0, high, middle, low]));
            let number = |bytes: [u8; 4]| u32::from_be_bytes(bytes) & 0x7fff_ffff;
            if wanted == 9 && kind == GOAWAY && length >= 8 {
                continue;
            }
            report(kind, number([a, b, c, d]), (wanted == 13).then(|| number([e, f, g, h])));
            self.skip = length - (wanted as u64 - 9);
            self.head_bytes = 0;
        }
    }
}

impl AsyncRead for Watched {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        let read = std::task::ready!(Pin::new(&mut this.stream).poll_read(cx, buf));
        match &read {
            Ok(()) => this.received(&buf.filled()[before..]),
            Err(_) => this.received(&[]),
        }
        Poll::Ready(read)
    }
}

impl AsyncWrite for Watched {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = std::task::ready!(Pin::new(&mut this.stream).poll_write(cx, buf))?;
        this.sent(&buf[..written.min(buf.len())]);
        Poll::Ready(Ok(written))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = std::task::ready!(Pin::new(&mut this.stream).poll_write_vectored(cx, bufs))?;
        if this.frames.is_some() {
            let mut left = written;
            for buf in bufs {
                let part = left.min(buf.len());
                this.sent(&buf[..part]);
                left -= part;
            }
        }
        Poll::Ready(Ok(written))
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

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
        let length = (payload.len() as u32).to_be_bytes();
        [&length[1..], &[kind, 0], &stream.to_be_bytes(), payload].concat()
    }

    /// The result does not depend on how the bytes are split.
    #[test]
    fn finds_frames_in_any_chunks() {
        let bytes = [
            vec![0; 24],
            frame(4, 0, &[0; 12]),
            frame(HEADERS, 1, &[7; 30]),
            frame(0, 1, &[GOAWAY; 100]),
            frame(GOAWAY, 0, &[0x80, 0, 0, 5, 0, 0, 0, 0, b'x']),
            frame(GOAWAY, 0, &[1]),
            frame(HEADERS, 3, &[]),
        ]
        .concat();
        let last = Some(5);
        let expected =
            [(4, 0, None), (HEADERS, 1, None), (0, 1, None), (GOAWAY, 0, last), (GOAWAY, 0, None), (HEADERS, 3, None)];
        for size in 1..bytes.len() {
            for first in 0..size {
                let mut frames = FrameHeads { skip: PREFACE, ..FrameHeads::default() };
                let mut found = Vec::new();
                let (begin, rest) = bytes.split_at(first);
                for piece in std::iter::once(begin).chain(rest.chunks(size)) {
                    frames.pass(piece, |kind, stream, last| found.push((kind, stream, last)));
                }
                assert_eq!(found, expected, "{first}, then {size}");
            }
        }
    }

    #[test]
    fn arbitrary_bytes_cause_no_panic() {
        for seed in 0..2_000 {
            let mut random = fastrand::Rng::with_seed(seed);
            let mut frames = FrameHeads::default();
            for _ in 0..20 {
                let piece: Vec<u8> = (0..random.usize(0..64)).map(|_| random.u8(..)).collect();
                frames.pass(&piece, |_, _, _| {});
            }
        }
    }
}
