//! Limits of keys and providers, and budgets, as data.

use outrigger_core::{ObjectRef, Window};
use serde::{Deserialize, Serialize};

/// The limits of one object. Money is in nano-dollars.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LimitsDoc {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub budgets: Vec<LimitDoc>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub requests: Vec<LimitDoc>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tokens: Vec<LimitDoc>,
    /// Concurrent requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrent_requests: Option<u32>,
}

impl LimitsDoc {
    /// Whether there is no limit.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == LimitsDoc::default()
    }
}

/// An amount in a window.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LimitDoc {
    /// Identifies its account.
    pub name: String,
    /// Nano-dollars, requests or tokens.
    pub max: u64,
    pub window: Window,
}

/// What gateways let through of an object's own limits while they can't reach the ledger. Of units that are absent:
/// nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FailOpenDoc {
    /// Nano-dollars that a pod may use beyond what it was granted, of each limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests: Option<u64>,
    /// For so many milliseconds after the ledger was last heard.
    pub ms: u64,
}

impl FailOpenDoc {
    /// How much of a limit of this unit.
    #[must_use]
    pub fn most(&self, unit: Unit) -> Option<u64> {
        match unit {
            Unit::Money => self.budget,
            Unit::Tokens => self.tokens,
            Unit::Requests => self.requests,
        }
    }
}

/// The limits of each session of a key: of one run of an agent, or of one conversation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionDoc {
    /// The header that names the session, in lower case.
    pub header: String,
    /// A request without it is refused. Else it belongs to no session, and these limits do not count it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub required: bool,
    /// So many milliseconds without a request end a session.
    pub idle: u64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub budgets: Vec<SessionLimitDoc>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub requests: Vec<SessionLimitDoc>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tokens: Vec<SessionLimitDoc>,
    /// So often a conversation may hold the same tool call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repeats: Option<u32>,
}

impl SessionDoc {
    /// Whether something is counted for each session. Repeated tool calls are not: each request carries them.
    #[must_use]
    pub fn counts(&self) -> bool {
        !(self.budgets.is_empty() && self.requests.is_empty() && self.tokens.is_empty())
    }
}

/// So much in a session.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionLimitDoc {
    /// Its accounts are found by it.
    pub name: String,
    /// Nano-dollars, requests or tokens.
    pub max: u64,
}

/// The unit of a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Unit {
    /// Nano-dollars.
    Money,
    Tokens,
    Requests,
}

/// A `Budget`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BudgetDoc {
    pub namespace: String,
    pub name: String,
    /// Money or Tokens.
    pub unit: Unit,
    /// Nano-dollars or tokens.
    pub max: u64,
    pub window: Window,
    /// Its parent: every charge counts there too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<ObjectRef>,
    /// Ordered by percent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub thresholds: Vec<ThresholdDoc>,
    /// Requests that it counts although their keys do not refer to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub applies_to: Option<AppliesDoc>,
    /// While the ledger can't be reached; absent: nothing passes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fail_open: Option<FailOpenDoc>,
}

/// An action at a percentage of use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ThresholdDoc {
    pub percent: u32,
    pub action: ThresholdAction,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ThresholdAction {
    /// Write a log line and set a metric.
    Notify,
    /// Replace candidates with this model, if it is cheaper.
    Downgrade { model: String },
    /// Refuse requests, as if the budget were spent.
    Reject,
}

/// Requests that a budget counts without a reference: all fields must match.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AppliesDoc {
    /// The selected keys; absent means every key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keys: Option<Vec<ObjectRef>>,
    /// Names of LLMProvider objects; empty means all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub providers: Vec<String>,
    /// Globs of models; empty means all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub models: Vec<String>,
}
