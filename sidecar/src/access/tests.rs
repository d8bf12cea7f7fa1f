use http::HeaderMap;

use super::*;

const LOOPBACK: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
const OTHER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 5));

fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in pairs {
        map.append(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    map
}

/// `in`, `page`, `preflight`, or the type of the refusal.
fn admitted(access: &Access, method: &str, uri: &str, map: &HeaderMap, at: IpAddr) -> &'static str {
    match access.admit(&method.parse().unwrap(), &uri.parse().unwrap(), map, at) {
        Admitted::NoPage => "in",
        Admitted::Page(_) => "page",
        Admitted::Preflight(_) => "preflight",
        Admitted::Refused(refusal) => {
            assert_eq!(refusal.status, if refusal.kind.name() == "invalid_request" { 400 } else { 403 });
            refusal.kind.name()
        }
    }
}

#[test]
fn admits_pages_by_origin_and_requests_by_host_name() {
    const EVIL: &str = "https://evil.example";
    const APP: &str = "http://localhost:3000";
    let access = Access::new(&[APP], &["gateway.internal"]).unwrap();
    for (method, uri, map, expected) in [
        ("POST", "/v1/messages", vec![], "in"),
        ("POST", "/v1/messages", vec![("host", "localhost:4180")], "in"),
        ("POST", "/v1/messages", vec![("host", "gateway.internal:4180")], "in"),
        ("POST", "/v1/messages", vec![("host", "evil.example")], "host_blocked"),
        ("POST", "/v1/messages", vec![("host", "")], "invalid_request"),
        ("POST", "/v1/messages", vec![("host", "b\u{fc}")], "invalid_request"),
        ("POST", "/v1/messages", vec![("host", "a@localhost")], "invalid_request"),
        ("POST", "http://a:b@localhost/v1/messages", vec![("host", "localhost")], "invalid_request"),
        ("POST", "/v1/messages", vec![("host", "localhost"), ("host", "evil.example")], "invalid_request"),
        ("POST", "http://evil.example/v1/messages", vec![("host", "localhost")], "host_blocked"),
        ("POST", "http://localhost/v1/messages", vec![("host", "evil.example")], "host_blocked"),
        ("POST", "http://localhost/v1/messages", vec![], "in"),
        // DNS rebinding: the browser takes the page for one of the gateway's own origin.
        ("GET", "/v1/models", vec![("host", "evil.example:4180"), ("sec-fetch-site", "same-origin")], "host_blocked"),
        ("POST", "/v1/messages", vec![("origin", EVIL)], "origin_blocked"),
        ("POST", "/v1/messages", vec![("origin", "null")], "origin_blocked"),
        ("POST", "/v1/messages", vec![("origin", "")], "origin_blocked"),
        (
            "POST",
            "/v1/messages",
            vec![("origin", "http://localhost:4180"), ("host", "localhost:4180")],
            "origin_blocked",
        ),
        ("POST", "/v1/messages", vec![("origin", "http://localhost:3001")], "origin_blocked"),
        ("POST", "/v1/messages", vec![("origin", APP), ("origin", EVIL)], "origin_blocked"),
        ("POST", "/v1/messages", vec![("origin", APP), ("origin", APP)], "origin_blocked"),
        ("POST", "/v1/messages", vec![("origin", APP)], "page"),
        ("POST", "/v1/messages", vec![("origin", APP), ("sec-fetch-site", "cross-site")], "page"),
        ("POST", "/v1/messages", vec![("origin", APP), ("host", "evil.example")], "host_blocked"),
        ("GET", "/v1/models", vec![("sec-fetch-site", "cross-site")], "origin_blocked"),
        ("GET", "/v1/models", vec![("sec-fetch-site", "same-site")], "origin_blocked"),
        ("GET", "/v1/models", vec![("sec-fetch-site", "anything")], "origin_blocked"),
        ("GET", "/v1/models", vec![("sec-fetch-site", "none"), ("sec-fetch-site", "cross-site")], "origin_blocked"),
        // A user who typed the address, and Node's own fetch.
        ("GET", "/v1/models", vec![("sec-fetch-site", "none"), ("sec-fetch-mode", "navigate")], "in"),
        ("POST", "/v1/messages", vec![("sec-fetch-mode", "cors")], "in"),
        ("OPTIONS", "/v1/messages", vec![("origin", APP), ("access-control-request-method", "POST")], "preflight"),
        (
            "OPTIONS",
            "/v1/messages",
            vec![("origin", EVIL), ("access-control-request-method", "POST")],
            "origin_blocked",
        ),
        ("OPTIONS", "/v1/messages", vec![("origin", APP)], "page"),
    ] {
        assert_eq!(admitted(&access, method, uri, &headers(&map), LOOPBACK), expected, "{method} {uri} {map:?}");
    }
}

#[test]
fn off_loopback_any_host_is_allowed_unless_hosts_are_configured() {
    let open = Access::default();
    let named = Access::new(&[] as &[&str], &["gateway.example"]).unwrap();
    for (host, by_default, by_name) in [
        ("anything.example", "in", "host_blocked"),
        ("gateway.example:4180", "in", "in"),
        ("10.0.0.5:4180", "in", "in"),
        ("10.0.0.6:4180", "in", "in"),
        ("localhost", "in", "in"),
    ] {
        let map = headers(&[("host", host)]);
        assert_eq!(admitted(&open, "POST", "/", &map, OTHER), by_default, "{host}");
        assert_eq!(admitted(&named, "POST", "/", &map, OTHER), by_name, "{host}");
    }
    let page = headers(&[("host", "10.0.0.5"), ("origin", "http://10.0.0.5")]);
    assert_eq!(admitted(&open, "POST", "/", &page, OTHER), "origin_blocked");
}

#[test]
fn answers_a_preflight_request_with_all_headers() {
    let access = Access::new(&["http://localhost:3000"], &[]).unwrap();
    let map = headers(&[
        ("origin", "http://localhost:3000"),
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", "authorization,content-type,x-stainless-lang"),
        ("access-control-request-private-network", "true"),
    ]);
    let Admitted::Preflight(response) = access.admit(&Method::OPTIONS, &Uri::from_static("/v1/x"), &map, LOOPBACK)
    else {
        panic!("no preflight")
    };
    let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok());
    assert_eq!(response.status(), 204);
    for (name, value) in [
        ("access-control-allow-origin", "http://localhost:3000"),
        ("access-control-allow-methods", "GET, HEAD, POST"),
        ("access-control-allow-headers", "authorization,content-type,x-stainless-lang"),
        ("access-control-allow-private-network", "true"),
        ("access-control-max-age", "600"),
    ] {
        assert_eq!(header(name), Some(value), "{name}");
    }
    assert!(header("vary").is_some_and(|vary| vary.starts_with("Origin")));
    assert_eq!(header("access-control-allow-credentials"), None, "no cookies are wanted");
}

#[test]
fn local_pages_are_refused_to_every_caller_that_may_be_remote() {
    const HERE: (&str, &str) = ("host", "127.0.0.1:4181");
    for (peer, map, allowed) in [
        ("127.0.0.1", vec![HERE], true),
        ("::1", vec![("host", "[::1]:4181")], true),
        ("::ffff:127.0.0.1", vec![HERE], true),
        ("127.0.0.1", vec![("host", "localhost.:4181"), ("sec-fetch-site", "none")], true),
        ("127.0.0.6", vec![HERE], false),
        ("127.0.0.2", vec![HERE], false),
        ("10.0.0.5", vec![HERE], false),
        ("127.0.0.1", vec![], false),
        ("127.0.0.1", vec![("host", "evil.example")], false),
        ("127.0.0.1", vec![("host", "10.0.0.5:4181")], false),
        ("127.0.0.1", vec![HERE, ("origin", "http://127.0.0.1:4181")], false),
        ("127.0.0.1", vec![HERE, ("origin", "null")], false),
        ("127.0.0.1", vec![HERE, ("sec-fetch-site", "cross-site")], false),
        ("127.0.0.1", vec![HERE, ("sec-fetch-site", "same-site")], false),
        ("127.0.0.1", vec![HERE, ("x-forwarded-for", "10.0.0.9")], false),
        ("127.0.0.1", vec![HERE, ("x-forwarded-proto", "http")], false),
        ("127.0.0.1", vec![HERE, ("forwarded", "for=10.0.0.9")], false),
        ("127.0.0.1", vec![HERE, ("via", "1.1 proxy")], false),
        ("127.0.0.1", vec![HERE, ("x-envoy-external-address", "10.0.0.9")], false),
        ("127.0.0.1", vec![HERE, ("x-real-ip", "10.0.0.9")], false),
        ("127.0.0.1", vec![HERE, ("l5d-client-id", "a.b")], false),
    ] {
        let uri = Uri::from_static("/policy");
        let why = why_not_local(&uri, &headers(&map), peer.parse().unwrap());
        assert_eq!(why.is_none(), allowed, "{peer} {map:?}: {why:?}");
    }
    let absolute = Uri::from_static("http://evil.example/policy");
    assert!(why_not_local(&absolute, &headers(&[HERE]), LOOPBACK).is_some());
}
