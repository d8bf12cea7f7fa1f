//! Which headers are forwarded: the whole table, similar names, and `docs/headers.md`, which is generated from it.
#![allow(clippy::unwrap_used, reason = "a test may panic, outside its own function as well")]

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use outrigger_policy::headers::{Group, HeaderAction, TABLE, down, is_hidden, is_of_a_proxy, row, up, up_across};

const HEAD: &str = "\
# Headers

Read this page if a header of your application does not reach the provider, or one of the provider
does not come back. Generated from the table in `crates/policy/src/headers/table.rs` by `make docs`; do
not edit it by hand.

- *Up*: to a provider of the caller's dialect.
- *Across*: to a provider of another dialect.
- *Down*: back from a provider of the caller's dialect. Nothing comes back from providers of other
  dialects.

A star stands for every name that begins like this, or that ends like this and has no row of its
own. `_` in a name is read as `-`.

**A header without a row passes up and down, and never across.** `x-bf-eh-NAME` goes up as `NAME` if
`NAME` may. Then the gateway sets its own headers: the provider's `headers` and credential, `host`,
`content-type`, `accept-encoding: identity` and, to endpoints that may be a gateway,
`x-outrigger-hop`. The header that names the session of a key (`limits.session.header`) goes to no
provider. The answer gets the headers in [semantics](semantics.md#headers). Rules see every header
that is not marked as hidden.

| names | up | across | down | why |
|---|---|---|---|---|
";

fn word(fate: HeaderAction) -> &'static str {
    match fate {
        HeaderAction::Forward => "passes",
        HeaderAction::Drop => "no",
        HeaderAction::ForwardIfOnlyCredential => "of one credential",
    }
}

#[test]
fn the_document_is_current() {
    let mut text = HEAD.to_owned();
    for row in TABLE {
        let names: Vec<String> = row.names.iter().map(|name| format!("`{name}`")).collect();
        let hidden = if row.hidden { " Hidden from rules." } else { "" };
        let fates = [row.up, row.across, row.down].map(word).join(" | ");
        writeln!(text, "| {} | {fates} | {}{hidden} |", names.join(", "), row.why).unwrap();
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/headers.md");
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&path, &text).unwrap();
    }
    assert!(fs::read_to_string(&path).unwrap_or_default() == text, "docs/headers.md is not current: run `make docs`");
}

/// Every name of the table finds its own row, in each spelling, and a prefix or suffix covers names that are not
/// listed.
#[test]
fn every_name_finds_its_own_row() {
    for expected in TABLE {
        for name in expected.names {
            let samples = match (name.strip_suffix('*'), name.strip_prefix('*')) {
                (Some(family), _) => vec![family.to_owned(), format!("{family}anything"), format!("{family}x-y")],
                (_, Some(end)) => vec![format!("x{end}"), format!("x-anything{end}"), format!("my-own{end}")],
                _ => vec![(*name).to_owned()],
            };
            for sample in samples.iter().flat_map(|sample| [sample.clone(), sample.replace('-', "_")]) {
                let found = row(&sample).unwrap_or_else(|| panic!("{sample} has no row"));
                assert_eq!(
                    (found.group, found.up, found.down),
                    (expected.group, expected.up, expected.down),
                    "{sample}"
                );
            }
        }
        assert!(expected.names.iter().all(|name| name.to_ascii_lowercase() == *name && !name.contains('_')));
    }
}

#[test]
fn names_are_unique() {
    let mut names: Vec<_> = TABLE.iter().flat_map(|row| row.names).collect();
    let all = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), all);
}

/// Listed a second time, by hand: headers that callers and web pages send.
#[test]
fn private_headers_are_not_forwarded_to_providers() {
    for name in [
        "authorization",
        "x-api-key",
        "x-goog-api-key",
        "api-key",
        "cookie",
        "cookie2",
        "proxy-authorization",
        "host",
        "connection",
        "transfer-encoding",
        "te",
        "upgrade",
        "content-length",
        "content-encoding",
        "origin",
        "referer",
        "sec-fetch-site",
        "sec-fetch-mode",
        "sec-ch-ua",
        "sec-websocket-key",
        "access-control-request-method",
        "dnt",
        "upgrade-insecure-requests",
        "alt-used",
        "forwarded",
        "x-forwarded-for",
        "x-forwarded",
        "x-real-ip",
        "via",
        "x-http-method-override",
        "x-method-override",
        "x-http-method",
        "x-original-url",
        "x-rewrite-url",
        "x-goog-fieldmask",
        "x-goog-user-project",
        "x-goog-iam-authorization-token",
        "x-goog-iam-authority-selector",
        "x-goog-anything",
        "x-amz-date",
        "x-amz-security-token",
        "x-ms-token-aad-access-token",
        "x-envoy-original-path",
        "x-outrigger-key",
        "x-outrigger-hop",
        "x-bf-vk",
        "x-bf-eh-x",
        "openai-organization",
        "openai-project",
        "anthropic-organization-id",
        "baggage",
        "x_api_key",
        "x_goog_fieldmask",
        "transfer_encoding",
        "x-vault-token",
        "x_vault_token",
        "private-token",
        "x-rapidapi-key-token",
        "x-litellm-api-key",
        "helicone-auth",
        "x-serverless-authorization",
        "x-original-authorization",
        "modal-secret",
        "range",
        "if-none-match",
        "prefer",
    ] {
        assert_eq!(up(name), HeaderAction::Drop, "{name}");
    }
    for name in [
        "user-agent",
        "accept",
        "content-type",
        "anthropic-beta",
        "anthropic-version",
        "openai-beta",
        "traceparent",
        "tracestate",
        "x-request-id",
        "x-client-request-id",
        "x-stainless-lang",
        "x-goog-api-client",
        "http-referer",
        "x-title",
        "idempotency-key",
        "x-server-timeout",
        "never-heard-of",
        "x-never-heard-of",
        "",
        // Similar to names that have a row.
        "token",
        "x-tokens",
        "x-token-limit",
        "x-session-key",
        "author",
        "x-api-keys",
        "cooki",
        "originator",
        "hostname",
        "security",
        "x-goo",
    ] {
        assert_eq!(up(name), HeaderAction::Forward, "{name}");
    }
}

#[test]
fn private_headers_are_not_forwarded_to_callers() {
    for name in [
        "access-control-allow-origin",
        "access-control-allow-credentials",
        "access-control-expose-headers",
        "set-cookie",
        "set-cookie2",
        "alt-svc",
        "strict-transport-security",
        "clear-site-data",
        "content-security-policy",
        "content-security-policy-report-only",
        "cross-origin-resource-policy",
        "refresh",
        "nel",
        "report-to",
        "www-authenticate",
        "connection",
        "transfer-encoding",
        "content-length",
        "content-encoding",
        "date",
        "openai-organization",
        "anthropic-organization-id",
        "x-outrigger-provider",
        "x-bf-x",
        "referrer-policy",
        "sec-websocket-accept",
        "baggage",
        "access_control_allow_origin",
    ] {
        assert_eq!(down(name), HeaderAction::Drop, "{name}");
    }
    for name in ["x-ratelimit-remaining-tokens", "anthropic-ratelimit-tokens-limit", "ratelimit", "ratelimit-policy"] {
        assert_eq!(down(name), HeaderAction::ForwardIfOnlyCredential, "{name}");
    }
    for name in [
        "content-type",
        "cache-control",
        "retry-after",
        "request-id",
        "x-request-id",
        "openai-processing-ms",
        "openai-model",
        "x-should-retry",
        "server",
        "cf-ray",
        "vary",
        "via",
        "x-envoy-upstream-service-time",
        "x-amzn-requestid",
        "x-ms-region",
        "never-heard-of",
    ] {
        assert_eq!(down(name), HeaderAction::Forward, "{name}");
    }
}

#[test]
fn across_dialects_only_trace_headers_are_forwarded() {
    assert_eq!(up_across().collect::<Vec<_>>(), ["traceparent", "tracestate"]);
}

#[test]
fn rules_read_all_headers_but_credentials() {
    for name in
        ["authorization", "x-api-key", "cookie", "x-amz-security-token", "x-outrigger-key", "x-bf-vk", "x_api_key"]
    {
        assert!(is_hidden(name), "{name}");
    }
    for name in ["user-agent", "x-tier", "origin", "x-forwarded-for", "x-amz-date", "baggage"] {
        assert!(!is_hidden(name), "{name}");
    }
}

#[test]
fn proxies_are_recognized_by_their_headers() {
    for row in TABLE {
        let first = row.names[0].replace('*', "x");
        let first = first.trim_end_matches('x');
        assert_eq!(is_of_a_proxy(first), row.group == Group::Proxy, "{first}");
    }
}
