//! Requests to AWS, signed with an access key: one of a Secret, or a temporary one that the pod gets for itself.
//!
//! | source | asked | proven with |
//! |---|---|---|
//! | [`FixedKey`] | nobody | |
//! | [`WebIdentity`] | AWS's token service (STS) | the pod's own token, which the role trusts |
//! | [`ContainerCredentials`] | the agent on the node, as on EKS | the pod's own token for that agent |
//! | [`InstanceMetadata`] | the machine's metadata server | nothing: every pod of the machine gets this |

use std::fmt;
use std::time::SystemTime;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, header};
use outrigger_llm::path::PathSegment;
use outrigger_policy::AccessKey;
use serde_json::{Map, Value};

use super::sigv4::{SigningScope, body_hash, sign};
use super::token::TokenSource;
use super::token_file::TokenFile;
use super::token_server::{TokenRequest, TokenServer, quotable};
use super::{Authorize, AuthorizeError, FetchToken, Fetched, SentMask};
use crate::upstream::Pieces;
use crate::upstream::mask::Mask;

/// The metadata server of a machine, by address: whoever makes a pod controls how names are resolved in it.
pub const INSTANCE_METADATA: &str = "http://169.254.169.254";

/// The name that sessions of a role have in AWS's logs.
const SESSION_NAME: &str = "outrigger";
/// How long the metadata server's own token is valid, in seconds.
const METADATA_SESSION: &str = "300";

/// Signs requests with keys from a source.
#[derive(Debug)]
pub struct Signer {
    keys: TokenSource<AwsKey>,
    scope: SigningScope,
}

/// A key, and what of it is sent with each request.
#[derive(Clone)]
pub struct AwsKey {
    key: AccessKey,
    /// Masks the session token in answers.
    mask: SentMask,
}

impl fmt::Debug for AwsKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.key.fmt(f)
    }
}

impl From<AccessKey> for AwsKey {
    fn from(key: AccessKey) -> Self {
        let mask = key.session.as_deref().and_then(Mask::new);
        AwsKey { key, mask }
    }
}

impl Signer {
    #[must_use]
    pub fn new(source: impl FetchToken<Token = AwsKey>, scope: SigningScope) -> Self {
        Signer { keys: TokenSource::new(source), scope }
    }
}

impl Authorize for Signer {
    fn authorize<'r>(&'r self, request: &'r mut Request<Pieces>) -> BoxFuture<'r, Result<SentMask, AuthorizeError>> {
        async move {
            let AwsKey { key, mask } = self.keys.current().await?;
            let hash = body_hash(request.body()).await;
            sign(request, &hash, &key, &self.scope, SystemTime::now())
                .map_err(|_| AuthorizeError::Failed("the access key can't be sent in a header".to_owned()))?;
            Ok(mask)
        }
        .boxed()
    }

    fn refused(&self) {
        self.keys.give_up();
    }
}

/// The key of a Secret.
#[derive(Debug)]
pub struct FixedKey(pub AccessKey);

impl FetchToken for FixedKey {
    type Token = AwsKey;

    fn fetch(&self) -> BoxFuture<'_, Result<Fetched<AwsKey>, AuthorizeError>> {
        let token = AwsKey::from(self.0.clone());
        std::future::ready(Ok(Fetched { token, lifetime: None })).boxed()
    }
}

/// A role that trusts the pod's own token (IAM roles for service accounts).
#[derive(Debug)]
pub struct WebIdentity {
    pub server: TokenServer,
    pub role: String,
    pub file: TokenFile,
}

impl FetchToken for WebIdentity {
    type Token = AwsKey;

    fn fetch(&self) -> BoxFuture<'_, Result<Fetched<AwsKey>, AuthorizeError>> {
        async move {
            let token = self.file.read().await?;
            let fields = [
                ("Action", "AssumeRoleWithWebIdentity"),
                ("Version", "2011-06-15"),
                ("RoleArn", &*self.role),
                ("RoleSessionName", SESSION_NAME),
                ("WebIdentityToken", &token),
            ];
            let mut request = TokenRequest::form("/", &fields, &token);
            request.headers.insert(header::ACCEPT, HeaderValue::from_static("application/xml"));
            let (status, text) = self.server.exchange(request).await?;
            let text = String::from_utf8_lossy(&text);
            if status != StatusCode::OK {
                let quoted = [element(&text, "Code"), element(&text, "Message")].map(|part| quotable(&part, &token));
                let words = match quoted {
                    [code, message] if message.is_empty() => code,
                    [code, message] => format!("{code} ({message})"),
                };
                let words = if words.is_empty() { String::new() } else { format!(": {words}") };
                return Err(self.server.failed(&format!("answered {}{words}", status.as_u16())));
            }
            let names = ["AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration"];
            let fields = names.map(|name| (name.to_owned(), Value::from(element(&text, name))));
            key_of(&Map::from_iter(fields), &self.server)
        }
        .boxed()
    }
}

/// The agent that gives keys to the containers of a node: EKS Pod Identity, and what speaks its protocol.
#[derive(Debug)]
pub struct ContainerCredentials {
    pub server: TokenServer,
    pub path: String,
    pub file: TokenFile,
}

impl FetchToken for ContainerCredentials {
    type Token = AwsKey;

    fn fetch(&self) -> BoxFuture<'_, Result<Fetched<AwsKey>, AuthorizeError>> {
        async move {
            let token = self.file.read().await?;
            let mut headers = HeaderMap::new();
            let mut value = HeaderValue::from_str(&token)
                .map_err(|_| AuthorizeError::Failed("the pod's own token: no header can carry it".to_owned()))?;
            value.set_sensitive(true);
            headers.insert(header::AUTHORIZATION, value);
            let text = get(&self.server, &self.path, headers, &token).await?;
            key_of(&object(&text, &self.server)?, &self.server)
        }
        .boxed()
    }
}

/// The role of the machine, by its metadata server (version 2).
#[derive(Debug)]
pub struct InstanceMetadata(pub TokenServer);

impl FetchToken for InstanceMetadata {
    type Token = AwsKey;

    fn fetch(&self) -> BoxFuture<'_, Result<Fetched<AwsKey>, AuthorizeError>> {
        async move {
            let server = &self.0;
            let mut headers = HeaderMap::new();
            let lifetime = HeaderName::from_static("x-aws-ec2-metadata-token-ttl-seconds");
            headers.insert(lifetime, HeaderValue::from_static(METADATA_SESSION));
            let path = "/latest/api/token";
            let request = TokenRequest { method: Method::PUT, path, headers, body: String::new(), secret: "" };
            let (status, session) = server.exchange(request).await?;
            let value = HeaderValue::from_maybe_shared(session).ok().filter(|_| status == StatusCode::OK);
            let mut value =
                value.ok_or_else(|| server.failed(&format!("answered {} without a session", status.as_u16())))?;
            value.set_sensitive(true);
            let mut headers = HeaderMap::new();
            headers.insert(HeaderName::from_static("x-aws-ec2-metadata-token"), value);
            let roles = "/latest/meta-data/iam/security-credentials/";
            let named = get(server, roles, headers.clone(), "").await?;
            let role = named.lines().next().unwrap_or_default().trim();
            let role = PathSegment::encode(role).map_err(|_| server.failed("names no role of this machine"))?;
            let text = get(server, &format!("{roles}{role}"), headers, "").await?;
            key_of(&object(&text, server)?, server)
        }
        .boxed()
    }
}

/// What a server answers with status 200. Other answers are quoted without `secret`.
async fn get(server: &TokenServer, path: &str, headers: HeaderMap, secret: &str) -> Result<String, AuthorizeError> {
    let request = TokenRequest { method: Method::GET, path, headers, body: String::new(), secret };
    let (status, text) = server.exchange(request).await?;
    let text = String::from_utf8_lossy(&text);
    match status {
        StatusCode::OK => Ok(text.into_owned()),
        _ => {
            let quoted = quotable(&text, secret);
            let quoted = if quoted.is_empty() { quoted } else { format!(": {quoted}") };
            Err(server.failed(&format!("answered {}{quoted}", status.as_u16())))
        }
    }
}

fn object(text: &str, server: &TokenServer) -> Result<Map<String, Value>, AuthorizeError> {
    serde_json::from_str(text).map_err(|_| server.failed("answered with something other than an access key"))
}

/// The key in an answer, which must be a temporary one that has not expired.
fn key_of(fields: &Map<String, Value>, server: &TokenServer) -> Result<Fetched<AwsKey>, AuthorizeError> {
    let key =
        AccessKey::of_answer(fields).map_err(|problem| server.failed(&format!("answered with what {problem}")))?;
    let told = fields.get("Expiration").and_then(Value::as_str);
    let expires = told.and_then(|time| humantime::parse_rfc3339_weak(time).ok());
    let expires = expires.ok_or_else(|| server.failed("answered without the time at which its access key expires"))?;
    let lifetime = expires.duration_since(SystemTime::now()).unwrap_or_default();
    match lifetime.is_zero() {
        true => Err(server.failed("answered with an access key that has expired: do the clocks differ?")),
        false => Ok(Fetched { token: AwsKey::from(key), lifetime: Some(lifetime) }),
    }
}

/// The text of the first element with this name; empty if there is none. The answers of STS have no attributes there,
/// and their text has no markup.
fn element(xml: &str, name: &str) -> String {
    let after = xml.split_once(&format!("<{name}>")).map_or("", |(_, after)| after);
    let text = after.split_once(&format!("</{name}>")).map_or("", |(text, _)| text);
    let escapes = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&apos;", "'"), ("&#xD;", ""), ("&amp;", "&")];
    escapes.into_iter().fold(text.trim().to_owned(), |text, (escaped, plain)| text.replace(escaped, plain))
}

/// The agent of a node that a URL names, and the path there. Only an agent on the node itself may be asked without TLS:
/// another machine could be anybody's.
///
/// # Errors
/// Why it can't be used.
pub fn container_agent(url: &str) -> Result<(String, String), String> {
    let (scheme, rest) = url.split_once("://").unwrap_or_default();
    let (authority, path) = rest.find('/').map_or((rest, "/"), |at| rest.split_at(at));
    let host = authority.rsplit_once(':').filter(|(_, port)| port.bytes().all(|digit| digit.is_ascii_digit()));
    let host = host.map_or(authority, |(host, _)| host);
    let is_own =
        matches!(host, "169.254.170.2" | "169.254.170.23" | "[fd00:ec2::23]" | "127.0.0.1" | "[::1]" | "localhost");
    match scheme {
        _ if authority.is_empty() || authority.contains('@') => Err("it is no URL".to_owned()),
        "https" => Ok((format!("https://{authority}"), path.to_owned())),
        "http" if is_own => Ok((format!("http://{authority}"), path.to_owned())),
        "http" => Err("only an agent on this machine is asked over http://".to_owned()),
        _ => Err("it is no URL".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answers_of_sts_are_read() {
        let xml = "<AssumeRoleWithWebIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\n<Credentials>\
                   <AccessKeyId>ASIA1</AccessKeyId><SessionToken> a&amp;b&lt;c== </SessionToken></Credentials>";
        for (name, expected) in [("AccessKeyId", "ASIA1"), ("SessionToken", "a&b<c=="), ("SecretAccessKey", "")] {
            assert_eq!(element(xml, name), expected);
        }
        assert_eq!(element("<Code>&amp;lt;</Code>", "Code"), "&lt;");
        assert_eq!(element("<Code>cut", "Code"), "");
    }

    #[test]
    fn only_an_agent_of_this_machine_is_asked_without_tls() {
        let is = |server: &str, path: &str| Ok((server.to_owned(), path.to_owned()));
        for (url, expected) in [
            ("http://169.254.170.23/v1/credentials", is("http://169.254.170.23", "/v1/credentials")),
            ("http://[fd00:ec2::23]/v1/credentials", is("http://[fd00:ec2::23]", "/v1/credentials")),
            ("http://127.0.0.1:8080/x?y=z", is("http://127.0.0.1:8080", "/x?y=z")),
            ("http://localhost", is("http://localhost", "/")),
            ("https://agent.internal:8443/v1", is("https://agent.internal:8443", "/v1")),
        ] {
            assert_eq!(container_agent(url), expected, "{url}");
        }
        for url in [
            "http://169.254.169.254/",
            "http://evil.test/",
            "http://127.0.0.1.evil.test/",
            "http://localhost@evil.test/",
            "ftp://127.0.0.1/",
            "169.254.170.23/v1",
            "http:///x",
            "",
        ] {
            assert!(container_agent(url).is_err(), "{url}");
        }
    }
}
