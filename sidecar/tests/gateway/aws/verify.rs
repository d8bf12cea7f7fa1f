//! Verifies AWS's signatures as its servers do: from what arrived, and from the secret.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use ring::digest::{SHA256, digest};
use ring::hmac;

use crate::fake::UpstreamRequest;

const IN_PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b'/');

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The field of an `Authorization` header: `Credential`, `SignedHeaders` or `Signature`.
pub fn field(request: &UpstreamRequest, name: &str) -> String {
    let authorization = request.header("authorization").unwrap_or_default();
    let fields = authorization.strip_prefix("AWS4-HMAC-SHA256 ").unwrap_or_default().to_owned();
    let found = fields.split(", ").find_map(|field| field.strip_prefix(&format!("{name}=")).map(str::to_owned));
    found.unwrap_or_default()
}

/// Whether a request is signed with this secret, including its host, its time and its session token.
pub fn is_signed(request: &UpstreamRequest, secret: &str) -> bool {
    let signed = field(request, "SignedHeaders");
    let names: Vec<&str> = signed.split(';').collect();
    let needed = ["host", "x-amz-date", "x-amz-security-token"];
    if needed.iter().any(|name| request.header(name).is_some() && !names.contains(name)) {
        return false;
    }
    let (path, query) = request.target().split_once('?').unwrap_or((request.target(), ""));
    // The tests send no query that would have to be sorted or encoded.
    let path = utf8_percent_encode(path, IN_PATH).to_string();
    let method = request.head.split(' ').next().unwrap_or_default();
    let headers: String =
        names.iter().map(|name| format!("{name}:{}\n", request.header(name).unwrap_or_default())).collect();
    let body = hex(digest(&SHA256, request.body.as_bytes()).as_ref());
    let canonical = format!("{method}\n{path}\n{query}\n{headers}\n{signed}\n{body}");
    let time = request.header("x-amz-date").unwrap_or_default();
    let credential = field(request, "Credential");
    let (_, scope) = credential.split_once('/').unwrap_or_default();
    let text = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{}", hex(digest(&SHA256, canonical.as_bytes()).as_ref()));
    let first = format!("AWS4{secret}").into_bytes();
    let key = scope.split('/').fold(first, |key, part| mac(&key, part));
    scope.starts_with(time.get(..8).unwrap_or("?")) && field(request, "Signature") == hex(&mac(&key, &text))
}

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes()).as_ref().to_vec()
}
