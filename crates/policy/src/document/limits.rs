//! How much may be used, and of what: limits of keys and providers, and budgets, as data.

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
    /// Requests under way at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrent_requests: Option<u32>,
}

impl LimitsDoc {
    /// Whether nothing is limited.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == LimitsDoc::default()
    }
}

/// So much in a window.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LimitDoc {
    /// Its account is found by it.
    pub name: String,
    /// Nano-dollars, requests or tokens.
    pub max: u64,
    pub window: Window,
}

/// What a limit counts.
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
    /// Every charge is the parent's too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<ObjectRef>,
    /// By percent, rising.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub thresholds: Vec<ThresholdDoc>,
    /// Whom it counts beside the keys that name it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub applies_to: Option<AppliesDoc>,
}

/// What happens from so many per cent on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ThresholdDoc {
    pub percent: u32,
    pub action: ThresholdAction,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ThresholdAction {
    /// A log line and a metric.
    Notify,
    /// Candidates are replaced by this model, where it is cheaper.
    Downgrade { model: String },
    /// As if it were spent.
    Reject,
}

/// Whose requests a budget counts without being named: all that is said must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AppliesDoc {
    /// The keys that the selectors found; absent means every key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keys: Option<Vec<ObjectRef>>,
    /// Names of LLMProvider objects; empty means all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub providers: Vec<String>,
    /// Globs of models; empty means all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub models: Vec<String>,
}
