//! Which headers pass, each way. What is not listed here passes in the same dialect.

use http::{HeaderMap, HeaderName, HeaderValue};

/// In which callers' SDKs put a key, and other things that are the caller's own.
const CREDENTIALS: [&str; 6] =
    ["authorization", "x-api-key", "x-goog-api-key", "api-key", "cookie", "proxy-authorization"];

const HOP_BY_HOP: [&str; 9] = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "proxy-authenticate",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "http2-settings",
];

/// Set anew, or about the caller's network and account.
const NOT_UP: [&str; 10] = [
    "host",
    "content-length",
    "expect",
    "accept-encoding",
    "forwarded",
    "via",
    "x-real-ip",
    "openai-organization",
    "openai-project",
    "anthropic-organization-id",
];

/// About the provider's account or its own host, or no longer true of the bytes.
const NOT_DOWN: [&str; 9] = [
    "set-cookie",
    "content-length",
    "content-encoding",
    "openai-organization",
    "openai-project",
    "anthropic-organization-id",
    "alt-svc",
    "strict-transport-security",
    "date",
];

/// Whether a header may carry a credential of the caller's.
pub fn is_credential(name: &str) -> bool {
    CREDENTIALS.contains(&name) || name.starts_with("x-amz-security") || is_ours(name)
}

fn is_ours(name: &str) -> bool {
    name.starts_with("x-outrigger-") || name.starts_with("x-bf-")
}

fn is_up(name: &str) -> bool {
    !(CREDENTIALS.contains(&name)
        || HOP_BY_HOP.contains(&name)
        || NOT_UP.contains(&name)
        || name.starts_with("x-forwarded-")
        || name.starts_with("x-amz-")
        || is_ours(name))
}

/// The caller's headers as they go to an upstream of the same dialect.
pub fn up_same(from: &HeaderMap) -> HeaderMap {
    let mut to = HeaderMap::with_capacity(from.len() + 4);
    let named = connection_headers(from);
    for (name, value) in from {
        if is_up(name.as_str()) && !named.iter().any(|hop| hop == name.as_str()) {
            to.append(name.clone(), value.clone());
        } else if let Some(extra) = name.as_str().strip_prefix("x-bf-eh-")
            && is_up(extra)
            && let Ok(name) = extra.parse::<HeaderName>()
        {
            to.append(name, value.clone());
        }
    }
    to
}

/// The caller's headers as they go to an upstream of another dialect.
pub fn up_across(from: &HeaderMap) -> HeaderMap {
    let mut to = HeaderMap::with_capacity(8);
    for name in ["traceparent", "tracestate"] {
        if let Some(value) = from.get(name) {
            to.insert(HeaderName::from_static(name), value.clone());
        }
    }
    to
}

/// An upstream's headers as they go back to a caller of the same dialect. Its rate limits describe
/// a credential, so they are told only when the caller has no other.
pub fn down_same(from: &HeaderMap, single_credential: bool) -> HeaderMap {
    let mut to = HeaderMap::with_capacity(from.len() + 8);
    let named = connection_headers(from);
    for (name, value) in from {
        let text = name.as_str();
        let limits = text.starts_with("x-ratelimit-") || text.starts_with("anthropic-ratelimit-");
        let passes = !HOP_BY_HOP.contains(&text)
            && !NOT_DOWN.contains(&text)
            && !is_ours(text)
            && !named.iter().any(|hop| hop == text)
            && (single_credential || !limits);
        if passes {
            to.append(name.clone(), value.clone());
        }
    }
    to
}

/// The names that `Connection` declares to be of this hop alone.
fn connection_headers(from: &HeaderMap) -> Vec<String> {
    from.get_all(http::header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|name| name.trim().to_ascii_lowercase())
        .collect()
}

/// Sets a header whose value is text of ours or of a policy's names; what can't be one is left out.
pub fn set(headers: &mut HeaderMap, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(HeaderName::from_static(name), value);
    }
}

/// The query without what carries a key (`key=`), as it goes upstream in the same dialect.
pub fn query_without_key(query: &str) -> String {
    let keep = |pair: &&str| !pair.is_empty() && *pair != "key" && !pair.starts_with("key=");
    query.split('&').filter(keep).collect::<Vec<_>>().join("&")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap())).collect()
    }

    fn names(headers: &HeaderMap) -> Vec<&str> {
        let mut names: Vec<&str> = headers.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn no_credential_of_the_caller_goes_up() {
        let from = map(&[
            ("authorization", "Bearer sk-caller"),
            ("x-api-key", "sk"),
            ("x-goog-api-key", "k"),
            ("api-key", "k"),
            ("cookie", "c"),
            ("host", "h"),
            ("connection", "close, x-hop"),
            ("x-hop", "1"),
            ("x-forwarded-for", "1"),
            ("openai-organization", "o"),
            ("x-outrigger-key", "search"),
            ("x-bf-vk", "search"),
            ("x-bf-eh-x-custom", "1"),
            ("x-bf-eh-authorization", "Bearer smuggled"),
            ("anthropic-beta", "a"),
            ("traceparent", "t"),
            ("user-agent", "u"),
        ]);
        assert_eq!(names(&up_same(&from)), ["anthropic-beta", "traceparent", "user-agent", "x-custom"]);
        assert_eq!(names(&up_across(&from)), ["traceparent"]);
    }

    #[test]
    fn rate_limits_are_told_when_they_are_the_callers_own() {
        let from = map(&[
            ("x-ratelimit-remaining-requests", "1"),
            ("anthropic-ratelimit-tokens-limit", "1"),
            ("set-cookie", "c"),
            ("retry-after", "1"),
            ("request-id", "r"),
        ]);
        assert_eq!(names(&down_same(&from, false)), ["request-id", "retry-after"]);
        assert_eq!(down_same(&from, true).len(), 4);
    }

    #[test]
    fn keys_are_taken_out_of_queries() {
        for (query, kept) in
            [("key=AIza", ""), ("alt=sse&key=AIza", "alt=sse"), ("key=a&x=1&key=b", "x=1"), ("keys=1", "keys=1")]
        {
            assert_eq!(query_without_key(query), kept);
        }
    }
}
