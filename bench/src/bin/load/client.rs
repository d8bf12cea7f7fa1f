//! A client that keeps its connection open, and records the times of answers.

use std::error::Error;
use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::{HeaderValue, Request, header};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::scenario::LoadRequest;

pub type Failure = Box<dyn Error + Send + Sync>;

pub struct Client {
    sender: http1::SendRequest<Full<Bytes>>,
    host: HeaderValue,
}

/// The times of one answer.
#[derive(Debug)]
pub struct AnswerTimes {
    /// From the request until the last byte.
    pub whole: Duration,
    /// From the request until the first stamp; streams only.
    pub first: Option<Duration>,
    /// For each stamped chunk after the first: the time from sending it to reading it here.
    pub lags: Vec<Duration>,
}

impl Client {
    pub async fn connect(to: SocketAddr) -> Result<Self, Failure> {
        let stream = TcpStream::connect(to).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(Client { sender, host: HeaderValue::from_str(&to.to_string())? })
    }

    /// Sends a request, and reads the answer to its end.
    pub async fn ask(&mut self, ask: &LoadRequest) -> Result<AnswerTimes, Failure> {
        let mut request = Request::post(ask.path).body(Full::new(ask.body.clone()))?;
        let headers = request.headers_mut();
        headers.insert(header::HOST, self.host.clone());
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        // Headers that SDKs send, as far as the gateway reads them.
        headers.insert(header::AUTHORIZATION, HeaderValue::from_static("Bearer sk-dummy"));
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(header::USER_AGENT, HeaderValue::from_static("OpenAI/Python 2.8.1"));
        headers.insert("x-stainless-lang", HeaderValue::from_static("python"));
        headers.insert("x-stainless-os", HeaderValue::from_static("Linux"));
        headers.insert("x-stainless-retry-count", HeaderValue::from_static("0"));
        headers.insert("x-stainless-read-timeout", HeaderValue::from_static("600"));

        self.sender.ready().await?;
        let begun = Instant::now();
        let response = self.sender.send_request(request).await?;
        let status = response.status();
        let mut body = response.into_body();
        let mut answered = AnswerTimes { whole: Duration::ZERO, first: None, lags: Vec::new() };
        let mut length = 0;
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame?.into_data() else { continue };
            length += data.len();
            if !status.is_success() {
                return Err(format!("{} answered {status}: {}", ask.path, String::from_utf8_lossy(&data)).into());
            }
            if ask.streams {
                answered.note(&data, begun);
            }
        }
        answered.whole = begun.elapsed();
        match (length, answered.first) {
            (0, _) => Err(format!("{} sent an empty answer", ask.path).into()),
            (_, None) if ask.streams => Err(format!("{} streamed no stamp", ask.path).into()),
            _ => Ok(answered),
        }
    }
}

impl AnswerTimes {
    fn note(&mut self, data: &[u8], begun: Instant) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        for sent in stamps(data) {
            match self.first {
                None => self.first = Some(begun.elapsed()),
                Some(_) => self.lags.push(now.saturating_sub(sent)),
            }
        }
    }
}

/// The times at which the chunks in `data` were sent: the upstream writes `t` and nanoseconds since the epoch as their
/// text.
fn stamps(data: &[u8]) -> impl Iterator<Item = Duration> {
    memchr::memmem::find_iter(data, b":\"t").filter_map(|at| {
        let digits = data.get(at + 3..)?;
        let end = digits.iter().position(|byte| !byte.is_ascii_digit())?;
        let text = std::str::from_utf8(digits.get(..end)?).ok()?;
        text.parse().ok().map(Duration::from_nanos)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_stamps_in_both_dialects() {
        let data = br#"{"delta":{"content":"t17 "}} {"delta":{"type":"text_delta","text":"t18 "}} {"content":"t1"#;
        let read: Vec<u128> = stamps(data).map(|stamp| stamp.as_nanos()).collect();
        assert_eq!(read, [17, 18], "`type` is no stamp, and neither is a cut one");
    }
}
