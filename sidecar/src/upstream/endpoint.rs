//! The address of a provider: scheme, host, port, and the base of all paths.

use std::fmt;

use http::Uri;
use http::uri::PathAndQuery;
use outrigger_llm::path::{self, PathError, UpstreamPath};
use thiserror::Error;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Endpoint {
    pub tls: bool,
    pub host: String,
    pub port: u16,
    /// Begins with a slash and does not end with one; empty if there is none.
    base: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum EndpointError {
    #[error("`{0}` is not a URL")]
    NotUrl(String),
    #[error("`{0}` must begin with http:// or https://")]
    Scheme(String),
    #[error("`{0}` must have no query; the gateway adds what is needed")]
    Query(String),
    #[error("the path of `{url}` is not valid: {source}")]
    Path { url: String, source: PathError },
    #[error("`{0}` must have no fragment")]
    Fragment(String),
    /// Without the URL, which may contain a password.
    #[error("the URL contains a user name or a password; use a credential of the provider")]
    User,
}

impl Endpoint {
    /// Reads `https://host[:port][/base]`.
    ///
    /// # Errors
    /// [`EndpointError`] says what is wrong.
    pub fn parse(url: &str) -> Result<Self, EndpointError> {
        if url.contains('#') {
            return Err(EndpointError::Fragment(url.to_owned()));
        }
        let uri: Uri = url.parse().map_err(|_| EndpointError::NotUrl(url.to_owned()))?;
        let tls = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(EndpointError::Scheme(url.to_owned())),
        };
        if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
            return Err(EndpointError::User);
        }
        let host = uri.host().ok_or_else(|| EndpointError::NotUrl(url.to_owned()))?;
        if uri.query().is_some() {
            return Err(EndpointError::Query(url.to_owned()));
        }
        path::check(uri.path()).map_err(|source| EndpointError::Path { url: url.to_owned(), source })?;
        Ok(Endpoint {
            tls,
            host: host.trim_matches(['[', ']']).to_owned(),
            port: uri.port_u16().unwrap_or(if tls { 443 } else { 80 }),
            base: uri.path().trim_end_matches('/').to_owned(),
        })
    }

    /// The base of all paths, without a slash at the end; empty if there is none.
    #[must_use]
    pub fn base(&self) -> &str {
        &self.base
    }

    /// The request target for an operation's path with a query. `None` if they form no valid target.
    #[must_use]
    pub fn target(&self, path: &UpstreamPath, query: &str) -> Option<PathAndQuery> {
        let mut target = String::with_capacity(self.base.len() + path.as_str().len() + query.len() + 2);
        target.push_str(&self.base);
        target.push('/');
        target.push_str(path.as_str());
        if !query.is_empty() {
            target.push('?');
            target.push_str(query);
        }
        PathAndQuery::try_from(target).ok()
    }

    /// The same server without the version at the end of its path.
    #[must_use]
    pub fn unversioned(&self) -> Endpoint {
        let base = self.base.strip_suffix("/v1").unwrap_or(&self.base).to_owned();
        Endpoint { base, ..self.clone() }
    }

    /// The request target without an endpoint, for a mock.
    #[must_use]
    pub fn bare(path: &UpstreamPath) -> Option<PathAndQuery> {
        PathAndQuery::try_from(format!("/{path}")).ok()
    }

    /// The value of `Host`.
    #[must_use]
    pub fn authority(&self) -> String {
        match (self.tls, self.port) {
            (true, 443) | (false, 80) => self.bracketed(),
            _ => self.host_and_port(),
        }
    }

    /// The host with its port, also if it is the default.
    #[must_use]
    pub fn host_and_port(&self) -> String {
        format!("{}:{}", self.bracketed(), self.port)
    }

    fn bracketed(&self) -> String {
        match self.host.contains(':') {
            true => format!("[{}]", self.host),
            false => self.host.clone(),
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", if self.tls { "https" } else { "http" }, self.authority(), self.base)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_and_formats_urls() {
        for (url, formatted, target) in [
            ("https://api.openai.com/v1", "https://api.openai.com/v1", "/v1/x?a=1"),
            ("https://api.openai.com/v1/", "https://api.openai.com/v1", "/v1/x?a=1"),
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080", "/x?a=1"),
            ("http://[::1]:80/a", "http://[::1]/a", "/a/x?a=1"),
        ] {
            let endpoint = Endpoint::parse(url).unwrap();
            assert_eq!(endpoint.to_string(), formatted);
            assert_eq!(endpoint.target(&UpstreamPath::fixed("x"), "a=1").unwrap(), target);
        }
        for url in [
            "api.openai.com",
            "ftp://x",
            "",
            "https://",
            "http://x/?a",
            "http://me:secret@x/",
            "http://x/v1#a",
            "http://x/../v1",
            "http://x/a/%2e%2e/v1",
            "http://x/./v1",
            "http://x/a%00",
        ] {
            assert!(Endpoint::parse(url).is_err(), "{url}");
        }
    }
}
