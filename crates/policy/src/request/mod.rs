//! What a decision is made from: the request, and the state of the world as far as it matters.

pub(crate) mod headers;

use std::time::Duration;

use outrigger_core::{Capabilities, RequestType};

use crate::index::{KeyIndex, LimitIndex};
use crate::limits::limit::Limit;
use crate::policy::{Credential, Provider};

/// A request, as far as deciding needs it.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// The caller's.
    pub key: KeyIndex,
    /// In the words that rules use: `chat_completion`, `chat_completion_stream`, ….
    pub request_type: RequestType,
    /// As the caller wrote it; `None` for operations that have none.
    pub model: Option<&'a str>,
    /// A provider asked for beside the model, by its local name (`x-outrigger-provider`).
    pub provider: Option<&'a str>,
    /// The body's own `fallbacks`: even an empty list replaces those of rules and weights.
    pub fallbacks: Option<&'a [String]>,
    /// A credential asked for by name.
    pub credential: Option<&'a str>,
    /// Lower-cased names; credentials are not among them.
    pub headers: &'a [(String, String)],
    pub params: &'a [(String, String)],
    pub draw: Draw,
    /// Where the conversation's earlier turn went, if that is remembered.
    pub stay: Option<Stay>,
    pub conditions: &'a dyn Conditions,
}

impl Request<'_> {
    /// How much of a limit is used, as rules and thresholds see it.
    pub(crate) fn level(&self, place: LimitIndex, limit: &Limit) -> u64 {
        let used = self.conditions.used(place);
        if self.conditions.is_short(place) { used.max(limit.max) } else { used }
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

/// How one of several is picked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Draw {
    /// By chance: 64 random bits.
    Random(u64),
    /// By an explicit session id: a hash of it. The same pick in every pod.
    Session(u64),
    /// The heaviest, and of equals the first: what most requests get. For tests of rules.
    Likeliest,
}

/// A provider and a credential that a conversation should stay with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stay {
    /// Hash of the provider's namespace and name: [`Provider::identity`].
    pub provider: u64,
    /// [`Credential::identity`]; 0 for none.
    pub credential: u64,
}

/// What the gateway knows and a policy can't: asked for each candidate, under both balances.
pub trait Conditions {
    /// What this request needs and the provider's dialect can't say: `logprobs`.
    fn unfit(&self, provider: &Provider) -> Option<String>;

    /// Other models with which a provider may answer, as the request lets it in the words of the provider's own API.
    fn others(&self, provider: &Provider) -> Others<'_> {
        let _ = provider;
        Others::None
    }

    /// Why nothing should be sent there now: [`crate::Skip::Cooldown`] or [`crate::Skip::Breaker`].
    fn gate(&self, provider: &Provider, credential: Option<&Credential>, model: &str) -> Option<crate::Skip>;

    /// How long answers of a model take there that are measured as this request's will be (see [`crate::Observed`]), how
    /// many attempts fail, and how many requests are under way. `None` when nothing is known yet.
    fn pace(&self, provider: &Provider, credential: Option<&Credential>, model: &str) -> Option<Pace>;

    /// How much of a limit is spent in the window of now, in its unit; what is only reserved is not in it.
    fn used(&self, limit: LimitIndex) -> u64 {
        let _ = limit;
        0
    }

    /// Whether too little of a limit is left for the first decision about this request. Rules and thresholds then read the
    /// limit as used up. The check whether a candidate may be tried still reads [`used`](Self::used).
    fn is_short(&self, limit: LimitIndex) -> bool {
        let _ = limit;
        false
    }

    /// Tokens of the request, estimated.
    fn input_tokens(&self) -> u64 {
        0
    }

    /// What the request asks of a model.
    fn needs(&self) -> Capabilities {
        Capabilities::default()
    }

    /// Whether the request costs nothing, whoever serves it (counting tokens): then limits on money and tokens do not
    /// concern it.
    fn is_free(&self) -> bool {
        false
    }

    /// Why nobody could tell what the request costs, if nobody can.
    fn unmetered(&self) -> Option<&str> {
        None
    }

    /// Whether the answer tells how many tokens were used, whatever else it costs: so of a search that the provider runs and
    /// bills by itself, and not of what is made in the background.
    fn tells_tokens(&self) -> bool {
        self.unmetered().is_none()
    }

    /// The pod's name; empty outside of one.
    fn workload(&self) -> &str {
        ""
    }

    /// The pod's labels.
    fn labels(&self) -> &[(String, String)] {
        &[]
    }

    /// Milliseconds since 1970, in UTC.
    fn now(&self) -> i64 {
        0
    }

    /// Whether it is known what a variable of rules is. One that is not makes an expression fail, unless the rest of it
    /// decides: so a request of which only a record is left can be decided, as far as that goes.
    fn knows(&self, variable: &str) -> bool {
        let _ = variable;
        true
    }
}

/// See [`Conditions::others`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Others<'a> {
    #[default]
    None,
    Named(&'a [String]),
    /// Whichever the provider chooses.
    Any,
}

/// See [`Conditions::pace`].
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Pace {
    /// How long an answer takes, in milliseconds: the first token of a stream, or the whole of another answer. `None` where
    /// nobody has waited for one yet.
    pub ms: Option<f64>,
    /// How long ago that was learnt.
    pub age: Duration,
    /// The share of attempts that failed of late, from 0 to below 1.
    pub errors: f64,
    pub in_flight: u32,
}

/// A world in which everything is well: for tests and for the command line.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoConditions;

impl Conditions for NoConditions {
    fn unfit(&self, _: &Provider) -> Option<String> {
        None
    }

    fn gate(&self, _: &Provider, _: Option<&Credential>, _: &str) -> Option<crate::Skip> {
        None
    }

    fn pace(&self, _: &Provider, _: Option<&Credential>, _: &str) -> Option<Pace> {
        None
    }
}
