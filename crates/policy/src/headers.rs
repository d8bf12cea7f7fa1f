//! Which headers are forwarded between a caller and a provider, in each direction. The gateway and the rules use the
//! same table.
//!
//! Between a caller and a provider of the same dialect every header without a row is forwarded, including unknown ones.
//! Between dialects only headers with a row that allows it are forwarded.

/// What happens to a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderFate {
    Passes,
    Dropped,
    /// Forwarded only if it concerns no one but the caller: if no other credential could have been used.
    OfOneCredential,
}

/// A group of headers with the same purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    Credential,
    Ours,
    Account,
    Hop,
    Message,
    Proxy,
    Browser,
    Page,
    Override,
    Google,
    Cloud,
    Trace,
    Baggage,
    RateLimit,
    Server,
    Kept,
}

use Group::{
    Account, Baggage, Browser, Cloud, Credential, Google, Hop, Kept, Message, Ours, Override, Page, Proxy, RateLimit,
    Server, Trace,
};
use HeaderFate::{Dropped, OfOneCredential, Passes};

/// The row of a group.
#[derive(Clone, Copy, Debug)]
pub struct HeaderRule {
    pub group: Group,
    /// In lower case. `name*` stands for every name that begins so, `*name` for every name that ends so and has no row
    /// of its own.
    pub names: &'static [&'static str],
    /// Towards a provider of the caller's dialect.
    pub up: HeaderFate,
    /// Towards a provider of another dialect.
    pub across: HeaderFate,
    /// Back from a provider of the caller's dialect. Nothing is forwarded back from another dialect.
    pub down: HeaderFate,
    /// Whether it is hidden from rules.
    pub hidden: bool,
    /// The reason, in words for the documentation.
    pub why: &'static str,
}

const fn both_ways(group: Group, names: &'static [&'static str], why: &'static str) -> HeaderRule {
    HeaderRule { group, names, up: Dropped, across: Dropped, down: Dropped, hidden: false, why }
}

/// Not forwarded to the provider; not secret in an answer.
const fn only_up(group: Group, names: &'static [&'static str], why: &'static str) -> HeaderRule {
    HeaderRule { down: Passes, ..both_ways(group, names, why) }
}

/// All rows. A row for an exact name takes precedence over one for a prefix or suffix.
pub const TABLE: &[HeaderRule] = &[
    HeaderRule {
        hidden: true,
        ..both_ways(
            Credential,
            &[
                "authorization",
                "proxy-authorization",
                "authentication-info",
                "proxy-authentication-info",
                "www-authenticate",
                "x-authorization",
                "x-api-key",
                "x-api-token",
                "x-apikey",
                "api-key",
                "apikey",
                "x-auth-token",
                "x-auth-key",
                "x-access-token",
                "x-id-token",
                "x-goog-api-key",
                "x-goog-iam-*",
                "x-amz-security*",
                "x-ms-authorization*",
                "x-ms-token*",
                "ocp-apim-subscription-key",
                "anthropic-api-key",
                "openai-api-key",
                "cf-access-*",
                "cf-aig-authorization",
                "x-csrf-token",
                "x-xsrf-token",
                "cookie*",
                "set-cookie*",
            ],
            "The caller's own credentials, and the provider's cookies. The gateway sets the provider's credential.",
        )
    },
    HeaderRule {
        hidden: true,
        ..both_ways(
            Credential,
            &[
                "*-api-key",
                "*-apikey",
                "*-auth",
                "*-authorization",
                "*-credential",
                "*-credentials",
                "*-jwt",
                "*-password",
                "*-secret",
                "*-subscription-key",
                "*-token",
            ],
            "By their names somebody's credentials. The provider object names those that its provider needs.",
        )
    },
    HeaderRule {
        hidden: true,
        ..both_ways(
            Ours,
            &["x-outrigger-*", "x-bf-*"],
            "Messages to and from the gateway. `x-bf-eh-NAME` goes up as `NAME`, by NAME's own row.",
        )
    },
    both_ways(
        Account,
        &[
            "openai-organization",
            "openai-project",
            "anthropic-organization-id",
            "anthropic-workspace-id",
            "x-goog-user-project",
            "x-goog-quota-user",
        ],
        "The provider object says whose account is billed.",
    ),
    both_ways(
        Hop,
        &[
            "connection",
            "keep-alive",
            "proxy-connection",
            "proxy-authenticate",
            "te",
            "trailer",
            "transfer-encoding",
            "upgrade",
            "http2-settings",
        ],
        "About one connection, as is every header that `connection` names.",
    ),
    only_up(
        Message,
        &["host", "expect", "accept-encoding", "signature", "signature-input"],
        "Set anew: the gateway sends another message than the caller did.",
    ),
    both_ways(
        Message,
        &["content-length", "content-encoding", "content-md5", "content-digest", "repr-digest", "digest"],
        "About the body's bytes, which the gateway may edit.",
    ),
    only_up(
        Proxy,
        &[
            "forwarded",
            "via",
            "x-forwarded*",
            "x-real-ip",
            "x-client-ip",
            "x-cluster-client-ip",
            "x-original-forwarded-for",
            "x-envoy-*",
            "x-istio-*",
            "l5d-*",
            "x-amzn-*",
            "x-azure-*",
            "x-arr-*",
            "x-appengine-*",
            "x-cloud-trace-context",
            "true-client-ip",
            "fastly-*",
            "cdn-loop",
            "cf-connecting-*",
            "cf-ipcountry",
            "cf-visitor",
            "cf-worker",
            "cf-ew-via",
        ],
        "What proxies say about the caller's network. A request with one of these can't read `/policy` and `/decisions`.",
    ),
    both_ways(
        Browser,
        &[
            "origin",
            "referer",
            "sec-*",
            "access-control-*",
            "dnt",
            "upgrade-insecure-requests",
            "alt-used",
            "save-data",
            "purpose",
            "x-requested-with",
            "service-worker*",
        ],
        "Between a browser and this gateway. The gateway decides what a page may read.",
    ),
    HeaderRule {
        up: Passes,
        ..both_ways(
            Page,
            &[
                "alt-svc",
                "strict-transport-security",
                "content-security-policy*",
                "cross-origin-*",
                "permissions-policy*",
                "feature-policy",
                "document-policy*",
                "referrer-policy",
                "clear-site-data",
                "refresh",
                "nel",
                "report-to",
                "reporting-endpoints",
                "expect-ct",
                "public-key-pins*",
                "origin-agent-cluster",
                "speculation-rules",
                "supports-loading-mode",
                "timing-allow-origin",
                "accept-ch*",
                "critical-ch",
                "sourcemap",
                "x-sourcemap",
                "x-frame-options",
                "x-xss-protection",
                "x-permitted-cross-domain-policies",
            ],
            "Orders to a browser about the provider's site. The browser would apply them to this one.",
        )
    },
    only_up(
        Override,
        &[
            "x-http-method-override",
            "x-method-override",
            "x-http-method",
            "x-original-method",
            "x-original-url",
            "x-original-uri",
            "x-original-host",
            "x-rewrite-url",
            "x-rewrite-uri",
            "x-override-*",
            "x-host",
            "x-http-host-override",
            "x-waws-unencoded-url",
            "range",
            "if-range",
            "if-match",
            "if-none-match",
            "if-modified-since",
            "if-unmodified-since",
            "prefer",
        ],
        "Would turn the request into another one than was decided and is charged, or cut its answer.",
    ),
    HeaderRule {
        up: Passes,
        ..both_ways(Kept, &["x-goog-api-client"], "Which SDK calls; the rest of `x-goog-*` are system parameters.")
    },
    only_up(
        Google,
        &["x-goog-*", "x-vertex-*"],
        "Google's system parameters: they remove the usage from the answer, or change who is billed.",
    ),
    only_up(Cloud, &["x-amz-*", "x-ms-*"], "Signatures, and messages to a cloud about its account."),
    HeaderRule {
        across: Passes,
        up: Passes,
        ..both_ways(Trace, &["traceparent", "tracestate"], "The caller's trace goes on.")
    },
    both_ways(Baggage, &["baggage"], "May hold anything that the application knows about its users."),
    HeaderRule {
        up: Passes,
        down: OfOneCredential,
        ..both_ways(
            RateLimit,
            &[
                "x-ratelimit-*",
                "x-rate-limit-*",
                "ratelimit",
                "ratelimit-*",
                "anthropic-ratelimit-*",
                "anthropic-priority-*",
                "anthropic-fast-*",
            ],
            "About one credential: passes down only if that one alone can serve the key.",
        )
    },
    HeaderRule { up: Passes, ..both_ways(Server, &["date"], "From the provider's clock; the gateway sends its own.") },
];

/// The row of a header, by its name in lower case; `None` if it has none. An exact name takes precedence over a prefix,
/// and a prefix over a suffix. An underscore matches a hyphen, as in some servers.
#[must_use]
pub fn row(name: &str) -> Option<&'static HeaderRule> {
    let name = name.as_bytes();
    let row = BEGINNINGS.on(beginning(name), name).or_else(|| ENDS.on(end(name), name))?;
    TABLE.get(row)
}

fn matches(known: &[u8], name: &[u8]) -> bool {
    let (known, name) = match known {
        [family @ .., b'*'] => (family, name.get(..family.len()).unwrap_or_default()),
        [b'*', family @ ..] => (family, name.get(name.len().saturating_sub(family.len())..).unwrap_or_default()),
        _ => (known, name),
    };
    let same = |(known, letter): (&u8, &u8)| known == letter || (*known == b'-' && *letter == b'_');
    known.len() == name.len() && known.iter().zip(name).all(same)
}

/// Names are grouped in buckets by a letter: a request has a dozen headers, and each is compared with a few names
/// instead of all.
const SHELVES: usize = 64;

/// By the first letter, or the one after `x-`.
const fn beginning(name: &[u8]) -> usize {
    match name {
        [b'x', b'-' | b'_', letter, ..] => 32 + (*letter & 31) as usize,
        [letter, ..] => (*letter & 31) as usize,
        [] => 0,
    }
}

/// By the last letter.
const fn end(name: &[u8]) -> usize {
    match name {
        [.., letter] => (*letter & 31) as usize,
        [] => 0,
    }
}

const fn is_end(name: &[u8]) -> bool {
    matches!(name, [b'*', ..])
}

/// How many names of the table are suffixes, or are not.
const fn count(ends: bool) -> usize {
    let (mut names, mut row) = (0, 0);
    while row < TABLE.len() {
        let mut name = 0;
        while name < TABLE[row].names.len() {
            names += (is_end(TABLE[row].names[name].as_bytes()) == ends) as usize;
            name += 1;
        }
        row += 1;
    }
    names
}

/// Names of the table ordered by bucket, each bucket in the table's order, with the indexes of their rows.
struct Index<const N: usize> {
    names: [(&'static str, usize); N],
    /// Where each bucket starts, and where the last one ends.
    starts: [usize; SHELVES + 1],
}

impl<const N: usize> Index<N> {
    /// The row of a name that belongs in this bucket.
    fn on(&self, shelf: usize, name: &[u8]) -> Option<usize> {
        let mut known = self.names[self.starts[shelf]..self.starts[shelf + 1]].iter();
        known.find(|(known, _)| matches(known.as_bytes(), name)).map(|(_, row)| *row)
    }

    const fn of(ends: bool) -> Self {
        let mut index = Index { names: [("", 0); N], starts: [0; SHELVES + 1] };
        let (mut at, mut wanted) = (0, 0);
        while wanted < SHELVES {
            let mut row = 0;
            while row < TABLE.len() {
                let mut place = 0;
                while place < TABLE[row].names.len() {
                    let name = TABLE[row].names[place].as_bytes();
                    let shelf = if ends { end(name) } else { beginning(name) };
                    if is_end(name) == ends && shelf == wanted {
                        index.names[at] = (TABLE[row].names[place], row);
                        at += 1;
                    }
                    place += 1;
                }
                row += 1;
            }
            wanted += 1;
            index.starts[wanted] = at;
        }
        index
    }
}

static BEGINNINGS: Index<{ count(false) }> = Index::of(false);
static ENDS: Index<{ count(true) }> = Index::of(true);

/// What happens to a caller's header towards a provider of the caller's dialect.
#[must_use]
pub fn up(name: &str) -> HeaderFate {
    row(name).map_or(Passes, |row| row.up)
}

/// The names of the caller's headers that are forwarded to a provider of another dialect.
pub fn up_across() -> impl Iterator<Item = &'static str> {
    TABLE.iter().filter(|row| row.across == Passes).flat_map(|row| row.names.iter().copied())
}

/// What happens to a provider's header towards a caller of its dialect.
#[must_use]
pub fn down(name: &str) -> HeaderFate {
    row(name).map_or(Passes, |row| row.down)
}

/// Whether a header is hidden from rules, because callers put credentials in it.
#[must_use]
pub fn is_hidden(name: &str) -> bool {
    row(name).is_some_and(|row| row.hidden)
}

/// Whether a header shows that a proxy forwarded the request.
#[must_use]
pub fn is_of_a_proxy(name: &str) -> bool {
    row(name).is_some_and(|row| row.group == Proxy)
}
