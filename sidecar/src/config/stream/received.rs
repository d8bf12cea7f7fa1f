//! What the operator sends, whatever carries it.

use std::error::Error;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, ReadHalf};

/// What is read of a connection at once.
const READ: usize = 8 << 10;

/// The operator's bytes.
#[derive(Debug)]
pub(super) enum Received {
    /// All that comes over a connection.
    Connection { reader: ReadHalf<TokioIo<Upgraded>>, room: BytesMut },
    /// The body of an HTTP/2 response.
    Body(Incoming),
}

impl Received {
    pub(super) fn connection(reader: ReadHalf<TokioIo<Upgraded>>) -> Self {
        Received::Connection { reader, room: BytesMut::new() }
    }

    pub(super) fn body(body: Incoming) -> Self {
        Received::Body(body)
    }

    /// The next bytes; `None` at the end. Nothing is lost if the future is dropped.
    ///
    /// # Errors
    /// If the connection broke.
    pub(super) async fn next(&mut self) -> Option<Result<Bytes, Box<dyn Error + Send + Sync>>> {
        match self {
            Received::Connection { reader, room } => {
                room.reserve(READ);
                match reader.read_buf(room).await {
                    Ok(0) => None,
                    Ok(_) => Some(Ok(room.split().freeze())),
                    Err(error) => Some(Err(error.into())),
                }
            }
            Received::Body(body) => loop {
                match body.frame().await? {
                    Ok(frame) => match frame.into_data() {
                        Ok(bytes) => return Some(Ok(bytes)),
                        Err(_trailers) => {}
                    },
                    Err(error) => return Some(Err(error.into())),
                }
            },
        }
    }
}
