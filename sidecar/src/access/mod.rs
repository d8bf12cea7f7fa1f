//! Which web pages may send requests, and which host names a request may use for this gateway.
//!
//! A listener on loopback trusts every process that can reach it, and a browser lets every page reach it. So the
//! gateway refuses a request that a page sent, unless the origin of the page is allowed. It also refuses a request with
//! an unknown host name: the owner of a DNS name can point it at 127.0.0.1 and then read the responses (DNS rebinding).
//! The gateway reads and charges nothing of a refused request.

mod authority;
mod cors;
mod origin;

use std::net::IpAddr;

use http::header::{HOST, ORIGIN};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, Uri};
use parking_lot::Mutex;
use thiserror::Error;

pub use authority::HostName;
pub use cors::allow;
use origin::WebOrigin;

use crate::request::refusal::Refusal;
use crate::request::reply::ReplyBody;
use outrigger_core::RefusalKind;

const SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
/// How many refused origins and hosts are logged at most: a page can send any number of them.
const MAX_LOGGED: usize = 32;

/// The allowed origins of web pages, and the allowed host names.
#[derive(Debug, Default)]
pub struct Access {
    origins: Vec<WebOrigin>,
    hosts: Vec<HostName>,
    logged: Mutex<Vec<String>>,
}

/// A configured value that cannot be allowed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum AccessError {
    #[error(
        "`{0}` is not an origin: write the scheme, the host and the port, without a path, such as http://localhost:3000"
    )]
    WebOrigin(String),
    #[error("`{0}` is not allowed as an origin: every page can send it. List the origins one by one")]
    AnyOrigin(String),
    #[error("`{0}` is not a host: write a name or an address, without a port")]
    Host(String),
}

/// The outcome of the check of a request's head.
#[derive(Debug)]
pub enum Admitted {
    /// No web page sent the request.
    NoPage,
    /// A page of this allowed origin sent the request. The response needs its CORS headers.
    Page(HeaderValue),
    /// A browser's preflight request, with its response.
    Preflight(Response<ReplyBody>),
    Refused(Refusal),
}

impl Clone for Access {
    fn clone(&self) -> Self {
        Access { origins: self.origins.clone(), hosts: self.hosts.clone(), logged: Mutex::default() }
    }
}

impl Access {
    /// Allows these origins, and these host names in addition to those of loopback.
    ///
    /// # Errors
    /// [`AccessError`] names the value that cannot be allowed.
    pub fn new<S: AsRef<str>>(origins: &[S], hosts: &[S]) -> Result<Self, AccessError> {
        let host = |text: &S| HostName::parse(text.as_ref()).ok_or_else(|| AccessError::Host(text.as_ref().to_owned()));
        Ok(Access {
            origins: origins.iter().map(|text| WebOrigin::configured(text.as_ref())).collect::<Result<_, _>>()?,
            hosts: hosts.iter().map(host).collect::<Result<_, _>>()?,
            logged: Mutex::default(),
        })
    }

    /// Checks a request's head. `at` is the address on which the port listens.
    #[must_use]
    pub fn admit(&self, method: &Method, uri: &Uri, headers: &HeaderMap, at: IpAddr) -> Admitted {
        if let Some(refusal) = self.refuse_host(uri, headers, at) {
            return Admitted::Refused(refusal);
        }
        let mut origins = headers.get_all(ORIGIN).iter();
        match (origins.next(), origins.next()) {
            (None, _) if headers.contains_key(&SITE) && !is_own_site(headers) => {
                Admitted::Refused(refuse_foreign_site())
            }
            (None, _) => Admitted::NoPage,
            (Some(origin), None) if self.allows(origin) => match cors::preflight(method, headers, origin) {
                Some(response) => Admitted::Preflight(response),
                None => Admitted::Page(origin.clone()),
            },
            (Some(origin), _) => Admitted::Refused(self.refuse_origin(origin)),
        }
    }

    fn allows(&self, origin: &HeaderValue) -> bool {
        origin.to_str().ok().and_then(WebOrigin::parse).is_some_and(|origin| self.origins.contains(&origin))
    }

    /// Refuses a host name that is not allowed. On loopback, only names of loopback and configured names are allowed.
    /// On other addresses, any name is allowed if none is configured.
    fn refuse_host(&self, uri: &Uri, headers: &HeaderMap, at: IpAddr) -> Option<Refusal> {
        let on_loopback = at.to_canonical().is_loopback();
        if !on_loopback && self.hosts.is_empty() {
            return None;
        }
        let malformed = || {
            Some(Refusal::new(
                RefusalKind::InvalidRequest,
                "the request needs exactly one `Host` header, with a name or an address",
            ))
        };
        if headers.get_all(HOST).iter().count() > 1 {
            return malformed();
        }
        // DNS rebinding needs a name, so an address is always allowed.
        let is_own = |name: &HostName| name.is_loopback() || (!on_loopback && matches!(name, HostName::Address(_)));
        let mut wrong = None;
        for host in requested_hosts(uri, headers) {
            let Some(name) = host.and_then(HostName::from_authority) else { return malformed() };
            if !is_own(&name) && !self.hosts.contains(&name) {
                wrong = wrong.or(host);
            }
        }
        let host = printable(wrong?);
        let message = format!(
            "`{host}` is not a name of this gateway: use 127.0.0.1 or localhost, or start it with --allow-host {}",
            host.rsplit_once(':').map_or(host.as_str(), |(name, _)| name)
        );
        self.log_once(&host, "requests for a host name that is not this gateway's are refused");
        Some(Refusal::new(RefusalKind::HostBlocked, message))
    }

    fn refuse_origin(&self, origin: &HeaderValue) -> Refusal {
        let origin = printable(origin.to_str().unwrap_or("(not text)"));
        let message = format!(
            "a web page of `{origin}` sent this request. Such requests are refused unless --allow-origin lists the page's origin"
        );
        self.log_once(&origin, "requests from a web page are refused: --allow-origin does not list its origin");
        Refusal::new(RefusalKind::OriginBlocked, message)
    }

    /// Logs a refusal once for each origin or host, because the page cannot read the response.
    fn log_once(&self, what: &str, why: &'static str) {
        let mut logged = self.logged.lock();
        if logged.len() < MAX_LOGGED && !logged.iter().any(|other| other == what) {
            logged.push(what.to_owned());
            drop(logged);
            tracing::warn!(what, "{why}");
        }
    }
}

/// The names that the request uses for the gateway: in its target, and in each `Host`. `None` stands for a value that
/// is not text.
fn requested_hosts<'h>(uri: &'h Uri, headers: &'h HeaderMap) -> impl Iterator<Item = Option<&'h str>> {
    let target = uri.authority().map(|authority| Some(authority.as_str()));
    target.into_iter().chain(headers.get_all(HOST).iter().map(|value| value.to_str().ok()))
}

/// Whether the browser says that a page of the same origin sent the request, or that the user typed the address.
fn is_own_site(headers: &HeaderMap) -> bool {
    headers.get_all(&SITE).iter().all(|site| matches!(site.as_bytes(), b"same-origin" | b"none"))
}

fn refuse_foreign_site() -> Refusal {
    let message = "a web page of another site sent this request without an Origin header";
    Refusal::new(RefusalKind::OriginBlocked, message)
}

/// Why a caller may not read a page that is only for callers on this machine. `None` if it may.
#[must_use]
pub fn why_not_local(uri: &Uri, headers: &HeaderMap, peer: IpAddr) -> Option<&'static str> {
    let loopback = [IpAddr::from([127, 0, 0, 1]), std::net::Ipv6Addr::LOCALHOST.into()];
    if !loopback.contains(&peer.to_canonical()) {
        // A service mesh forwards foreign requests from other addresses of loopback, such as Istio's 127.0.0.6.
        return Some("only callers on this machine may read this page, at 127.0.0.1 or ::1");
    }
    if headers.keys().any(|name| outrigger_policy::headers::is_of_a_proxy(name.as_str())) {
        return Some("only callers on this machine may read this page, and a proxy forwarded this request");
    }
    if headers.contains_key(ORIGIN) || (headers.contains_key(&SITE) && !is_own_site(headers)) {
        return Some("web pages may not read this page");
    }
    let is_loopback =
        |host: Option<&str>| host.and_then(HostName::from_authority).is_some_and(|name| name.is_loopback());
    if !headers.contains_key(HOST) && uri.authority().is_none() || !requested_hosts(uri, headers).all(is_loopback) {
        return Some("this page is served only under the names 127.0.0.1, [::1] and localhost");
    }
    None
}

/// The first 200 characters of a foreign value, with `?` for everything that is not printable ASCII.
fn printable(text: &str) -> String {
    text.chars().take(200).map(|c| if c.is_ascii_graphic() { c } else { '?' }).collect()
}

#[cfg(test)]
mod tests;
