//! Asks a token server for an access token (RFC 6749): a form goes out, a JSON object comes back.
//!
//! The answer of such a server is foreign text: it is bounded, no redirect is followed, and an error quotes neither what
//! was sent nor control characters.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde_json::Value;

use super::{AccessToken, AuthorizeError, Fetched};
use crate::upstream::mask::Mask;
use crate::upstream::pool::Pool;
use crate::upstream::{Endpoint, Pieces};

/// How long to wait for a connection. The whole fetch has its own limit.
const CONNECT: Duration = Duration::from_secs(5);
/// The longest answer that is read, and the longest token, in bytes.
const LONGEST_ANSWER: usize = 64 << 10;
const LONGEST_TOKEN: usize = 16 << 10;
/// The longest lifetime that is believed, and the one of a token whose server tells none.
const LONGEST_LIFETIME: Duration = Duration::from_secs(24 * 3_600);
const UNTOLD_LIFETIME: Duration = Duration::from_secs(300);
/// The longest quotation of a server's error.
const LONGEST_QUOTE: usize = 200;

/// Everything but these characters is percent-encoded in a form.
const FORM: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A token server.
#[derive(Clone)]
pub struct TokenServer {
    pool: Arc<Pool>,
}

impl fmt::Debug for TokenServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenServer({})", self.pool.endpoint)
    }
}

/// A question to a token server.
pub struct TokenRequest<'a> {
    pub method: Method,
    /// Below the server's base: `/token`.
    pub path: &'a str,
    pub headers: HeaderMap,
    pub body: String,
    /// What of it must not be quoted in an error.
    pub secret: &'a str,
}

impl fmt::Debug for TokenRequest<'_> {
    /// Without what is secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenRequest").field("path", &self.path).finish_non_exhaustive()
    }
}

impl<'a> TokenRequest<'a> {
    /// A form.
    #[must_use]
    pub fn form(path: &'a str, fields: &[(&str, &str)], secret: &'a str) -> Self {
        let pair = |(name, value): &(&str, &str)| format!("{name}={}", utf8_percent_encode(value, FORM));
        let body = fields.iter().map(pair).collect::<Vec<_>>().join("&");
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        TokenRequest { method: Method::POST, path, headers, body, secret }
    }
}

/// What token servers answer: those of OAuth, and Google's for the token of another service account.
#[derive(Default, Deserialize)]
struct TokenAnswer {
    #[serde(alias = "accessToken")]
    access_token: Option<String>,
    /// Seconds; some servers write them as text.
    expires_in: Option<Value>,
    #[serde(rename = "expireTime")]
    expire_time: Option<String>,
    error: Option<Value>,
    error_description: Option<String>,
}

impl TokenServer {
    /// A server that is reached over these connections.
    #[must_use]
    pub fn new(pool: Arc<Pool>) -> Self {
        TokenServer { pool }
    }

    /// Asks for a token.
    ///
    /// # Errors
    /// Why there is none. It contains no secret.
    pub async fn ask(&self, request: TokenRequest<'_>) -> Result<Fetched<AccessToken>, AuthorizeError> {
        let secret = request.secret;
        let (status, text) = self.exchange(request).await?;
        // An error may be of any content type, but only an object has a token.
        let answer = serde_json::from_slice::<TokenAnswer>(&text);
        if status != StatusCode::OK {
            let quoted = answer.map(|answer| answer.quoted(secret)).unwrap_or_default();
            return Err(self.failed(&format!("answered {}{quoted}", status.as_u16())));
        }
        let answer = answer.map_err(|_| self.failed("answered with something other than a token"))?;
        answer.token().map_err(|problem| self.failed(&problem))
    }

    /// Sends a request, and reads the whole answer.
    ///
    /// # Errors
    /// Why there is none. It contains no secret.
    pub async fn exchange(&self, request: TokenRequest<'_>) -> Result<(StatusCode, Bytes), AuthorizeError> {
        let endpoint = &self.pool.endpoint;
        let mut sent = Request::new(Pieces::from(request.body));
        *sent.method_mut() = request.method;
        *sent.uri_mut() = format!("{}{}", endpoint.base(), request.path)
            .parse()
            .map_err(|_| AuthorizeError::Failed("the path of the token server is not valid".to_owned()))?;
        *sent.headers_mut() = request.headers;
        let headers = sent.headers_mut();
        headers.entry(header::ACCEPT).or_insert(HeaderValue::from_static("application/json"));
        headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        if let Ok(host) = HeaderValue::from_str(&endpoint.authority()) {
            headers.insert(header::HOST, host);
        }
        let agent = concat!("outrigger/", env!("CARGO_PKG_VERSION"));
        headers.insert(header::USER_AGENT, HeaderValue::from_static(agent));
        let answered = self.pool.send(sent, CONNECT, false).await;
        let answered = answered.map_err(|error| AuthorizeError::Failed(format!("no access token: {error}")))?;
        let (head, mut body) = answered.response.into_parts();
        let mut text = BytesMut::new();
        while let Some(chunk) = body.chunk().await {
            let chunk = chunk.map_err(|error| self.failed(&format!("broke off: {error}")))?;
            if text.len() + chunk.len() > LONGEST_ANSWER {
                return Err(self.failed(&format!("answered with more than {LONGEST_ANSWER} bytes")));
            }
            text.extend_from_slice(&chunk);
        }
        Ok((head.status, text.freeze()))
    }

    /// The error of a server that did not do what it should.
    pub fn failed(&self, problem: &str) -> AuthorizeError {
        AuthorizeError::Failed(format!("the token server {} {problem}", self.pool.endpoint))
    }

    /// The server's address.
    #[must_use]
    pub fn endpoint(&self) -> &Endpoint {
        &self.pool.endpoint
    }
}

impl TokenAnswer {
    fn token(self) -> Result<Fetched<AccessToken>, String> {
        let token = self.access_token.filter(|token| !token.is_empty()).ok_or("answered without an access token")?;
        if token.len() > LONGEST_TOKEN {
            return Err(format!("answered with a token of more than {LONGEST_TOKEN} bytes"));
        }
        let value = HeaderValue::from_str(&format!("Bearer {token}"));
        let mut authorization = value.map_err(|_| "answered with a token that no header can carry")?;
        authorization.set_sensitive(true);
        let seconds = self.expires_in.as_ref().and_then(|told| match told {
            Value::Number(number) => number.as_u64(),
            Value::String(text) => text.parse().ok(),
            _ => None,
        });
        let at = self.expire_time.and_then(|time| humantime::parse_rfc3339(&time).ok());
        let until = at.map(|at| at.duration_since(SystemTime::now()).unwrap_or_default());
        let lifetime = seconds.map(Duration::from_secs).or(until).unwrap_or(UNTOLD_LIFETIME);
        let lifetime = Some(lifetime.min(LONGEST_LIFETIME));
        Ok(Fetched { token: AccessToken { authorization, mask: Mask::new(&token) }, lifetime })
    }

    /// `: invalid_client (AADSTS7000215: Invalid client secret provided.)`
    fn quoted(&self, secret: &str) -> String {
        let field = |name: &str| match &self.error {
            Some(Value::String(text)) if name == "error" => Some(text.clone()),
            Some(Value::Object(error)) => error.get(name).and_then(Value::as_str).map(str::to_owned),
            _ => None,
        };
        let word = field("error").or_else(|| field("status"));
        let words = self.error_description.clone().or_else(|| field("message"));
        match (word.map(|text| quotable(&text, secret)), words.map(|text| quotable(&text, secret))) {
            (Some(word), Some(words)) => format!(": {word} ({words})"),
            (Some(one), None) | (None, Some(one)) => format!(": {one}"),
            (None, None) => String::new(),
        }
    }
}

/// The first line of a foreign text, bounded, without what was sent.
pub fn quotable(text: &str, secret: &str) -> String {
    let masked = match Mask::new(secret) {
        Some(mask) => mask.text(text.to_owned()).0,
        None => text.to_owned(),
    };
    let line = masked.lines().next().unwrap_or_default();
    line.chars().filter(|letter| !letter.is_control()).take(LONGEST_QUOTE).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(body: &str) -> Result<(String, u64), String> {
        let Fetched { token, lifetime } = serde_json::from_str::<TokenAnswer>(body).unwrap().token()?;
        assert!(token.authorization.is_sensitive());
        Ok((token.authorization.to_str().unwrap().to_owned(), lifetime.unwrap().as_secs()))
    }

    #[test]
    fn reads_what_token_servers_answer() {
        let is = |seconds| Ok(("Bearer at".to_owned(), seconds));
        assert_eq!(token(r#"{"access_token":"at","expires_in":3599,"token_type":"Bearer"}"#), is(3_599));
        assert_eq!(token(r#"{"access_token":"at","expires_in":"3599","ext_expires_in":"1"}"#), is(3_599));
        assert_eq!(token(r#"{"access_token":"at"}"#), is(300));
        assert_eq!(token(r#"{"access_token":"at","expires_in":18446744073709551615}"#), is(86_400));
        assert_eq!(token(r#"{"access_token":"at","expires_in":-5}"#), is(300));
        assert_eq!(token(r#"{"accessToken":"at","expireTime":"2001-01-01T00:00:00Z"}"#), is(0));
        assert_eq!(token(r#"{"expires_in":3599}"#), Err("answered without an access token".to_owned()));
        let hostile = "answered with a token that no header can carry".to_owned();
        assert_eq!(token(r#"{"access_token":"a\r\nx-evil: 1"}"#), Err(hostile));
        let long = format!(r#"{{"access_token":"{}"}}"#, "a".repeat(LONGEST_TOKEN + 1));
        assert_eq!(token(&long), Err("answered with a token of more than 16384 bytes".to_owned()));
    }

    #[test]
    fn an_error_is_quoted_without_what_was_sent() {
        let quoted = |body: &str| serde_json::from_str::<TokenAnswer>(body).unwrap().quoted("s3cr3t-value");
        for (body, expected) in [
            (
                r#"{"error":"invalid_grant","error_description":"Invalid JWT Signature."}"#,
                ": invalid_grant (Invalid JWT Signature.)",
            ),
            (r#"{"error":"x","error_description":"bad s3cr3t-value here"}"#, ": x (bad *** here)"),
            (
                r#"{"error":{"code":403,"status":"PERMISSION_DENIED","message":"no\nTrace: 1"}}"#,
                ": PERMISSION_DENIED (no)",
            ),
            (r#"{"error":"a[31mb"}"#, ": a[31mb"),
            ("{}", ""),
        ] {
            assert_eq!(quoted(body), expected);
        }
        assert_eq!(quotable(&"x".repeat(1_000), "").len(), LONGEST_QUOTE);
    }
}
