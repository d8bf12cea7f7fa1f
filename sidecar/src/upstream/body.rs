//! The body of an upstream's answer, from a connection or from a mock.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::Body as _;
use hyper::body::Incoming;

use super::body_error::BodyError;
use super::inflate::Inflate;
use super::pool::{Http1Sender, Pool, StreamPermit};
use crate::upstream::mask::Masker;
use crate::upstream::mock::MockBody;

/// What to return when the answer is read: a connection to its pool, or a stream of a shared connection.
pub(super) enum ReturnTo {
    Pool { pool: Arc<Pool>, sender: Http1Sender },
    Stream(#[allow(dead_code, reason = "held until the stream ends, then dropped")] StreamPermit),
}

enum BodySource {
    Pooled { incoming: Incoming, back: Option<ReturnTo> },
    Mock(MockBody),
}

/// The chunks of an answer. Decompressed, if the upstream compressed them although it was asked not to.
pub struct UpstreamBody {
    source: BodySource,
    inflate: Option<Inflate>,
    /// Masks the sent credential in the answer.
    masker: Option<Masker>,
    ended: bool,
}

impl std::fmt::Debug for UpstreamBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UpstreamBody").field("ended", &self.ended).finish_non_exhaustive()
    }
}

impl UpstreamBody {
    pub(super) fn pooled(incoming: Incoming, back: ReturnTo) -> Self {
        let mut body = UpstreamBody {
            source: BodySource::Pooled { incoming, back: Some(back) },
            inflate: None,
            masker: None,
            ended: false,
        };
        body.notice_end();
        body
    }

    pub(crate) fn mock(mock: MockBody) -> Self {
        UpstreamBody { source: BodySource::Mock(mock), inflate: None, masker: None, ended: false }
    }

    /// Decompresses the body by the encoding that the head names.
    ///
    /// # Errors
    /// [`BodyError::Compression`] for an unsupported encoding.
    pub fn decode(&mut self, encoding: &str) -> Result<(), BodyError> {
        let encoding = encoding.trim().to_ascii_lowercase();
        if matches!(encoding.as_str(), "" | "identity") {
            return Ok(());
        }
        self.inflate = Inflate::of(&encoding);
        match &self.inflate {
            Some(_) => Ok(()),
            None => Err(BodyError::Compression(format!("{encoding}, though only identity was accepted"))),
        }
    }

    /// Masks the sent credential from here on.
    pub fn mask(&mut self, masker: Masker) {
        self.masker = Some(masker);
    }

    /// Whether the credential was found in the answer.
    #[must_use]
    pub fn quoted(&self) -> bool {
        self.masker.as_ref().is_some_and(Masker::found)
    }

    /// Masks the credential in an error, in every form and also in parts.
    pub fn masked_error(&mut self, text: Bytes) -> Bytes {
        match &mut self.masker {
            Some(masker) => masker.error(text),
            None => text,
        }
    }

    /// The next chunk; `None` at the regular end.
    ///
    /// # Errors
    /// [`BodyError`] if the upstream broke off.
    pub async fn chunk(&mut self) -> Option<Result<Bytes, BodyError>> {
        std::future::poll_fn(|cx| self.poll_chunk(cx)).await
    }

    /// The same for callers that poll.
    pub fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        loop {
            if self.ended {
                return Poll::Ready(None);
            }
            // First the data that is already here, a little at a time.
            match self.inflated() {
                None => {}
                Some(Ok(data)) if data.is_empty() => continue,
                inflated => return Poll::Ready(inflated),
            }
            let chunk = match &mut self.source {
                BodySource::Pooled { incoming, .. } => match Pin::new(incoming).poll_frame(cx) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(None) => None,
                    Poll::Ready(Some(Err(error))) => {
                        self.ended = true;
                        // An HTTP/2 peer can choose the text of the error.
                        let reason = error.to_string();
                        let reason =
                            self.masker.as_ref().map_or_else(|| reason.clone(), |own| own.text(reason.clone()));
                        return Poll::Ready(Some(Err(BodyError::Lost(reason))));
                    }
                    Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                        Ok(data) => Some(data),
                        Err(_trailers) => continue,
                    },
                },
                BodySource::Mock(mock) => match mock.poll_chunk(cx) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(chunk) => chunk.transpose()?,
                },
            };
            match chunk {
                None => {
                    self.ended = true;
                    self.release();
                    return Poll::Ready(self.finish());
                }
                Some(data) => {
                    self.notice_end();
                    if let Some(inflate) = &mut self.inflate {
                        inflate.push(data);
                        continue;
                    }
                    let data = self.masked(data);
                    if !data.is_empty() {
                        return Poll::Ready(Some(Ok(data)));
                    }
                }
            }
        }
    }

    /// Returns the connection to its pool as soon as the last byte is read, without waiting for the next poll.
    fn notice_end(&mut self) {
        if let BodySource::Pooled { incoming, .. } = &self.source
            && incoming.is_end_stream()
        {
            self.release();
        }
    }

    /// Whether only buffered data can follow, which is available at once.
    pub fn is_over(&self) -> bool {
        self.ended
            || (self.inflate.is_none()
                && matches!(&self.source, BodySource::Pooled { incoming, .. } if incoming.is_end_stream()))
    }

    fn release(&mut self) {
        if let BodySource::Pooled { back, .. } = &mut self.source
            && let Some(ReturnTo::Pool { pool, sender }) = back.take()
        {
            pool.give_back(sender);
        }
    }

    /// The next decompressed data, if there is any.
    fn inflated(&mut self) -> Option<Result<Bytes, BodyError>> {
        let inflated = self.inflate.as_mut()?.next().map_err(|error| BodyError::Compression(error.to_string()));
        Some(inflated.transpose()?.map(|data| self.masked(data)))
    }

    fn masked(&mut self, data: Bytes) -> Bytes {
        match &mut self.masker {
            Some(masker) => masker.push(data),
            None => data,
        }
    }

    /// The buffered rest at the end.
    fn finish(&mut self) -> Option<Result<Bytes, BodyError>> {
        let last = match self.finish_decoding() {
            Some(Err(error)) => return Some(Err(error)),
            Some(Ok(data)) => self.masked(data),
            None => Bytes::new(),
        };
        let rest = self.masker.as_mut().map(Masker::finish).unwrap_or_default();
        match (last.is_empty(), rest.is_empty()) {
            (true, true) => None,
            (false, true) => Some(Ok(last)),
            (true, false) => Some(Ok(rest)),
            (false, false) => Some(Ok([last, rest].concat().into())),
        }
    }

    fn finish_decoding(&mut self) -> Option<Result<Bytes, BodyError>> {
        match self.inflate.take()?.finish() {
            Ok(rest) if rest.is_empty() => None,
            Ok(rest) => Some(Ok(rest)),
            Err(error) => Some(Err(BodyError::Compression(error.to_string()))),
        }
    }
}
