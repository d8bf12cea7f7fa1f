//! The compiled policy, and what it decides about a request.
//!
//! A [`Document`] is what the compiler writes and a gateway reads: plain data, stable as JSON. A
//! [`Policy`] is built from one: names resolved, globs and expressions compiled, rules in order.
//! [`decide`] takes a policy and a [`Request`] and returns a [`Decision`]: the candidates in the
//! order in which they are to be tried, and why each of the others was passed over.
//!
//! Pure: randomness, the state of the world and the time are arguments, so the same request gets
//! the same decision in the gateway, in a test and on the command line.

mod arrange;
mod asking;
mod balance;
mod build_error;
pub mod catalogue;
mod catalogues;
mod condition;
mod decide;
mod decision;
mod document;
mod downgrade;
mod draw;
mod explain;
mod expression;
mod gap;
mod gate;
mod glob;
pub mod headers;
mod judge;
mod known;
mod limit;
mod misnamed;
mod model;
mod moment;
mod name;
mod nearest;
mod observed;
mod plan;
mod policy;
mod price;
mod printable;
mod refusal;
mod request;
mod rule;
mod said;
mod samples;
mod serves;
mod slip;
mod spent;
mod syntax;
pub mod trial;
mod variables;
mod vendor;
mod vocabulary;
mod walk;

pub use build_error::BuildError;
pub use condition::{CodeError, Cost, TooDear, TooMuch, bounds};
pub use decide::decide;
pub use decision::{Candidate, Decision, Refusal, Shadow, Skip};
pub use document::{
    AppliesDoc, Balance, BudgetDoc, CatalogueDoc, CredentialDoc, Document, FORMAT, FaultDoc, FaultKind, KeyDoc,
    KeyProviderDoc, LimitDoc, LimitsDoc, MockDoc, MockToolCall, ModelDoc, OnError, OnHangUp, OnLimit, OthersDoc,
    ProviderDoc, ReadError, RuleDoc, ScopeDoc, TargetDoc, ThresholdAction, ThresholdDoc, TimeoutsDoc, Unit, Unknown,
};
pub use explain::{
    CandidateSeen, Explanation, RefusalSeen, RuleOutcome, RuleSeen, Served, ShadowSeen, Understood, explain,
};
pub use expression::{Expression, ExpressionError};
pub use glob::Globs;
pub use limit::{Limit, LimitId, Limits};
pub use model::Model;
pub use name::Asked;
pub use nearest::nearest;
pub use observed::{Measure, Observed};
pub use policy::{Credential, Key, KeyProvider, Policy, Provider, Revision};
pub use price::{CacheAsk, Price, Service, Tier, Used};
pub use printable::{Printable, is_printable};
pub use request::{Conditions, Draw, NoConditions, Others, Pace, Request, Stay};
pub use rule::{Compiled as CompiledConditions, Rule};
pub use said::session;
pub use serves::{Tier as ServedBy, list_models};
pub use slip::Slip;
pub use spent::grouped;
pub use trial::{Expect, Given, Trial, TrialRequest, Work};
pub use variables::VARIABLES;
pub use vocabulary::FUNCTIONS;
