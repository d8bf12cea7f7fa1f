//! Finds the VirtualKey of a request.

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName};
use outrigger_core::RefusalKind;
use outrigger_policy::{KeyIndex, Policy};

use crate::request::headers::{has_gateway_headers, name};
use crate::request::query::Query;
use crate::request::refusal::Refusal;

/// Headers that name a key explicitly: the name must be valid.
const KEY_HEADERS: [&str; 2] = ["x-outrigger-key", "x-bf-vk"];

/// The key of a caller, and the field that named it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Index in [`Policy::keys`].
    pub key: KeyIndex,
    /// A header, or `?key=`; `None` for the default key.
    pub by: Option<&'static str>,
}

/// Finds the caller's key, and checks that it may be used with this service account.
///
/// # Errors
/// As [`caller`]; also if the key is suspended, has expired, or is for other service accounts.
pub fn identify(
    policy: &Policy,
    headers: &HeaderMap,
    query: &Query,
    service_account: Option<&str>,
    now: i64,
) -> Result<KeyIndex, Refusal> {
    let caller = caller(policy, headers, query)?;
    check_usable(policy, caller.key, service_account, now)
}

/// Finds the caller's key.
///
/// A key that is named explicitly must be bound. The field for an SDK's API key may contain anything, since SDKs must
/// send something. Otherwise the default key applies.
///
/// # Errors
/// There is no such key, or a key must be named.
pub fn caller(policy: &Policy, headers: &HeaderMap, query: &Query) -> Result<Caller, Refusal> {
    let named = if has_gateway_headers(headers) { &KEY_HEADERS[..] } else { &[] };
    for &name in named {
        let Some(value) = headers.get(name) else { continue };
        let value = value.to_str().unwrap_or_default().trim();
        let index = policy.key_named(value).or_else(|| policy.key_of_token(value)).ok_or_else(|| {
            Refusal::new(
                RefusalKind::VirtualKeyBlocked,
                format!("`{name}` does not name a VirtualKey that is bound here{}", available_keys(policy)),
            )
        })?;
        return Ok(Caller { key: index, by: Some(name) });
    }
    for (by, value) in sdk_keys(headers, query) {
        if let Some(key) = policy.key_named(&value).or_else(|| policy.key_of_token(&value)) {
            return Ok(Caller { key, by: Some(by) });
        }
    }
    match policy.default_key {
        Some(key) if policy.keys[key].must_be_named => Err(Refusal::new(
            RefusalKind::VirtualKeyRequired,
            format!(
                "VirtualKey {} is only for callers that name it (spec.withoutKey: Refuse): send its token, or its name, in \
                 `x-outrigger-key` or as the SDK's API key",
                policy.keys[key].id
            ),
        )),
        Some(key) => Ok(Caller { key, by: None }),
        None if policy.keys.iter().all(|key| key.keyless) => Err(Refusal::new(
            RefusalKind::VirtualKeyRequired,
            format!("no existing VirtualKey is bound here{}", available_keys(policy)),
        )),
        None => Err(Refusal::new(
            RefusalKind::VirtualKeyRequired,
            format!(
                "several VirtualKeys are bound here and none is the default: name one in `x-outrigger-key` or as \
                 the SDK's API key{}",
                available_keys(policy)
            ),
        )),
    }
}

/// The API keys that SDKs send, in the order in which they are tried.
fn sdk_keys(headers: &HeaderMap, query: &Query) -> impl Iterator<Item = (&'static str, String)> {
    let header = |name: HeaderName| headers.get(&name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let authorization = header(AUTHORIZATION).and_then(|value| {
        let (scheme, rest) = value.split_once(' ')?;
        match scheme {
            _ if scheme.eq_ignore_ascii_case("bearer") => Some(rest.trim().to_owned()),
            // Credential=ACCESSKEYID/20261122/eu-west-1/…: the id is a name like any other.
            "AWS4-HMAC-SHA256" => {
                let credential = rest.split("Credential=").nth(1)?;
                credential.split('/').next().map(str::to_owned)
            }
            _ => None,
        }
    });
    let all = [
        ("authorization", authorization),
        ("x-api-key", header(name::X_API_KEY)),
        ("x-goog-api-key", header(name::X_GOOG_API_KEY)),
        ("api-key", header(name::API_KEY)),
        ("?key=", query.key().map(str::to_owned)),
    ];
    all.into_iter().filter_map(|(by, value)| Some((by, value?)))
}

fn check_usable(
    policy: &Policy,
    index: KeyIndex,
    service_account: Option<&str>,
    now: i64,
) -> Result<KeyIndex, Refusal> {
    let key = &policy.keys[index];
    let blocked = |why: &str| Refusal::new(RefusalKind::VirtualKeyBlocked, format!("VirtualKey {} {why}", key.id));
    if key.suspended {
        return Err(blocked("is suspended (spec.suspended)"));
    }
    if key.expires_at.is_some_and(|at| at <= now) {
        return Err(blocked("has expired (spec.expiresAt)"));
    }
    // Outside of a cluster, there is no service account to check.
    if let (Some(accounts), Some(own)) = (&key.service_accounts, service_account)
        && !accounts.iter().any(|account| account == own)
    {
        return Err(blocked(&match own {
            "" => {
                "is for certain service accounts (spec.allowedWorkloads), and this gateway does not know its own: recreate the pod"
                    .to_owned()
            }
            _ => format!("is not for service account `{own}` (spec.allowedWorkloads)"),
        }));
    }
    Ok(index)
}

fn available_keys(policy: &Policy) -> String {
    let names: Vec<String> = policy.keys.iter().filter(|key| !key.keyless).map(|key| key.id.name.clone()).collect();
    match (names.as_slice(), policy.document.others.keys.as_slice()) {
        ([], []) => "; there is none".to_owned(),
        ([], others) => format!("; its namespace has {}", others.join(", ")),
        (names, _) => format!("; there are {}", names.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderName;
    use outrigger_policy::{Document, FORMAT, KeyDoc, OthersDoc};

    use super::*;

    fn key(name: &str) -> KeyDoc {
        KeyDoc { namespace: "apps".to_owned(), name: name.to_owned(), extra_fields: true, ..KeyDoc::default() }
    }

    #[test]
    fn finds_the_key_in_what_sdks_send() {
        let aliased = KeyDoc {
            // sha256("token-of-old")
            aliases: vec!["9f5d6d1f2b8d3c4e".to_owned()],
            ..key("aliased")
        };
        let document = Document {
            format: FORMAT,
            keys: vec![
                key("search"),
                key("batch"),
                KeyDoc { suspended: true, ..key("old") },
                KeyDoc { expires_at: Some(100), ..key("trial") },
                aliased,
            ],
            default_key: Some("apps/batch".to_owned()),
            ..Document::default()
        };
        let policy = Policy::build(document.clone()).unwrap();
        for (headers, query, expected) in [
            (vec![("x-outrigger-key", "search")], "", Ok("search")),
            (vec![("x-outrigger-key", "apps/search")], "", Ok("search")),
            (vec![("x-outrigger-key", "nobody")], "", Err(403)),
            (vec![("x-bf-vk", "vk-search")], "", Ok("search")),
            (vec![("x-outrigger-key", "search"), ("authorization", "Bearer batch")], "", Ok("search")),
            (vec![("authorization", "Bearer search")], "", Ok("search")),
            (vec![("authorization", "bearer vk-search")], "", Ok("search")),
            (vec![("authorization", "Bearer sk-dummy")], "", Ok("batch")),
            (vec![("authorization", "Basic search")], "", Ok("batch")),
            (vec![("x-api-key", "search")], "", Ok("search")),
            (vec![("x-goog-api-key", "search")], "", Ok("search")),
            (vec![("api-key", "search")], "", Ok("search")),
            (vec![], "alt=sse&key=search", Ok("search")),
            (vec![], "k%65y=s%65arch", Ok("search")),
            (vec![("authorization", "AWS4-HMAC-SHA256 Credential=search/2026/x, SignedHeaders=a")], "", Ok("search")),
            (vec![], "", Ok("batch")),
            (vec![("authorization", "Bearer old")], "", Err(403)),
            (vec![("x-api-key", "trial")], "", Err(403)),
        ] {
            let map: HeaderMap =
                headers.iter().map(|(n, v)| (HeaderName::from_static(n), v.parse().unwrap())).collect();
            let found = identify(&policy, &map, &Query::parse(query), Some("app"), 100);
            let found = found.as_ref().map(|index| policy.keys[*index].id.name.as_str()).map_err(|r| r.status);
            assert_eq!(found, expected, "{headers:?} {query}");
        }
        let keyless = Policy::build(Document { default_key: None, ..document }).unwrap();
        let refusal = identify(&keyless, &HeaderMap::new(), &Query::default(), None, 0).unwrap_err();
        assert_eq!((refusal.status, refusal.kind.name()), (401, "virtual_key_required"));
        assert!(refusal.message.contains("search, batch"), "{}", refusal.message);
        let others = OthersDoc { keys: vec!["search".to_owned(), "batch".to_owned()], ..OthersDoc::default() };
        let unbound = Policy::build(Document { format: FORMAT, others, ..Document::default() }).unwrap();
        let refusal = identify(&unbound, &HeaderMap::new(), &Query::default(), None, 0).unwrap_err();
        assert_eq!((refusal.status, refusal.kind.name()), (401, "virtual_key_required"));
        assert_eq!(refusal.message, "no existing VirtualKey is bound here; its namespace has search, batch");
    }

    /// Callers that do not name such a key cannot use it, even if it is the only one.
    #[test]
    fn a_key_may_require_that_callers_name_it() {
        let document = Document {
            format: FORMAT,
            keys: vec![KeyDoc { must_be_named: true, ..key("search") }],
            default_key: Some("apps/search".to_owned()),
            ..Document::default()
        };
        let policy = Policy::build(document).unwrap();
        let identified = |value: Option<&str>| {
            let headers =
                value.iter().map(|value| (http::header::AUTHORIZATION, format!("Bearer {value}").parse().unwrap()));
            identify(&policy, &headers.collect(), &Query::default(), None, 0)
                .map_err(|refusal| (refusal.status, refusal.kind.name()))
        };
        assert_eq!(identified(None), Err((401, "virtual_key_required")));
        assert_eq!(identified(Some("sk-dummy")), Err((401, "virtual_key_required")));
        assert_eq!(identified(Some("search")), Ok(KeyIndex::from(0)));
    }

    /// The operator withholds the credentials from other pods. This protects providers without credentials.
    #[test]
    fn a_key_may_be_for_certain_service_accounts_only() {
        let key = KeyDoc { service_accounts: Some(vec!["crawler".to_owned()]), ..key("search") };
        let document = Document {
            format: FORMAT,
            keys: vec![key],
            default_key: Some("apps/search".to_owned()),
            ..Document::default()
        };
        let policy = Policy::build(document).unwrap();
        let identified = |own| {
            identify(&policy, &HeaderMap::new(), &Query::default(), own, 0)
                .map_err(|refusal| (refusal.status, refusal.kind.name()))
        };
        assert_eq!(identified(Some("crawler")), Ok(KeyIndex::from(0)));
        assert_eq!(identified(None), Ok(KeyIndex::from(0)), "outside of a cluster");
        for own in ["app", ""] {
            assert_eq!(identified(Some(own)), Err((403, "virtual_key_blocked")), "{own}");
        }
    }
}
