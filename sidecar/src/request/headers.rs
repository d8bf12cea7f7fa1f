//! The headers of a request to an upstream and of its answer, by the table of the policy.

use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue};
use outrigger_policy::headers::{self as table, HeaderAction};

/// Header names that every request looks up and that the `http` crate lacks. Constants, because a name in text is
/// parsed at each lookup.
pub mod name {
    use http::HeaderName;

    macro_rules! names {
        ($($constant:ident = $text:literal;)*) => { $(pub const $constant: HeaderName = HeaderName::from_static($text);)* };
    }
    names! {
        AMZN_ERRORTYPE = "x-amzn-errortype";
        AMZN_REQUEST_ID = "x-amzn-requestid";
        ANTHROPIC_BETA = "anthropic-beta";
        ANTHROPIC_VERSION = "anthropic-version";
        API_KEY = "api-key";
        READ_TIMEOUT = "x-stainless-read-timeout";
        REQUEST_ID = "request-id";
        TIMEOUT = "x-stainless-timeout";
        TRACEPARENT = "traceparent";
        X_API_KEY = "x-api-key";
        X_FERN_SDK_NAME = "x-fern-sdk-name";
        X_GOOG_API_KEY = "x-goog-api-key";
        X_REQUEST_ID = "x-request-id";
        OUR_ADAPTED = "x-outrigger-adapted";
        OUR_ATTEMPTS = "x-outrigger-attempts";
        OUR_COST = "x-outrigger-cost-usd";
        OUR_DECISION = "x-outrigger-decision";
        OUR_ESTIMATED = "x-outrigger-estimated";
        OUR_MODEL = "x-outrigger-model";
        OUR_PROVIDER = "x-outrigger-provider";
        OUR_RULE = "x-outrigger-rule";
    }
}

/// Whether a request has headers for the gateway itself. Few have, and then none need be looked up.
pub fn has_gateway_headers(headers: &HeaderMap) -> bool {
    headers.keys().any(|name| name.as_str().starts_with("x-outrigger-") || name.as_str().starts_with("x-bf-"))
}

/// Whether a header may contain a credential of the caller.
pub fn is_credential(name: &str) -> bool {
    table::is_hidden(name)
}

/// The prefix of headers that the caller adds to the upstream's request.
const EXTRA: &str = "x-bf-eh-";

/// The caller's headers for an upstream of the same dialect.
pub fn request_headers(from: &HeaderMap) -> HeaderMap {
    let mut to = HeaderMap::with_capacity(from.len() + 4);
    let named = connection_headers(from);
    let mut extras = false;
    for (name, value) in from {
        let text = name.as_str();
        if table::up(text) == HeaderAction::Forward && !is_named(&named, text) {
            to.append(name.clone(), value.clone());
        } else {
            extras |= text.starts_with(EXTRA);
        }
    }
    if extras {
        add_extras(from, &mut to);
    }
    to
}

/// Adds the headers that the caller names with the prefix. They replace those of its client, follow the same table, and
/// cannot change the content type.
fn add_extras(from: &HeaderMap, to: &mut HeaderMap) {
    for (name, value) in from {
        if let Some(extra) = name.as_str().strip_prefix(EXTRA)
            && table::up(extra) == HeaderAction::Forward
            && *extra != *CONTENT_TYPE.as_str()
            && let Ok(name) = extra.parse::<HeaderName>()
        {
            to.insert(name, value.clone());
        }
    }
}

/// The caller's headers for an upstream of another dialect.
pub fn translated_request_headers(from: &HeaderMap) -> HeaderMap {
    let mut to = HeaderMap::with_capacity(8);
    for name in table::up_across() {
        if let Some(value) = from.get(name) {
            to.insert(HeaderName::from_static(name), value.clone());
        }
    }
    to
}

/// An upstream's headers for a caller of the same dialect. Rate limits describe a credential, so they are passed on
/// only if the caller has no other credential.
pub fn answer_headers(from: &HeaderMap, single_credential: bool) -> HeaderMap {
    let mut to = HeaderMap::with_capacity(from.len() + 8);
    let named = connection_headers(from);
    for (name, value) in from {
        let passes = match table::down(name.as_str()) {
            HeaderAction::Forward => true,
            HeaderAction::ForwardIfOnlyCredential => single_credential,
            HeaderAction::Drop => false,
        };
        if passes && !is_named(&named, name.as_str()) {
            to.append(name.clone(), value.clone());
        }
    }
    to
}

/// The header names that `Connection` declares as hop-by-hop.
fn connection_headers(from: &HeaderMap) -> Vec<&str> {
    let all = from.get_all(http::header::CONNECTION).iter().filter_map(|value| value.to_str().ok());
    // Most requests contain this and nothing else.
    let others = all.filter(|value| !value.eq_ignore_ascii_case("keep-alive"));
    others.flat_map(|value| value.split(',')).map(str::trim).collect()
}

fn is_named(named: &[&str], name: &str) -> bool {
    named.iter().any(|hop| hop.eq_ignore_ascii_case(name))
}

/// Sets a header. A value that is no valid header value is left out.
pub fn set(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
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
    fn credentials_of_the_caller_stay_here() {
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
        assert_eq!(names(&request_headers(&from)), ["anthropic-beta", "traceparent", "user-agent", "x-custom"]);
        assert_eq!(names(&translated_request_headers(&from)), ["traceparent"]);
    }

    #[test]
    fn rate_limits_are_passed_on_only_for_a_single_credential() {
        let from = map(&[
            ("x-ratelimit-remaining-requests", "1"),
            ("anthropic-ratelimit-tokens-limit", "1"),
            ("set-cookie", "c"),
            ("retry-after", "1"),
            ("request-id", "r"),
        ]);
        assert_eq!(names(&answer_headers(&from, false)), ["request-id", "retry-after"]);
        assert_eq!(answer_headers(&from, true).len(), 4);
    }

    /// Only the effect is tested here. The table has tests of its own.
    #[test]
    fn an_extra_header_follows_the_table_and_replaces_the_clients_own() {
        let from = map(&[
            ("user-agent", "sdk"),
            ("content-type", "application/json"),
            ("x-bf-eh-user-agent", "mine"),
            ("x-bf-eh-x-goog-fieldmask", "candidates"),
            ("x-bf-eh-x_goog_fieldmask", "candidates"),
            ("x-bf-eh-x-http-method-override", "DELETE"),
            ("x-bf-eh-host", "evil.example"),
            ("x-bf-eh-transfer-encoding", "chunked"),
            ("x-bf-eh-content-type", "text/plain"),
            ("x-bf-eh-x-outrigger-hop", "1"),
            ("x-bf-eh-x-bf-eh-authorization", "Bearer smuggled"),
            ("x-bf-eh-x-feature", "on"),
        ]);
        let sent = request_headers(&from);
        assert_eq!(names(&sent), ["content-type", "user-agent", "x-feature"]);
        assert_eq!(
            (sent["user-agent"].as_bytes(), sent["content-type"].as_bytes()),
            (&b"mine"[..], &b"application/json"[..])
        );
    }
}
