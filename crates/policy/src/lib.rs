//! The compiled policy, and its decisions about requests.
//!
//! The compiler writes a [`Document`] and a gateway reads it: plain data, with a stable JSON format. A [`Policy`] is
//! built from a document: names are resolved, globs and expressions compiled, rules sorted. [`decide`] takes a policy
//! and a [`Request`] and returns a [`Decision`]: the candidates in the order of attempts, and why each other candidate
//! was skipped.
//!
//! Pure: random numbers, the gateway's state and the time are arguments. So the same request gets the same decision in
//! the gateway, in a test and on the command line.

mod access_key;
mod build_error;
pub mod catalogue;
mod condition;
mod decide;
mod decision;
mod document;
pub mod headers;
mod index;
mod limits;
mod naming;
mod policy;
mod prices;
mod request;
mod rules;
mod text;
pub mod trial;

pub use access_key::AccessKey;
pub use build_error::BuildError;
pub use catalogue::model::Model;
pub use condition::variables::VARIABLES;
pub use condition::{CodeError, ConditionCost, TooExpensive, TooMuch, bounds};
pub use decide::decide;
pub use decide::explain::{
    ExplainedCandidate, ExplainedModelName, ExplainedRefusal, ExplainedRule, ExplainedShadow, Explanation, RuleOutcome,
    ServingProviders, explain,
};
pub use decide::observed::{Measure, Observed};
pub use decision::{Candidate, Decision, PolicyRefusal, PolicyRefusalKind, Shadow, Skip};
pub use document::{
    AppliesDoc, AwsIdentityDoc, AzureDoc, Balance, BedrockDoc, BudgetDoc, CatalogueDoc, CredentialDoc, Document,
    EntraDoc, FORMAT, FORMAT_SHARED, FORMATS, FailOpenDoc, FaultDoc, FaultKind, FilterDoc, KeyDoc, KeyProviderDoc,
    LedgerDoc, LimitDoc, LimitsDoc, MockDoc, MockToolCall, ModelDoc, OnError, OnHangUp, OnLimit, OthersDoc,
    ProviderDoc, ReadError, RuleDoc, ScopeDoc, SessionDoc, SessionLimitDoc, TargetDoc, ThresholdAction, ThresholdDoc,
    TimeoutsDoc, Unit, UnknownCostPolicy, VertexDoc, WorkloadIdentityDoc, write_json,
};
pub use index::{CredentialIndex, EntryIndex, KeyIndex, LimitIndex, ProviderIndex, RuleIndex};
pub use limits::concurrent::{
    ConcurrentLimit, of_entry as concurrency_of_entry, of_key as concurrency_of_key,
    of_provider as concurrency_of_provider,
};
pub use limits::counted::{AccountedLimit, LimitError};
pub use limits::limit::{FailOpenLimit, Limit, LimitId, LimitOwner, Limits};
pub use naming::name::ModelName;
pub use naming::serving::{ServingTier, accepts_any_name, list_models};
pub use policy::{Credential, Key, KeyProvider, Policy, Provider, Revision};
pub use prices::{CacheWrite, Price, Service, Tier, Used};
pub use request::headers::session;
pub use request::{Draw, GatewayState, HealthyState, Others, Pace, Request, Stay};
pub use rules::expression::{Expression, ExpressionError};
pub use rules::lint::Lint;
pub use rules::rule::{CompiledConditions, Rule};
pub use rules::vocabulary::FUNCTIONS;
pub use text::glob::Globs;
pub use text::nearest::nearest;
pub use text::number::grouped;
pub use text::printable::{Printable, is_printable};
pub use trial::{Expect, Given, Trial, TrialRequest, TrialWork};
