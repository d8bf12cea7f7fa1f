//! The table of headers.

use super::{Group, HeaderAction, HeaderRule};
use Group::{
    Account, Baggage, Browser, Cloud, Credential, Google, Hop, Kept, Message, Ours, Override, Page, Proxy, RateLimit,
    Server, Trace,
};
use HeaderAction::{Drop, Forward, ForwardIfOnlyCredential};

const fn both_ways(group: Group, names: &'static [&'static str], why: &'static str) -> HeaderRule {
    HeaderRule { group, names, up: Drop, across: Drop, down: Drop, hidden: false, why }
}

/// Not forwarded to the provider; not secret in an answer.
const fn only_up(group: Group, names: &'static [&'static str], why: &'static str) -> HeaderRule {
    HeaderRule { down: Forward, ..both_ways(group, names, why) }
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
            "Their names suggest credentials. The provider object names those that its provider needs.",
        )
    },
    HeaderRule {
        hidden: true,
        ..both_ways(
            Ours,
            &["x-outrigger-*", "x-bf-*"],
            "Messages to and from the gateway. `x-bf-eh-NAME` is forwarded as `NAME`, by the row of `NAME`.",
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
        "Set by the gateway, because it sends a message of its own.",
    ),
    both_ways(
        Message,
        &["content-length", "content-encoding", "content-md5", "content-digest", "repr-digest", "digest"],
        "About the body's bytes, which the gateway may change.",
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
        up: Forward,
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
        "Would change the request after it was decided and priced, or shorten its answer.",
    ),
    HeaderRule {
        up: Forward,
        ..both_ways(Kept, &["x-goog-api-client"], "Which SDK calls; the rest of `x-goog-*` are system parameters.")
    },
    only_up(
        Google,
        &["x-goog-*", "x-vertex-*"],
        "Google's system parameters: they remove the usage from the answer, or change who is billed.",
    ),
    only_up(Cloud, &["x-amz-*", "x-ms-*"], "Signatures, and messages to a cloud about its account."),
    HeaderRule {
        across: Forward,
        up: Forward,
        ..both_ways(Trace, &["traceparent", "tracestate"], "The caller's trace continues.")
    },
    both_ways(Baggage, &["baggage"], "May hold anything that the application knows about its users."),
    HeaderRule {
        up: Forward,
        down: ForwardIfOnlyCredential,
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
            "About one credential: forwarded to the caller only if no other credential can serve the key.",
        )
    },
    HeaderRule { up: Forward, ..both_ways(Server, &["date"], "From the provider's clock; the gateway sends its own.") },
];
