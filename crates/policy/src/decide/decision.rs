//! What was decided, and why: a value that a gateway follows and a person reads.

use std::fmt;
use std::sync::Arc;

use outrigger_core::RefusalKind;

use crate::index::{CredentialIndex, EntryIndex, LimitIndex, ProviderIndex};

/// The candidates for a request in the order in which they are to be tried.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Decision {
    /// The rule that decided, as `namespace/name`.
    pub rule: Option<Arc<str>>,
    /// The rules with `chain` that led to it, in order.
    pub chain: Vec<Arc<str>>,
    /// Those to try and those passed over, each in its place.
    pub candidates: Vec<Candidate>,
    /// Set when there is nothing to try.
    pub refusal: Option<PolicyRefusal>,
    /// Every candidate was resting; they are tried all the same, for a refusal would help nobody.
    pub last_resort: bool,
    /// Rules whose expression failed on this request, with what it said.
    pub rule_errors: Vec<(Arc<str>, String)>,
    /// What the first rule in `mode: Shadow` that matches would have decided.
    pub shadow: Option<Shadow>,
}

/// What a rule would have decided that only watches.
#[derive(Clone, Debug, PartialEq)]
pub struct Shadow {
    /// As `namespace/name`.
    pub rule: Arc<str>,
    /// Provider and model that it would have tried first; `None` if it would have refused.
    pub first: Option<(Arc<str>, Arc<str>)>,
}

impl Decision {
    /// Those that are to be tried.
    pub fn eligible(&self) -> impl Iterator<Item = &Candidate> {
        self.candidates.iter().filter(|candidate| candidate.skipped.is_none())
    }
}

/// A provider that may serve the request, under one model.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// `None` for a name that the policy does not have.
    pub provider: Option<ProviderIndex>,
    /// `None` for a name that the key does not have.
    pub entry: Option<EntryIndex>,
    /// The name by which the key knows the provider.
    pub name: Arc<str>,
    /// The model as the policy names it.
    pub model: Arc<str>,
    /// The model as the provider is sent it.
    pub upstream_model: Arc<str>,
    /// The provider's credentials, in the order to try them; empty where none is needed.
    pub credentials: Vec<CredentialIndex>,
    /// By which it could be drawn; `None` for a fallback.
    pub weight: Option<u32>,
    /// Why it is not to be tried.
    pub skipped: Option<Skip>,
    /// It serves the name only because it takes any: where it has no such model, nobody else of the kind is asked.
    pub any_name: bool,
    /// The budget whose threshold put a cheaper model in the place of the one that was decided.
    pub downgraded_by: Option<LimitIndex>,
}

/// Why a candidate is passed over: a closed vocabulary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Skip {
    /// Outside the key's providers, suspended, or unknown.
    ProviderBlocked,
    /// Outside the allow-lists of key, provider or credential.
    ModelBlocked,
    /// No credential that the key may use is left.
    CredentialBlocked,
    /// The dialect can't say what the request needs: which field.
    Unsupported(String),
    /// The breaker is open after failures.
    Breaker,
    /// Resting, as the provider asked.
    Cooldown,
    /// Said to be down (in tests and `explain`).
    Unhealthy,
    /// The money or tokens of a budget are spent.
    Budget(LimitIndex),
    /// A limit on requests or tokens over time is used up.
    Limit(LimitIndex),
    /// As many requests are under way there as may be.
    Concurrency,
    /// A limit on money counts it, and nobody knows its price; or a limit counts what nobody can meter.
    Unpriced,
}

impl Skip {
    /// The word in records.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Skip::ProviderBlocked => "provider_blocked",
            Skip::ModelBlocked => "model_blocked",
            Skip::CredentialBlocked => "credential_blocked",
            Skip::Unsupported(_) => "unsupported",
            Skip::Breaker => "breaker",
            Skip::Cooldown => "cooldown",
            Skip::Unhealthy => "unhealthy",
            Skip::Budget(_) => "budget",
            Skip::Limit(_) => "limit",
            Skip::Concurrency => "concurrency",
            Skip::Unpriced => "unpriced",
        }
    }

    /// Whether it will pass by itself.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        matches!(self, Skip::Breaker | Skip::Cooldown)
    }
}

impl fmt::Display for Skip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Skip::Unsupported(field) => write!(f, "unsupported: {field}"),
            other => f.write_str(other.word()),
        }
    }
}

/// Why nothing can be tried. The message names the object that says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyRefusal {
    pub kind: PolicyRefusalKind,
    pub message: String,
    /// The field of the request that is at fault.
    pub param: Option<String>,
    /// The limit that is used up.
    pub limit: Option<LimitIndex>,
}

/// Every type of refusal that a decision can have: some of [`RefusalKind`], whose table says the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PolicyRefusalKind {
    /// Nobody serves the model.
    ModelNotFound,
    /// No candidate can be told what the request says.
    UnsupportedParameter,
    /// The key may not use the provider, or the provider is suspended.
    ProviderBlocked,
    /// No candidate is healthy.
    UpstreamUnreachable,
    /// A limit in money, or a Budget, is spent.
    BudgetExceeded,
    /// A limit of tokens over time is used up.
    TokenLimited,
    /// A limit of requests over time is used up.
    RequestLimited,
    /// As many requests are under way as may be.
    ConcurrencyLimited,
    /// A limit counts the request, and nobody can say how much it uses.
    ModelUnpriced,
    /// A rule refuses what it matches.
    RequestRejected,
    /// A list of the key, the provider or the credential keeps the model out.
    ModelBlocked,
    /// The request does not say what is meant, or a rule could not be evaluated.
    InvalidRequest,
}

impl PolicyRefusalKind {
    /// All of them, in the order in which errors list them.
    pub const ALL: [Self; 12] = [
        Self::ModelNotFound,
        Self::UnsupportedParameter,
        Self::ProviderBlocked,
        Self::UpstreamUnreachable,
        Self::BudgetExceeded,
        Self::TokenLimited,
        Self::RequestLimited,
        Self::ConcurrencyLimited,
        Self::ModelUnpriced,
        Self::RequestRejected,
        Self::ModelBlocked,
        Self::InvalidRequest,
    ];

    /// Its row in the table of all refusals.
    #[must_use]
    pub const fn kind(self) -> RefusalKind {
        match self {
            Self::ModelNotFound => RefusalKind::ModelNotFound,
            Self::UnsupportedParameter => RefusalKind::UnsupportedParameter,
            Self::ProviderBlocked => RefusalKind::ProviderBlocked,
            Self::UpstreamUnreachable => RefusalKind::UpstreamUnreachable,
            Self::BudgetExceeded => RefusalKind::BudgetExceeded,
            Self::TokenLimited => RefusalKind::TokenLimited,
            Self::RequestLimited => RefusalKind::RequestLimited,
            Self::ConcurrencyLimited => RefusalKind::ConcurrencyLimited,
            Self::ModelUnpriced => RefusalKind::ModelUnpriced,
            Self::RequestRejected => RefusalKind::RequestRejected,
            Self::ModelBlocked => RefusalKind::ModelBlocked,
            Self::InvalidRequest => RefusalKind::InvalidRequest,
        }
    }

    /// The `type` of the error, and the word in records and metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.kind().name()
    }

    /// The HTTP status of the answer.
    #[must_use]
    pub const fn status(self) -> u16 {
        self.kind().status()
    }

    /// The one of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

impl fmt::Display for PolicyRefusalKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::PolicyRefusalKind;

    #[test]
    fn every_type_of_refusal_has_a_name_of_its_own() {
        for kind in PolicyRefusalKind::ALL {
            assert_eq!(PolicyRefusalKind::from_name(kind.name()), Some(kind));
            assert!((400..600).contains(&kind.status()), "{kind}");
        }
        assert_eq!(PolicyRefusalKind::from_name("refused"), None);
    }
}
