//! AWS's signatures (Signature Version 4) of requests.
//!
//! ```text
//! canonical request: method, path, query, signed headers, SHA-256 of the body
//!   -> text to sign: time, scope (day, region, service), SHA-256 of the canonical request
//!   -> HMAC with a key that is derived from the secret and the scope
//! ```
//! This is our own code, and not the crate `aws-sigv4`: that one brings types of AWS's runtime, a second crypto library
//! and a time library into a sidecar that must stay small, while `ring` is linked for TLS already. The tests compare it
//! with what botocore signs.

use std::fmt::Write as _;
use std::time::SystemTime;

use http::{HeaderMap, HeaderName, HeaderValue, Request, header};
use outrigger_policy::AccessKey;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, percent_encode, utf8_percent_encode};
use ring::digest::{Context, SHA256, digest};
use ring::hmac;

use crate::upstream::Pieces;

/// What a signature is valid for, besides a day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SigningScope {
    pub region: String,
    pub service: &'static str,
}

const ALGORITHM: &str = "AWS4-HMAC-SHA256";

const DATE: HeaderName = HeaderName::from_static("x-amz-date");
const SESSION: HeaderName = HeaderName::from_static("x-amz-security-token");
/// Of callers that signed their request themselves.
const BODY_HASH: HeaderName = HeaderName::from_static("x-amz-content-sha256");

/// RFC 3986's unreserved characters, and the separators of a path.
const IN_QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
const IN_PATH: &AsciiSet = &IN_QUERY.remove(b'/');

/// How much of a body is hashed before other requests get their turn: about a tenth of a millisecond's work.
const HASHED_AT_ONCE: usize = 128 << 10;

/// The SHA-256 of a body, in hexadecimal digits.
pub async fn body_hash(body: &Pieces) -> String {
    let mut context = Context::new(&SHA256);
    let mut hashed = 0;
    for chunk in body.pieces().flat_map(|piece| piece.chunks(HASHED_AT_ONCE)) {
        if hashed + chunk.len() > HASHED_AT_ONCE {
            tokio::task::yield_now().await;
            hashed = 0;
        }
        context.update(chunk);
        hashed += chunk.len();
    }
    hex(context.finish().as_ref())
}

/// Signs a request, whose body has this hash. Its headers of an earlier signature are replaced.
///
/// # Errors
/// [`http::header::InvalidHeaderValue`] if no header can carry the credentials.
pub fn sign(
    request: &mut Request<Pieces>,
    body_hash: &str,
    key: &AccessKey,
    scope: &SigningScope,
    now: SystemTime,
) -> Result<(), http::header::InvalidHeaderValue> {
    // 2026-12-01T04:17:38Z becomes 20261201T041738Z.
    let mut time = humantime::format_rfc3339_seconds(now).to_string();
    time.retain(|letter| !matches!(letter, '-' | ':'));
    let day = time.get(..8).unwrap_or_default();
    let headers = request.headers_mut();
    headers.remove(BODY_HASH);
    headers.remove(SESSION);
    headers.insert(DATE, HeaderValue::from_str(&time)?);
    if let Some(session) = &key.session {
        let mut value = HeaderValue::from_str(session)?;
        value.set_sensitive(true);
        headers.insert(SESSION, value);
    }
    let signed = signed_headers(headers);
    let canonical = canonical_request(request, &signed, body_hash);
    let scope_text = format!("{day}/{}/{}/aws4_request", scope.region, scope.service);
    let hashed = hex(digest(&SHA256, &canonical).as_ref());
    let text = format!("{ALGORITHM}\n{time}\n{scope_text}\n{hashed}");
    let mut derived = format!("AWS4{}", key.secret).into_bytes();
    for part in [day, &scope.region, scope.service, "aws4_request", &text] {
        derived = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &derived), part.as_bytes()).as_ref().to_vec();
    }
    let mut value = HeaderValue::from_str(&format!(
        "{ALGORITHM} Credential={}/{scope_text}, SignedHeaders={}, Signature={}",
        key.id,
        signed.join(";"),
        hex(&derived)
    ))?;
    value.set_sensitive(true);
    request.headers_mut().insert(header::AUTHORIZATION, value);
    Ok(())
}

/// The names of the headers that are signed, sorted: those that AWS requires, and the type of the body. Proxies on the
/// way may change others.
fn signed_headers(headers: &HeaderMap) -> Vec<String> {
    let is_signed = |name: &&str| {
        matches!(*name, "host" | "content-type") || (name.starts_with("x-amz") && *name != "x-amzn-trace-id")
    };
    let mut names: Vec<String> = headers.keys().map(HeaderName::as_str).filter(is_signed).map(str::to_owned).collect();
    names.sort_unstable();
    names
}

/// What is hashed and signed.
fn canonical_request(request: &Request<Pieces>, signed: &[String], body_hash: &str) -> Vec<u8> {
    let uri = request.uri();
    let head =
        [request.method().as_str(), &canonical_path(uri.path()), &canonical_query(uri.query().unwrap_or("")), ""];
    let mut out = head.join("\n").into_bytes();
    for name in signed {
        out.extend_from_slice(name.as_bytes());
        for (index, value) in request.headers().get_all(name).iter().enumerate() {
            out.push(if index == 0 { b':' } else { b',' });
            let words = value.as_bytes().split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
            for (index, word) in words.enumerate() {
                out.extend_from_slice(if index == 0 { b"" } else { b" " });
                out.extend_from_slice(word);
            }
        }
        out.push(b'\n');
    }
    out.extend_from_slice(format!("\n{}\n{body_hash}", signed.join(";")).as_bytes());
    out
}

/// The path as it is sent, without empty segments and segments of dots, and encoded once more: a colon in a model's name
/// is sent as `%3A` and signed as `%253A`. Only S3 does not encode twice.
fn canonical_path(path: &str) -> String {
    let mut segments: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => drop(segments.pop()),
            _ => segments.push(segment),
        }
    }
    let end = if path.ends_with('/') && !segments.is_empty() { "/" } else { "" };
    format!("/{}{end}", utf8_percent_encode(&segments.join("/"), IN_PATH))
}

/// The parameters, sorted, each encoded as AWS encodes it.
fn canonical_query(query: &str) -> String {
    let encoded = |text: &str| percent_encode(&percent_decode_str(text).collect::<Vec<u8>>(), IN_QUERY).to_string();
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    let mut pairs: Vec<(String, String)> = pairs
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (encoded(name), encoded(value)))
        .collect();
    pairs.sort_unstable();
    pairs.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to memory can't fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests;
