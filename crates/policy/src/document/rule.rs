//! Routing rules.

use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RuleDoc {
    pub namespace: String,
    pub name: String,
    /// Lower numbers are evaluated first.
    pub priority: i32,
    /// Seconds since 1970; of two rules with the same priority, the older is first.
    #[serde(default)]
    pub created: i64,
    pub scope: ScopeDoc,
    /// CEL; absent means always.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub when: Option<String>,
    pub targets: Vec<TargetDoc>,
    /// `provider/model`, or a provider alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fallbacks: Vec<String>,
    #[serde(default)]
    pub on_error: OnError,
    /// Whether it applies to every key, after the rules of the key's namespace, because it is in the operator's
    /// namespace.
    #[serde(default)]
    pub everywhere: bool,
    /// If set, matching requests are refused with this message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reject: Option<String>,
    /// Whether to evaluate the rules again with the model of the chosen target, at most 10 times.
    #[serde(default)]
    pub chain: bool,
    /// Whether the decision is only recorded.
    #[serde(default)]
    pub shadow: bool,
}

/// The keys that a rule applies to. Rules with a narrower scope are evaluated first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ScopeDoc {
    /// Keys of the rule's own namespace, by name.
    VirtualKeys(Vec<String>),
    Team(String),
    Customer(String),
    /// Every key of the rule's namespace.
    #[default]
    Namespace,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TargetDoc {
    pub provider: String,
    /// Absent: the model in the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    pub weight: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credential: Option<String>,
}

/// What to do if an expression fails at run time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum OnError {
    /// The rule does not match; the failure is counted and reported.
    #[default]
    Skip,
    Refuse,
}
