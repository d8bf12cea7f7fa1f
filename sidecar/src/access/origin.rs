//! Origins of web pages, as browsers send them.

use super::AccessError;
use super::authority::{HostName, split};

/// `http://localhost:3000`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebOrigin {
    /// In lower case.
    scheme: String,
    name: HostName,
    port: Option<u16>,
}

impl WebOrigin {
    /// Reads the value of an `Origin` header. `None` for `null`, which is the origin of no page.
    pub fn parse(text: &str) -> Option<Self> {
        let (scheme, authority) = text.split_once("://")?;
        let mut letters = scheme.bytes();
        let plain = letters.next().is_some_and(|first| first.is_ascii_alphabetic())
            && letters.all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'));
        let (name, port) = split(authority)?;
        let scheme = scheme.to_ascii_lowercase();
        let usual = match scheme.as_str() {
            "http" => Some(80),
            "https" => Some(443),
            _ => None,
        };
        plain.then(|| WebOrigin { port: port.filter(|port| Some(*port) != usual), scheme, name })
    }

    /// Reads an origin from the configuration. A slash at the end is allowed.
    pub fn configured(text: &str) -> Result<Self, AccessError> {
        match text {
            "*" | "null" => Err(AccessError::AnyOrigin(text.to_owned())),
            _ => WebOrigin::parse(text.strip_suffix('/').unwrap_or(text))
                .ok_or_else(|| AccessError::WebOrigin(text.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_matches_only_itself() {
        for (configured, sent, same) in [
            ("http://localhost:3000", "http://localhost:3000", true),
            ("http://localhost:3000/", "http://localhost:3000", true),
            ("HTTP://LocalHost:3000", "http://localhost:3000", true),
            ("http://app.example:80", "http://app.example", true),
            ("https://app.example", "https://app.example:443", true),
            ("http://[::1]:3000", "http://[0:0:0:0:0:0:0:1]:3000", true),
            ("https://xn--bcher-kva.example", "https://xn--bcher-kva.example", true),
            ("chrome-extension://abcdefghijklmnop", "chrome-extension://abcdefghijklmnop", true),
            ("tauri://localhost", "tauri://localhost", true),
            ("http://localhost:3000", "http://localhost:3001", false),
            ("http://localhost:3000", "http://localhost", false),
            ("http://localhost:3000", "https://localhost:3000", false),
            ("http://localhost:3000", "http://127.0.0.1:3000", false),
            ("http://localhost:3000", "http://localhost:3000.evil.example", false),
            ("http://app.example", "http://app.example.evil.example", false),
            ("http://app.example", "http://sub.app.example", false),
            ("http://app.example", "http://evil.example@app.example", false),
            ("http://app.example", "http://app.example/path", false),
            ("http://app.example", "http://app.example, http://evil.example", false),
            ("http://app.example", "null", false),
            ("http://app.example", "", false),
            ("http://app.example", "app.example", false),
            ("http://app.example", "http://", false),
        ] {
            let allowed = WebOrigin::configured(configured).unwrap();
            assert_eq!(WebOrigin::parse(sent) == Some(allowed), same, "{configured} {sent}");
        }
    }

    #[test]
    fn rejects_origins_that_no_browser_sends() {
        for text in
            ["localhost:3000", "http://localhost/app", "http://", "", "http://b\u{fc}cher.example", "http://*.a"]
        {
            assert_eq!(WebOrigin::configured(text), Err(AccessError::WebOrigin(text.to_owned())), "{text}");
        }
        for text in ["*", "null"] {
            assert_eq!(WebOrigin::configured(text), Err(AccessError::AnyOrigin(text.to_owned())), "{text}");
        }
    }
}
