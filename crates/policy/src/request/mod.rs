//! The input of a decision: the request, and the state that matters for it.

pub(crate) mod headers;
pub(crate) mod samples;
pub(crate) mod values;

use std::time::Duration;

use outrigger_core::{Capabilities, RequestType};

use crate::index::{KeyIndex, LimitIndex};
use crate::limits::limit::Limit;
use crate::policy::{Credential, Provider};

/// A request, as far as a decision needs it.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// The caller's key.
    pub key: KeyIndex,
    /// In the words that rules use: `chat_completion`, `chat_completion_stream`, ….
    pub request_type: RequestType,
    /// As the caller wrote it; `None` for operations without a model.
    pub model: Option<&'a str>,
    /// The provider that the request asks for besides the model, by its local name (`x-outrigger-provider`).
    pub provider: Option<&'a str>,
    /// The body's own `fallbacks`: even an empty list replaces the fallbacks of rules and weights.
    pub fallbacks: Option<&'a [String]>,
    /// The credential that the request asks for, by name.
    pub credential: Option<&'a str>,
    /// Names are in lower case; credentials are not included.
    pub headers: &'a [(String, String)],
    pub params: &'a [(String, String)],
    pub draw: Draw,
    /// Where the previous turn of the conversation went, if known.
    pub stay: Option<Stay>,
    pub state: &'a dyn GatewayState,
}

impl Request<'_> {
    /// How much of a limit is used, as rules and thresholds see it.
    pub(crate) fn level(&self, index: LimitIndex, limit: &Limit) -> u64 {
        let used = self.state.used(index);
        if self.state.is_short(index) { used.max(limit.max) } else { used }
    }
}

impl std::fmt::Debug for Request<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Request")
            .field("key", &self.key)
            .field("request_type", &self.request_type)
            .field("model", &self.model)
            .field("provider", &self.provider)
            .field("fallbacks", &self.fallbacks)
            .field("credential", &self.credential)
            .field("draw", &self.draw)
            .field("stay", &self.stay)
            .finish_non_exhaustive()
    }
}

/// How one of several is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Draw {
    /// At random: 64 random bits.
    Random(u64),
    /// By an explicit session id: a hash of it. The same choice in every pod.
    Session(u64),
    /// The one with the largest weight, the first of equals: what most requests get. For tests of rules.
    Likeliest,
}

/// The provider and credential that a conversation should stay with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stay {
    /// Hash of the provider's namespace and name: [`Provider::identity`].
    pub provider: u64,
    /// [`Credential::identity`]; 0 for none.
    pub credential: u64,
}

/// The state of the gateway. It is queried for each candidate, under both balances.
pub trait GatewayState {
    /// The field that this request needs and the dialect of the provider's model can't express: `logprobs`.
    fn unfit(&self, provider: &Provider, upstream_model: &str) -> Option<String>;

    /// Other models with which the provider may answer, if the request allows it in the provider's own API.
    fn others(&self, provider: &Provider, upstream_model: &str) -> Others<'_> {
        let _ = (provider, upstream_model);
        Others::None
    }

    /// Why nothing should be sent there now: [`crate::Skip::Cooldown`] or [`crate::Skip::Breaker`].
    fn gate(&self, provider: &Provider, credential: Option<&Credential>, model: &str) -> Option<crate::Skip>;

    /// How long answers take there that are measured like this request's (see [`crate::Observed`]), how many attempts
    /// fail, and how many requests are in flight. `None` if unknown.
    fn pace(&self, provider: &Provider, credential: Option<&Credential>, model: &str) -> Option<Pace>;

    /// How much of a limit is spent in its current window, in its unit, without reservations.
    fn used(&self, limit: LimitIndex) -> u64 {
        let _ = limit;
        0
    }

    /// Whether the request names the session that it belongs to. Otherwise limits on sessions do not count it.
    fn is_in_session(&self) -> bool {
        false
    }

    /// Whether too little of a limit is left for the first decision about this request. Rules and thresholds then read the
    /// limit as used up. The check whether a candidate may be tried still reads [`used`](Self::used).
    fn is_short(&self, limit: LimitIndex) -> bool {
        let _ = limit;
        false
    }

    /// The estimated tokens of the request.
    fn input_tokens(&self) -> u64 {
        0
    }

    /// The capabilities that the request needs.
    fn needs(&self) -> Capabilities {
        Capabilities::default()
    }

    /// Whether the request is free at any provider (counting tokens): then limits in money and tokens do not count it.
    fn is_free(&self) -> bool {
        false
    }

    /// Why the cost of the request can't be determined, if it can't.
    fn unmetered(&self) -> Option<&str> {
        None
    }

    /// Whether the answer reports its tokens, even if it costs more than those: true for a search that the provider
    /// runs and bills separately, false for background mode.
    fn reports_tokens(&self) -> bool {
        self.unmetered().is_none()
    }

    /// The name of the pod; empty outside of one.
    fn workload(&self) -> &str {
        ""
    }

    /// The labels of the pod.
    fn labels(&self) -> &[(String, String)] {
        &[]
    }

    /// Milliseconds since 1970, in UTC.
    fn now(&self) -> i64 {
        0
    }

    /// Whether a variable of rules is known. An unknown one makes an expression fail, unless the rest of it decides: so
    /// a request can be decided from a record, as far as possible.
    fn knows(&self, variable: &str) -> bool {
        let _ = variable;
        true
    }
}

/// See [`GatewayState::others`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Others<'a> {
    #[default]
    None,
    Named(&'a [String]),
    /// Any that the provider chooses.
    Any,
}

/// See [`GatewayState::pace`].
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Pace {
    /// How long an answer takes, in milliseconds: to the first token of a stream, or to the end of another answer.
    /// `None` if there was no answer yet.
    pub ms: Option<f64>,
    /// The age of that measurement.
    pub age: Duration,
    /// The recent share of attempts that failed, from 0 to below 1.
    pub errors: f64,
    pub in_flight: u32,
}

/// A state in which everything is healthy: for tests and the command line.
#[derive(Clone, Copy, Debug, Default)]
pub struct HealthyState;

impl GatewayState for HealthyState {
    fn unfit(&self, _: &Provider, _: &str) -> Option<String> {
        None
    }

    fn gate(&self, _: &Provider, _: Option<&Credential>, _: &str) -> Option<crate::Skip> {
        None
    }

    fn pace(&self, _: &Provider, _: Option<&Credential>, _: &str) -> Option<Pace> {
        None
    }
}
