//! A proxy between the gateway and a provider, which is asked for a tunnel with HTTP's `CONNECT`.
//!
//! The proxy resolves the provider's name and relays bytes. TLS goes through it, so it sees a credential only if the
//! endpoint is `http://`.

use std::future::ready;
use std::net::IpAddr;
use std::{fmt, io};

use http::{HeaderValue, Uri};
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::proxy::matcher::Matcher;
use hyper_util::rt::TokioIo;
use thiserror::Error;
use tokio::net::TcpStream;
use tower::{Service, service_fn};

use super::Endpoint;

const DEFAULT_PORT: u16 = 80;

/// A proxy's address and credentials.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Proxy {
    uri: Uri,
    host: String,
    port: u16,
    authorization: Option<HeaderValue>,
}

#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ProxyError {
    /// Without the URL, which may contain a password.
    #[error("the proxy's URL is not of the form http://HOST:PORT")]
    NotUrl,
    #[error("the proxy's URL must begin with http://, not {0}://; TLS to the provider goes through the proxy anyway")]
    Scheme(String),
    #[error("the proxy's URL contains a path, a user name or a password; write only http://HOST:PORT")]
    Extra,
}

impl Proxy {
    /// Reads `http://HOST[:PORT]`.
    ///
    /// # Errors
    /// [`ProxyError`] says what is wrong.
    pub fn parse(url: &str) -> Result<Self, ProxyError> {
        let uri: Uri = url.parse().map_err(|_| ProxyError::NotUrl)?;
        let authority = uri.authority().ok_or(ProxyError::NotUrl)?;
        if authority.as_str().contains('@') || !matches!(uri.path(), "" | "/") || uri.query().is_some() {
            return Err(ProxyError::Extra);
        }
        Proxy::of(uri, None)
    }

    fn of(uri: Uri, authorization: Option<HeaderValue>) -> Result<Self, ProxyError> {
        match uri.scheme_str() {
            Some("http") => {}
            Some(other) => return Err(ProxyError::Scheme(other.to_owned())),
            None => return Err(ProxyError::NotUrl),
        }
        let host = uri.host().filter(|host| !host.is_empty()).ok_or(ProxyError::NotUrl)?;
        let (host, port) = (host.trim_matches(['[', ']']).to_owned(), uri.port_u16().unwrap_or(DEFAULT_PORT));
        Ok(Proxy { uri, host, port, authorization })
    }

    /// Its name or address, to be resolved.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Requests a tunnel to the endpoint, on a connection to the proxy.
    ///
    /// # Errors
    /// If the proxy refuses, or closes the connection.
    pub async fn tunnel(&self, to_proxy: TcpStream, endpoint: &Endpoint) -> io::Result<TcpStream> {
        let mut to_proxy = Some(TokioIo::new(to_proxy));
        let connect =
            service_fn(move |_| ready(to_proxy.take().ok_or_else(|| io::Error::from(io::ErrorKind::NotConnected))));
        let mut tunnel = Tunnel::new(self.uri.clone(), connect);
        if let Some(authorization) = &self.authorization {
            tunnel = tunnel.with_auth(authorization.clone());
        }
        let target = Uri::builder().scheme("http").authority(endpoint.host_and_port()).path_and_query("/").build();
        let target = target.map_err(io::Error::other)?;
        let connected = tunnel.call(target).await;
        connected.map(TokioIo::into_inner).map_err(io::Error::other)
    }
}

/// Without the credentials.
impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proxy({self})")
    }
}

/// The proxies of an environment: `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY`, in upper or lower case, as
/// curl reads them. Addresses of this machine are always reached directly.
#[derive(Debug)]
pub struct Proxies(Matcher);

impl Proxies {
    /// Reads them with a function that returns the value of a variable. A value that is no proxy is ignored, and logged
    /// by the variable's name.
    #[must_use]
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Self {
        // The first variable that is set counts, upper case before lower case.
        let value = |name: &str| {
            let names = [name.to_owned(), name.to_lowercase()];
            names
                .into_iter()
                .find_map(|name| variable(&name).filter(|value| !value.is_empty()).map(|value| (name, value)))
        };
        let proxy = |name: &str| match value(name) {
            Some((name, value)) if !names_a_proxy(&value) => {
                tracing::warn!("{name} is not a valid proxy, and is ignored: write http://HOST:PORT");
                String::new()
            }
            Some((_, value)) => value,
            None => String::new(),
        };
        let others = value("NO_PROXY").map(|(_, value)| value).unwrap_or_default();
        let matcher = Matcher::builder().all(proxy("ALL_PROXY")).http(proxy("HTTP_PROXY")).https(proxy("HTTPS_PROXY"));
        Proxies(matcher.no(others).build())
    }

    /// The proxy for an endpoint, if there is one.
    ///
    /// # Errors
    /// [`ProxyError`] if the environment's value is no valid proxy.
    pub fn to(&self, endpoint: &Endpoint) -> Result<Option<Proxy>, ProxyError> {
        let is_here = match endpoint.host.parse::<IpAddr>() {
            Ok(address) => address.is_loopback(),
            Err(_) => endpoint.host.eq_ignore_ascii_case("localhost"),
        };
        let scheme = if endpoint.tls { "https" } else { "http" };
        let uri = Uri::builder().scheme(scheme).authority(endpoint.host_and_port()).path_and_query("/").build();
        let named = uri.ok().filter(|_| !is_here).and_then(|uri| self.0.intercept(&uri));
        named.map(|proxy| Proxy::of(proxy.uri().clone(), proxy.basic_auth().cloned())).transpose()
    }
}

/// Whether a variable's value is a proxy's URL.
fn names_a_proxy(value: &str) -> bool {
    let any = Uri::from_static("http://example.org/");
    Matcher::builder().all(value.to_owned()).build().intercept(&any).is_some()
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    fn endpoint(url: &str) -> Endpoint {
        Endpoint::parse(url).unwrap()
    }

    fn read(variables: &[(&str, &str)]) -> Proxies {
        Proxies::read(|name| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn parses_urls_and_hides_passwords() {
        for (url, formatted) in [
            ("http://proxy.corp:3128", "proxy.corp:3128"),
            ("http://proxy.corp", "proxy.corp:80"),
            ("http://10.0.0.1:8080/", "10.0.0.1:8080"),
            ("http://[fd00::1]:3128", "[fd00::1]:3128"),
        ] {
            assert_eq!(Proxy::parse(url).unwrap().to_string(), formatted);
        }
        for (url, error) in [
            ("", ProxyError::NotUrl),
            ("proxy.corp", ProxyError::NotUrl),
            ("https://proxy.corp", ProxyError::Scheme("https".to_owned())),
            ("socks5://proxy.corp", ProxyError::Scheme("socks5".to_owned())),
            ("http://me:secret@proxy.corp", ProxyError::Extra),
            ("http://proxy.corp/way", ProxyError::Extra),
            ("http://proxy.corp/?a", ProxyError::Extra),
        ] {
            assert_eq!(Proxy::parse(url).unwrap_err(), error, "{url}");
        }
        let authorization = HeaderValue::from_static("Basic c2VjcmV0");
        let proxy = Proxy::of("http://proxy.corp:3128".parse().unwrap(), Some(authorization)).unwrap();
        assert_eq!(format!("{proxy} {proxy:?}"), "proxy.corp:3128 Proxy(proxy.corp:3128)");
    }

    #[test]
    fn the_environment_selects_the_proxy_of_an_endpoint() {
        let proxies = read(&[
            ("https_proxy", "http://secure:1"),
            ("HTTP_PROXY", "http://clear:2"),
            ("http_proxy", "http://less:3"),
            ("NO_PROXY", ".corp,10.0.0.0/8"),
        ]);
        for (url, through) in [
            ("https://api.openai.com/v1", Some("secure:1")),
            ("http://models.example:8000/v1", Some("clear:2")),
            ("https://llm.corp/v1", None),
            ("https://10.1.2.3/v1", None),
            ("http://localhost:11434/v1", None),
            ("http://127.0.0.1:11434/v1", None),
            ("http://[::1]:11434/v1", None),
        ] {
            let proxy = proxies.to(&endpoint(url)).unwrap();
            assert_eq!(proxy.map(|proxy| proxy.to_string()).as_deref(), through, "{url}");
        }
        let none = read(&[("HTTPS_PROXY", "")]);
        assert_eq!(none.to(&endpoint("https://api.openai.com/v1")), Ok(None));
        let ignored = read(&[("HTTPS_PROXY", "not a url"), ("ALL_PROXY", "http://any:4")]);
        let proxy = ignored.to(&endpoint("https://api.openai.com/v1")).unwrap().unwrap();
        assert_eq!(proxy.to_string(), "any:4");
        let other = read(&[("all_proxy", "socks5://me:secret@proxy:1080")]);
        let error = other.to(&endpoint("https://api.openai.com/v1")).unwrap_err();
        assert!(!error.to_string().contains("secret"), "{error}");
    }

    #[test]
    fn recognizes_values_that_are_no_proxy() {
        for (value, named) in [
            ("http://proxy.corp:3128", true),
            ("proxy.corp:3128", true),
            ("http://me:secret@proxy.corp:3128", true),
            ("socks5://proxy.corp:1080", true),
            ("not a url", false),
            ("ftp://proxy.corp", false),
            ("http://", false),
        ] {
            assert_eq!(names_a_proxy(value), named, "{value}");
        }
    }

    /// The outcome with a proxy that answers this, and the request that it received.
    async fn tunnel_through(answer: &'static str) -> (io::Result<TcpStream>, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let proxying = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await.unwrap());
            }
            stream.write_all(answer.as_bytes()).await.unwrap();
            String::from_utf8(head).unwrap()
        });
        let uri = format!("http://{at}").parse().unwrap();
        let proxy = Proxy::of(uri, Some(HeaderValue::from_static("Basic eDp5"))).unwrap();
        let tunnel = proxy.tunnel(TcpStream::connect(at).await.unwrap(), &endpoint("https://api.test/v1")).await;
        (tunnel, proxying.await.unwrap())
    }

    #[tokio::test]
    async fn requests_a_tunnel_to_host_and_port() {
        let (tunnel, head) = tunnel_through("HTTP/1.1 200 Connection established\r\n\r\n").await;
        assert!(tunnel.is_ok(), "{tunnel:?}");
        assert!(head.starts_with("CONNECT api.test:443 HTTP/1.1\r\n"), "{head}");
        assert!(head.to_lowercase().contains("proxy-authorization: basic edp5\r\n"), "{head}");
        for refused in
            ["HTTP/1.1 407 Who are you\r\n\r\n", "HTTP/1.1 503 No\r\n\r\n", "HTTP/1.1 20", "nonsense\r\n\r\n"]
        {
            let (tunnel, _) = tunnel_through(refused).await;
            let error = tunnel.unwrap_err().to_string();
            assert!(error.starts_with("tunnel error: ") && !error.contains("eDp5"), "{error}");
        }
    }
}
