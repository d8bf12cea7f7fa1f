//! The types of the gateway's own errors: one table for all crates.
//!
//! `outrigger_policy::PolicyRefusalKind` lists those that a decision can return. `outrigger_llm`'s `GatewayError` holds
//! only the name, because its mock providers use names of other APIs.

use std::cmp::Ordering;
use std::fmt;

use serde::{Serialize, Serializer};

/// What must happen before the same request may be served. Ordered by how soon it is expected, soonest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Recovery {
    /// Other requests end, or a failed component recovers.
    Soon,
    /// The window of a rate limit ends.
    Window,
    /// The period of a budget ends, or somebody changes the request, an object or the gateway.
    Change,
}

/// A row of the table.
struct Row {
    word: &'static str,
    status: u16,
    is_final: bool,
    recovery: Recovery,
    meaning: &'static str,
}

macro_rules! refusal_kinds {
    ($($name:ident = $word:literal, $status:literal, $final:ident, $recovery:ident, $meaning:literal;)+) => {
        /// Why the gateway does not serve a request.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum RefusalKind {
            $(#[doc = $meaning] $name,)+
        }

        impl RefusalKind {
            /// All kinds, in the order of `docs/semantics.md`, section 9.
            pub const ALL: &[RefusalKind] = &[$(RefusalKind::$name,)+];

            const fn row(self) -> Row {
                match self {
                    $(RefusalKind::$name => Row {
                        word: $word,
                        status: $status,
                        is_final: refusal_kinds!(@ $final),
                        recovery: Recovery::$recovery,
                        meaning: $meaning,
                    },)+
                }
            }
        }
    };
    (@ final) => { true };
    (@ retry) => { false };
}

// name = `type`, status, whether SDKs may retry, recovery, meaning.
refusal_kinds! {
    InvalidRequest = "invalid_request", 400, retry, Change,
        "the request can't be read, or is incomplete or contradictory; 408 if its body stopped coming, 415 if it is \
         compressed, the provider's status if the provider reports that";
    UnsupportedParameter = "unsupported_parameter", 400, retry, Change,
        "no candidate's API can express the request";
    VirtualKeyRequired = "virtual_key_required", 401, retry, Change,
        "the request names no VirtualKey, and none is the default";
    VirtualKeyBlocked = "virtual_key_blocked", 403, retry, Change,
        "the VirtualKey is not bound here, is suspended, has expired or belongs to others";
    CallerCredentialRequired = "caller_credential_required", 401, final, Change,
        "the provider is called with the caller's own credential, and the request has none for it";
    ProviderBlocked = "provider_blocked", 403, retry, Change,
        "the VirtualKey may not use the provider, or the provider is suspended";
    ModelBlocked = "model_blocked", 403, retry, Change,
        "a list of the VirtualKey, the provider or the credential excludes the model";
    ModelNotFound = "model_not_found", 404, retry, Change,
        "no provider serves the model";
    UnknownPath = "unknown_path", 404, final, Change,
        "the gateway does not serve this path";
    OriginBlocked = "origin_blocked", 403, final, Change,
        "the request comes from a web page whose origin is not allowed";
    HostBlocked = "host_blocked", 403, final, Change,
        "the request has a host name that is not the gateway's";
    RequestTooLarge = "request_too_large", 413, final, Change,
        "the request can never fit into the gateway's memory";
    RequestRejected = "request_rejected", 403, retry, Change,
        "a rule or a filter refuses the request";
    ModelUnpriced = "model_unpriced", 403, retry, Change,
        "a limit counts the request, and its cost or usage is unknown";
    BudgetExceeded = "budget_exceeded", 402, final, Change,
        "a limit in money, or a Budget, is spent";
    BudgetContended = "budget_contended", 429, retry, Soon,
        "the rest of a limit is reserved for requests in flight";
    BudgetUnavailable = "budget_unavailable", 503, retry, Soon,
        "what a limit counts can't be recorded or granted at present";
    RequestLimited = "request_limited", 429, retry, Window,
        "a limit of requests over time is used up";
    TokenLimited = "token_limited", 429, retry, Window,
        "a limit of tokens over time is used up";
    SessionBudgetExceeded = "session_budget_exceeded", 402, final, Change,
        "the money of the request's session is spent";
    SessionLimited = "session_limited", 429, final, Change,
        "the requests or tokens of the request's session are used up";
    RepeatedToolCall = "repeated_tool_call", 429, final, Change,
        "the conversation holds the same tool call more often than a session may";
    ConcurrencyLimited = "concurrency_limited", 429, retry, Soon,
        "the limit of concurrent requests is reached";
    Overloaded = "overloaded", 503, retry, Soon,
        "the gateway has reached its limit of connections, requests or memory";
    NoPolicy = "no_policy", 503, retry, Soon,
        "the gateway has no policy yet";
    FilterFailed = "filter_failed", 500, retry, Change,
        "a filter returned an invalid result";
    UpstreamUnreachable = "upstream_unreachable", 503, retry, Soon,
        "no candidate is healthy; 502 if a provider was called and did not answer";
    UpstreamTimeout = "upstream_timeout", 504, retry, Soon,
        "a provider took too long, or the time for the request is over";
    UpstreamError = "upstream_error", 502, retry, Soon,
        "a provider failed; with its status, if that is a 5xx";
    UpstreamRateLimited = "upstream_rate_limited", 429, retry, Soon,
        "a provider limits the rate of requests";
    UpstreamOverloaded = "upstream_overloaded", 503, retry, Soon,
        "a provider has no capacity at present";
    LoopDetected = "loop_detected", 508, final, Change,
        "a provider leads back to a gateway that the request has passed through";
    UpstreamCredentialsExhausted = "upstream_credentials_exhausted", 502, retry, Change,
        "a provider refuses the credentials, or their accounts are empty";
    ContextLengthExceeded = "context_length_exceeded", 400, retry, Change,
        "the input is too long for the model";
    ContentFilter = "content_filter", 400, retry, Change,
        "a provider's content filter withheld the answer";
}

impl RefusalKind {
    /// The `type` of the error, also used in records and as a label of metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.row().word
    }

    /// The HTTP status of the answer, unless the code that refuses the request sets another one.
    #[must_use]
    pub const fn status(self) -> u16 {
        self.row().status
    }

    /// Whether the answer asks SDKs, which retry by themselves, not to retry.
    #[must_use]
    pub const fn is_final(self) -> bool {
        self.row().is_final
    }

    /// When the same request may be served.
    #[must_use]
    pub const fn recovery(self) -> Recovery {
        self.row().recovery
    }

    /// The meaning: a clause for the documentation.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        self.row().meaning
    }

    /// The kind with this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.name() == name)
    }
}

/// Ordered by name, so that lists do not depend on the order of the table.
impl Ord for RefusalKind {
    fn cmp(&self, other: &Self) -> Ordering {
        self.name().cmp(other.name())
    }
}

impl PartialOrd for RefusalKind {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for RefusalKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Serialize for RefusalKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_have_unique_names_and_error_statuses() {
        for &kind in RefusalKind::ALL {
            assert_eq!(RefusalKind::from_name(kind.name()), Some(kind));
            assert!((400..600).contains(&kind.status()), "{kind}");
        }
        assert_eq!(RefusalKind::from_name("refused"), None);
    }

    #[test]
    fn final_refusals_need_a_change() {
        for &kind in RefusalKind::ALL {
            assert!(!kind.is_final() || kind.recovery() == Recovery::Change, "{kind}");
        }
        assert!(Recovery::Soon < Recovery::Window && Recovery::Window < Recovery::Change);
    }
}
