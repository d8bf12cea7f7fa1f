//! Host names and addresses that clients write in `Host`, in a request's target, or in an origin.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A host. Every way to write the same host gives the same value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostName {
    Address(IpAddr),
    /// In lower case, without a dot at its end.
    Host(String),
}

impl HostName {
    /// Reads `localhost`, `127.0.0.1`, `127.1`, `[::1]`. `None` if the text is no host.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if let Some(inside) = text.strip_prefix('[') {
            let address: Ipv6Addr = inside.strip_suffix(']')?.parse().ok()?;
            return Some(HostName::Address(IpAddr::from(address).to_canonical()));
        }
        // The form that SDKs write.
        if let Ok(address) = text.parse::<Ipv4Addr>() {
            return Some(HostName::Address(address.into()));
        }
        let text = text.strip_suffix('.').unwrap_or(text);
        // As for URLs: if the last part is a number, the whole must be an IPv4 address.
        let last = text.rsplit('.').next()?;
        if number(last).is_some() || (!last.is_empty() && last.bytes().all(|byte| byte.is_ascii_digit())) {
            return address(text).map(|address| HostName::Address(address.into()));
        }
        let part = |part: &str| {
            !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
        };
        let host = text.len() <= 253 && text.split('.').all(part);
        host.then(|| HostName::Host(text.to_ascii_lowercase()))
    }

    /// Reads a host that may be followed by a port. The port is dropped.
    #[must_use]
    pub fn from_authority(text: &str) -> Option<Self> {
        split(text).map(|(name, _)| name)
    }

    /// Whether it can only resolve to this machine.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        match self {
            HostName::Address(address) => address.is_loopback(),
            // RFC 6761 includes the names below `localhost`.
            HostName::Host(host) => host == "localhost" || host.ends_with(".localhost"),
        }
    }
}

/// Splits a host from its port, if there is one. `None` if either is malformed.
pub fn split(text: &str) -> Option<(HostName, Option<u16>)> {
    let colon = match text.rfind(']') {
        Some(end) => text[end..].find(':').map(|at| at + end),
        None => text.find(':'),
    };
    let Some(colon) = colon else { return Some((HostName::parse(text)?, None)) };
    let (name, port) = (&text[..colon], &text[colon + 1..]);
    let port = match port {
        "" => None,
        digits if digits.bytes().all(|byte| byte.is_ascii_digit()) => Some(digits.parse().ok()?),
        _ => return None,
    };
    Some((HostName::parse(name)?, port))
}

/// Reads an IPv4 address in the forms that URLs allow: one to four numbers, decimal, octal or hexadecimal.
fn address(text: &str) -> Option<Ipv4Addr> {
    let parts: Vec<u64> = text.split('.').map(number).collect::<Option<_>>()?;
    let (last, front) = parts.split_last()?;
    if front.len() > 3 || front.iter().any(|part| *part > 255) || *last >= 1 << (8 * (4 - front.len())) {
        return None;
    }
    let front = front.iter().zip([24, 16, 8]).map(|(part, shift)| part << shift).sum::<u64>();
    u32::try_from(front | last).ok().map(Ipv4Addr::from)
}

fn number(text: &str) -> Option<u64> {
    let (digits, radix) = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some("") => return Some(0),
        Some(hexadecimal) => (hexadecimal, 16),
        None if text.len() > 1 && text.starts_with('0') => (&text[1..], 8),
        None => (text, 10),
    };
    let plain = digits.bytes().all(|byte| byte.is_ascii_alphanumeric());
    plain.then(|| u64::from_str_radix(digits, radix).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recognizes_loopback_in_every_spelling_and_no_other_host() {
        for text in [
            "localhost",
            "LOCALHOST:4180",
            "localhost.",
            "localhost.:4180",
            "localhost:",
            "api.localhost:4180",
            "127.0.0.1",
            "127.0.0.1:4180",
            "127.1:4180",
            "127.255.255.254",
            "2130706433",
            "0x7f.1",
            "0177.0.0.1",
            "[::1]",
            "[::1]:4180",
            "[0:0:0:0:0:0:0:1]",
            "[::ffff:127.0.0.1]:80",
        ] {
            assert!(HostName::from_authority(text).is_some_and(|name| name.is_loopback()), "{text}");
        }
        for text in [
            "",
            ":4180",
            ".",
            "evil.example",
            "evil.example:4180",
            "localhost.evil.example",
            "notlocalhost",
            "evillocalhost",
            "127.0.0.1.evil.example",
            "127.0.0.1.nip.io",
            "128.0.0.1",
            "0.0.0.0",
            "0",
            "10.0.0.1",
            "127.0.0.256",
            "127.0.0.0.1",
            "4294967296",
            "localhost:port",
            "localhost:99999",
            "localhost@evil.example",
            "evil.example@localhost",
            "localhost evil",
            "localhost,evil.example",
            "localhost/evil",
            "[::2]",
            "[::1",
            "::1",
            "[::1]x",
            "[::1%lo]",
            "[127.0.0.1]",
            "b\u{fc}cher.example",
        ] {
            assert!(!HostName::from_authority(text).is_some_and(|name| name.is_loopback()), "{text}");
        }
    }
}
