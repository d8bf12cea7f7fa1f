//! The result of a decision, with its reasons: gateways execute it, and people read it.

use std::fmt;
use std::sync::Arc;

use outrigger_core::RefusalKind;

use crate::index::{CredentialIndex, EntryIndex, LimitIndex, ProviderIndex};

/// The candidates for a request in the order of attempts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Decision {
    /// The rule that decided, as `namespace/name`.
    pub rule: Option<Arc<str>>,
    /// The rules with `chain` that led to this rule, in order.
    pub chain: Vec<Arc<str>>,
    /// Candidates to try and skipped ones, in order.
    pub candidates: Vec<Candidate>,
    /// Set if there is no candidate to try.
    pub refusal: Option<PolicyRefusal>,
    /// Whether all candidates are in cooldown. They are tried nevertheless, because a refusal would not help.
    pub last_resort: bool,
    /// Rules whose expression failed on this request, with the error.
    pub rule_errors: Vec<(Arc<str>, String)>,
    /// The decision of the first matching rule in `mode: Shadow`.
    pub shadow: Option<Shadow>,
}

/// The decision that a rule in `mode: Shadow` would have made.
#[derive(Clone, Debug, PartialEq)]
pub struct Shadow {
    /// Written as `namespace/name`.
    pub rule: Arc<str>,
    /// The first provider and model; `None` if it would have refused.
    pub first: Option<(Arc<str>, Arc<str>)>,
}

impl Decision {
    /// The candidates that are not skipped.
    pub fn eligible(&self) -> impl Iterator<Item = &Candidate> {
        self.candidates.iter().filter(|candidate| candidate.skipped.is_none())
    }
}

/// A provider that may serve the request, with one model.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// `None` if the name is not in the policy.
    pub provider: Option<ProviderIndex>,
    /// `None` if the name is not in the key.
    pub entry: Option<EntryIndex>,
    /// The key's name for the provider.
    pub name: Arc<str>,
    /// The model's name in the policy.
    pub model: Arc<str>,
    /// The model's name that is sent to the provider.
    pub upstream_model: Arc<str>,
    /// The provider's credentials, in the order of attempts; empty if none is needed.
    pub credentials: Vec<CredentialIndex>,
    /// Its weight in the random choice; `None` for a fallback.
    pub weight: Option<u32>,
    /// Why it is skipped.
    pub skipped: Option<Skip>,
    /// Whether it only serves the name because it accepts any. If it has no such model, no other candidate of this kind
    /// is tried.
    pub any_name: bool,
    /// The budget whose threshold replaced the original model with this cheaper one.
    pub downgraded_by: Option<LimitIndex>,
}

/// Why a candidate is skipped: a closed vocabulary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Skip {
    /// It is not among the key's providers, suspended, or unknown.
    ProviderBlocked,
    /// A list of the key, the provider or the credential excludes the model.
    ModelBlocked,
    /// The key may use none of the credentials.
    CredentialBlocked,
    /// The provider's dialect can't express a field of the request.
    Unsupported(String),
    /// The breaker is open after failures.
    Breaker,
    /// In cooldown, as the provider asked.
    Cooldown,
    /// Marked as unhealthy (in tests and `explain`).
    Unhealthy,
    /// The money or tokens of a budget are spent.
    Budget(LimitIndex),
    /// A limit of requests or tokens in a window is used up.
    Limit(LimitIndex),
    /// The limit of concurrent requests is reached.
    Concurrency,
    /// A limit in money counts it, and its price is unknown; or a limit counts usage that can't be measured.
    Unpriced,
}

impl Skip {
    /// The name in records.
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

    /// Whether the reason passes by itself.
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

/// Why there is no candidate. The message names the object that is responsible.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyRefusal {
    pub kind: PolicyRefusalKind,
    pub message: String,
    /// The invalid field of the request.
    pub param: Option<String>,
    /// The limit that is used up.
    pub limit: Option<LimitIndex>,
}

/// The types of refusals that a decision can return: a subset of [`RefusalKind`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PolicyRefusalKind {
    /// No provider serves the model.
    ModelNotFound,
    /// No candidate can express a field of the request.
    UnsupportedParameter,
    /// The key may not use the provider, or the provider is suspended.
    ProviderBlocked,
    /// No candidate is healthy.
    UpstreamUnreachable,
    /// A limit in money, or a Budget, is spent.
    BudgetExceeded,
    /// A limit of tokens in a window is used up.
    TokenLimited,
    /// A limit of requests in a window is used up.
    RequestLimited,
    /// The money of the request's session is spent.
    SessionBudgetExceeded,
    /// The requests or tokens of the request's session are used up.
    SessionLimited,
    /// The limit of concurrent requests is reached.
    ConcurrencyLimited,
    /// A limit counts the request, and its usage or price is unknown.
    ModelUnpriced,
    /// A rule refuses the request.
    RequestRejected,
    /// A list of the key, the provider or the credential excludes the model.
    ModelBlocked,
    /// The request is ambiguous, or a rule could not be evaluated.
    InvalidRequest,
}

impl PolicyRefusalKind {
    /// All types, in the order in which errors list them.
    pub const ALL: [Self; 14] = [
        Self::ModelNotFound,
        Self::UnsupportedParameter,
        Self::ProviderBlocked,
        Self::UpstreamUnreachable,
        Self::BudgetExceeded,
        Self::TokenLimited,
        Self::RequestLimited,
        Self::SessionBudgetExceeded,
        Self::SessionLimited,
        Self::ConcurrencyLimited,
        Self::ModelUnpriced,
        Self::RequestRejected,
        Self::ModelBlocked,
        Self::InvalidRequest,
    ];

    /// The same type in [`RefusalKind`].
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
            Self::SessionBudgetExceeded => RefusalKind::SessionBudgetExceeded,
            Self::SessionLimited => RefusalKind::SessionLimited,
            Self::ConcurrencyLimited => RefusalKind::ConcurrencyLimited,
            Self::ModelUnpriced => RefusalKind::ModelUnpriced,
            Self::RequestRejected => RefusalKind::RequestRejected,
            Self::ModelBlocked => RefusalKind::ModelBlocked,
            Self::InvalidRequest => RefusalKind::InvalidRequest,
        }
    }

    /// The `type` of the error, also used in records and metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.kind().name()
    }

    /// The HTTP status of the answer.
    #[must_use]
    pub const fn status(self) -> u16 {
        self.kind().status()
    }

    /// The type with this name.
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
    fn every_type_of_refusal_has_a_unique_name() {
        for kind in PolicyRefusalKind::ALL {
            assert_eq!(PolicyRefusalKind::from_name(kind.name()), Some(kind));
            assert!((400..600).contains(&kind.status()), "{kind}");
        }
        assert_eq!(PolicyRefusalKind::from_name("refused"), None);
    }
}
