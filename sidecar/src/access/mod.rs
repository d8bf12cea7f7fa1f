//! Which web pages may send requests here, and under which names this gateway may be called.
//!
//! A listener on loopback trusts whoever can reach it, and a browser lets every page reach it. So a request that a page
//! sent is refused unless its origin is allowed, and so is one that calls the gateway by a name that could be anybody's:
//! whoever owns a name can let it lead to 127.0.0.1 and read the answers (DNS rebinding). Nothing of such a request is
//! read or charged.

mod authority;
mod cors;
mod origin;

use std::net::IpAddr;

use http::header::{HOST, ORIGIN};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, Uri};
use parking_lot::Mutex;
use thiserror::Error;

pub use authority::Name;
pub use cors::allow;
use origin::WebOrigin;

use crate::request::refusal::Refusal;
use crate::request::reply::ReplyBody;
use outrigger_core::RefusalKind;

const SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
/// Origins that were refused and told in the log; a page can make up as many as it likes.
const TOLD: usize = 32;

/// Who may call from a browser, and by which names.
#[derive(Debug, Default)]
pub struct Access {
    origins: Vec<WebOrigin>,
    hosts: Vec<Name>,
    told: Mutex<Vec<String>>,
}

/// A word that can't be allowed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum AccessError {
    #[error(
        "`{0}` is no origin: write it as the browser sends it, scheme, name and port without a path, such as http://localhost:3000"
    )]
    WebOrigin(String),
    #[error("`{0}` is not allowed as an origin: every page can send it. Name the origins, one after the other")]
    Anybody(String),
    #[error("`{0}` is no host: write a name or an address, without a port")]
    Host(String),
}

/// What becomes of a request at the door.
#[derive(Debug)]
pub enum Admitted {
    /// It is no page's.
    In,
    /// A page's of that origin, to which the answer must say so.
    Page(HeaderValue),
    /// A browser asks whether a page may ask.
    Preflight(Response<ReplyBody>),
    Refused(Refusal),
}

impl Clone for Access {
    fn clone(&self) -> Self {
        Access { origins: self.origins.clone(), hosts: self.hosts.clone(), told: Mutex::default() }
    }
}

impl Access {
    /// With these origins of pages and these names beside loopback's.
    ///
    /// # Errors
    /// [`AccessError`] names the word that can't be allowed.
    pub fn new<S: AsRef<str>>(origins: &[S], hosts: &[S]) -> Result<Self, AccessError> {
        let host = |text: &S| Name::parse(text.as_ref()).ok_or_else(|| AccessError::Host(text.as_ref().to_owned()));
        Ok(Access {
            origins: origins.iter().map(|text| WebOrigin::configured(text.as_ref())).collect::<Result<_, _>>()?,
            hosts: hosts.iter().map(host).collect::<Result<_, _>>()?,
            told: Mutex::default(),
        })
    }

    /// Judges a request's head. `at` is where the port listens.
    #[must_use]
    pub fn admit(&self, method: &Method, uri: &Uri, headers: &HeaderMap, at: IpAddr) -> Admitted {
        if let Some(refusal) = self.misnamed(uri, headers, at) {
            return Admitted::Refused(refusal);
        }
        let mut origins = headers.get_all(ORIGIN).iter();
        match (origins.next(), origins.next()) {
            (None, _) if headers.contains_key(&SITE) && !is_own_site(headers) => Admitted::Refused(foreign_site()),
            (None, _) => Admitted::In,
            (Some(origin), None) if self.allows(origin) => match cors::preflight(method, headers, origin) {
                Some(response) => Admitted::Preflight(response),
                None => Admitted::Page(origin.clone()),
            },
            (Some(origin), _) => Admitted::Refused(self.foreign(origin)),
        }
    }

    fn allows(&self, origin: &HeaderValue) -> bool {
        origin.to_str().ok().and_then(WebOrigin::parse).is_some_and(|origin| self.origins.contains(&origin))
    }

    /// Where every name is one of loopback's, or where names were given, no other may be used.
    fn misnamed(&self, uri: &Uri, headers: &HeaderMap, at: IpAddr) -> Option<Refusal> {
        let on_loopback = at.to_canonical().is_loopback();
        if !on_loopback && self.hosts.is_empty() {
            return None;
        }
        let malformed = || {
            Some(Refusal::new(RefusalKind::InvalidRequest, "`Host` must be there once, and be a name or an address"))
        };
        if headers.get_all(HOST).iter().count() > 1 {
            return malformed();
        }
        // Whoever calls by a number was not led here by a name.
        let own = |name: &Name| name.is_loopback() || (!on_loopback && matches!(name, Name::Address(_)));
        let mut wrong = None;
        for told in called(uri, headers) {
            let Some(name) = told.and_then(Name::of_authority) else { return malformed() };
            if !own(&name) && !self.hosts.contains(&name) {
                wrong = wrong.or(told);
            }
        }
        let told = clean(wrong?);
        let message = format!(
            "this gateway is not called `{told}`: use 127.0.0.1 or localhost, or start it with --allow-host {}",
            told.rsplit_once(':').map_or(told.as_str(), |(name, _)| name)
        );
        self.tell_once(&told, "requests under a name that is not this gateway's are refused");
        Some(Refusal::new(RefusalKind::HostBlocked, message))
    }

    fn foreign(&self, origin: &HeaderValue) -> Refusal {
        let told = clean(origin.to_str().unwrap_or("(not text)"));
        let message = format!(
            "a web page of `{told}` sent this, and web pages are refused unless --allow-origin \
             names their origin"
        );
        self.tell_once(&told, "requests of a web page are refused: its origin is not allowed by --allow-origin");
        Refusal::new(RefusalKind::OriginBlocked, message)
    }

    /// In the log, since the page can't read why.
    fn tell_once(&self, what: &str, why: &'static str) {
        let mut told = self.told.lock();
        if told.len() < TOLD && !told.iter().any(|known| known == what) {
            told.push(what.to_owned());
            drop(told);
            tracing::warn!(what, "{why}");
        }
    }
}

/// What the request calls the gateway: in its target, and in each `Host`. `None`: bytes that are no text.
fn called<'h>(uri: &'h Uri, headers: &'h HeaderMap) -> impl Iterator<Item = Option<&'h str>> {
    let target = uri.authority().map(|authority| Some(authority.as_str()));
    target.into_iter().chain(headers.get_all(HOST).iter().map(|value| value.to_str().ok()))
}

/// Whether a browser says that the gateway's own page asks, or a person.
fn is_own_site(headers: &HeaderMap) -> bool {
    headers.get_all(&SITE).iter().all(|site| matches!(site.as_bytes(), b"same-origin" | b"none"))
}

fn foreign_site() -> Refusal {
    let message = "a web page of another site sent this without saying which, and is not let in";
    Refusal::new(RefusalKind::OriginBlocked, message)
}

/// Why a request may not read what is told on this machine alone; `None`: it may.
#[must_use]
pub fn not_from_here(uri: &Uri, headers: &HeaderMap, peer: IpAddr) -> Option<&'static str> {
    let own = [IpAddr::from([127, 0, 0, 1]), std::net::Ipv6Addr::LOCALHOST.into()];
    if !own.contains(&peer.to_canonical()) {
        // A mesh brings strangers in from other addresses of loopback, such as Istio's 127.0.0.6.
        return Some("this is told to callers on this machine alone, at 127.0.0.1 or ::1");
    }
    if headers.keys().any(|name| outrigger_policy::headers::is_of_a_proxy(name.as_str())) {
        return Some("this is told to callers on this machine alone, and a proxy has passed this on");
    }
    if headers.contains_key(ORIGIN) || (headers.contains_key(&SITE) && !is_own_site(headers)) {
        return Some("this is not told to web pages");
    }
    let is_loopback = |told: Option<&str>| told.and_then(Name::of_authority).is_some_and(|name| name.is_loopback());
    if !headers.contains_key(HOST) && uri.authority().is_none() || !called(uri, headers).all(is_loopback) {
        return Some("this is told under the names 127.0.0.1, [::1] and localhost alone");
    }
    None
}

/// What a stranger sent, for a line that a person reads.
fn clean(text: &str) -> String {
    text.chars().take(200).map(|c| if c.is_ascii_graphic() { c } else { '?' }).collect()
}

#[cfg(test)]
mod tests;
