//! A stream whose gateway was admitted, and what carries its lines.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::stream;
use http::{HeaderValue, Response, header};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, StreamBody};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::session::StreamHandle;
use super::token::PodLookup;
use super::{inbound, outbound};
use crate::runtime::response::AnswerBody;

/// What is read at once: a report is a few hundred bytes. Thousands of streams have room for it, and wait.
const READ: usize = 1 << 10;
/// How long the rest of a line may take once the stream has ended.
const CLOSING: Duration = Duration::from_secs(5);

/// A stream that nobody carries yet. When dropped, its gateway is not connected.
#[derive(Debug)]
pub struct AdmittedStream {
    handle: Arc<StreamHandle>,
    pods: Arc<dyn PodLookup>,
}

impl AdmittedStream {
    pub(super) fn new(handle: Arc<StreamHandle>, pods: Arc<dyn PodLookup>) -> Self {
        AdmittedStream { handle, pods }
    }

    /// Its lines are the bodies of a request and of this response.
    pub(super) fn respond<B>(self, body: B) -> Response<AnswerBody>
    where
        B: Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: std::fmt::Display,
    {
        let AdmittedStream { handle, pods } = self;
        // Immediately, and not after the hello: a client may wait for the head before it sends anything.
        let lines = outbound::body(Arc::clone(&handle), pods);
        // Bounded by the sessions. It ends with the stream: with its body here, its silence there, or its session.
        tokio::spawn(inbound::listen(handle, body));
        let mut response = Response::new(lines);
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
        response
    }

    /// Its lines are all that a connection carries, until it ends. `early`: what was already read of it.
    pub fn carry<C>(self, connection: C, early: Bytes) -> impl Future<Output = ()> + Send
    where
        C: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let AdmittedStream { handle, pods } = self;
        // Before the future begins, which would have room for the connection twice.
        let (reader, writer) = tokio::io::split(connection);
        let writing = write(outbound::body(Arc::clone(&handle), pods), writer);
        let listening = inbound::listen(handle, received(early, reader));
        async move {
            let mut writing = pin!(writing);
            tokio::select! {
                () = writing.as_mut() => {}
                () = listening => {
                    // It ends too, unless the gateway does not read.
                    let _ = tokio::time::timeout(CLOSING, writing).await;
                }
            }
        }
    }
}

/// What comes over a connection. A broken connection is one that has ended.
fn received(
    early: Bytes,
    reader: impl AsyncRead + Unpin + Send + 'static,
) -> impl Body<Data = Bytes, Error = Infallible> + Send + Unpin + 'static {
    let early = stream::iter((!early.is_empty()).then_some(early));
    let rest = stream::unfold((reader, BytesMut::new()), |(mut reader, mut room)| async move {
        room.reserve(READ);
        match reader.read_buf(&mut room).await {
            Ok(0) | Err(_) => None,
            Ok(_) => Some((room.split().freeze(), (reader, room))),
        }
    });
    let frames = stream::StreamExt::chain(early, rest);
    StreamBody::new(Box::pin(stream::StreamExt::map(frames, |bytes| Ok(Frame::data(bytes)))))
}

/// Writes the lines, and closes the connection at their end.
async fn write(mut lines: AnswerBody, mut writer: impl AsyncWrite + Unpin) {
    while let Some(Ok(frame)) = lines.frame().await {
        let Ok(bytes) = frame.into_data() else { continue };
        if writer.write_all(&bytes).await.is_err() || writer.flush().await.is_err() {
            return;
        }
    }
    let _ = writer.shutdown().await;
}
