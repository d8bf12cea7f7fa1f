//! `Budget`: an amount of money, or a number of tokens, for all who share it.

use kube::CustomResource;
use outrigger_core::Money;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    OnLedgerUnavailable,
    limits::{self, COUNT_MAX, LimitPeriod},
    selector::{AllowedNamespaces, LabelSelector},
    shapes,
    status::LimitedStatus,
};

/// An amount of money or tokens, the period it is for, and the requests it applies to.
#[expect(clippy::duplicated_attributes, reason = "each printcolumn is a list of its own")]
#[derive(CustomResource, Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "outrigger.dev",
    version = "v1alpha1",
    kind = "Budget",
    plural = "budgets",
    shortname = "llmb",
    category = "llm",
    namespaced,
    status = "LimitedStatus",
    derive = "PartialEq",
    doc = "A Budget is an amount of money or tokens for a period. It is shared by all keys that refer to it, by its child budgets, and by the requests that it applies to. What counts against it also counts against its parent.",
    printcolumn(name = "Ready", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].status"#),
    printcolumn(name = "Reason", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].reason"#),
    printcolumn(name = "Spent", type_ = "string", json_path = ".status.summary.spent"),
    printcolumn(name = "Limit", type_ = "string", json_path = ".status.summary.limit"),
    printcolumn(name = "Resets", type_ = "string", json_path = ".status.summary.resets"),
    printcolumn(name = "Available", type_ = "string", json_path = ".status.summary.available", priority = 1),
    printcolumn(name = "Parent", type_ = "string", json_path = ".spec.parentRef.name", priority = 1),
    printcolumn(name = "Sidecars", type_ = "string", json_path = ".status.sidecars.summary"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = rules()))]
pub struct BudgetSpec {
    /// The amount, in dollars. Set either amount or tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "limits::amount")]
    pub amount: Option<Money>,
    /// The number of tokens: input (cached input included) and output together. Set either amount or tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = COUNT_MAX))]
    pub tokens: Option<i64>,
    #[serde(flatten)]
    pub period: LimitPeriod,
    /// The parent budget: for example team, customer, company. It must have the same unit, money or tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent_ref: Option<BudgetRef>,
    /// The namespaces whose keys and budgets may refer to it. Absent: only its own namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed_namespaces: Option<AllowedNamespaces>,
    /// Requests that count against this budget although their key does not refer to it. Users can't opt out. A request
    /// must match all fields. Absent: only requests of keys that refer to the budget.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub applies_to: Option<AppliesTo>,
    /// What gateways do while they can't reach the ledger. It speaks for this Budget, whoever's keys it counts, and not for
    /// its parent. Absent: FailClosed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_ledger_unavailable: Option<OnLedgerUnavailable>,
    /// Actions that are taken before the budget is used up.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1, max = 8), extend("x-kubernetes-list-type" = "atomic"))]
    pub thresholds: Vec<Threshold>,
}

/// A reference to a Budget, in this namespace or in one that shares it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BudgetRef {
    /// The name of the Budget.
    #[schemars(schema_with = "shapes::name")]
    pub name: String,
    /// The namespace of the Budget. Absent: this namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shapes::namespace")]
    pub namespace: Option<String>,
}

/// Selects the requests that a budget counts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AppliesTo {
    /// Labels of the namespaces whose keys it counts; {} selects every namespace. Only a Budget in the operator's own
    /// namespace may set this. Absent: this namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespaces: Option<LabelSelector>,
    /// Labels of the VirtualKey objects that it counts. Absent: every key, and callers without a key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub virtual_keys: Option<LabelSelector>,
    /// Names of the LLMProvider objects that it counts. Absent: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "shapes::names")]
    pub providers: Vec<String>,
    /// Globs of the models that it counts. Absent: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "shapes::globs")]
    pub models: Vec<String>,
}

/// An action at a level of use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    shapes::rule("self.action != 'Downgrade' || has(self.model)", "action Downgrade needs a model: set the cheaper model"),
    shapes::rule("self.action == 'Downgrade' || !has(self.model)", "model is only for action Downgrade: change the action, or remove model"),
]))]
pub struct Threshold {
    /// How much of the budget is used, in percent.
    #[schemars(range(min = 1, max = 100))]
    pub percent: i32,
    /// Notify: write a log line and set a metric. Downgrade: use a cheaper model in place of more expensive ones.
    /// Reject: refuse requests, as if the budget were used up.
    pub action: BudgetAction,
    /// The cheaper model, for action Downgrade. Requests for models that are even cheaper keep their model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shapes::model")]
    pub model: Option<String>,
}

/// What happens at a threshold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum BudgetAction {
    /// Write a log line and set a metric.
    Notify,
    /// Use a cheaper model.
    Downgrade,
    /// Refuse requests.
    Reject,
}

fn rules() -> serde_json::Value {
    let mut rules = limits::period_rules();
    if let Some(rules) = rules.as_array_mut() {
        rules.insert(
            0,
            shapes::rule(
                "has(self.amount) != has(self.tokens)",
                "a Budget is in money or in tokens: set either amount or tokens",
            ),
        );
        let allows = |rule: &str| {
            format!("!has(self.onLedgerUnavailable) || !has(self.onLedgerUnavailable.maxPerPod) || {rule}")
        };
        rules.push(shapes::rule(
            &allows(
                "!has(self.amount) || (has(self.onLedgerUnavailable.maxPerPod.budget) && \
                 !has(self.onLedgerUnavailable.maxPerPod.tokens) && !has(self.onLedgerUnavailable.maxPerPod.requests))",
            ),
            "this Budget is money: maxPerPod has budget, and nothing else",
        ));
        rules.push(shapes::rule(
            &allows(
                "!has(self.tokens) || (has(self.onLedgerUnavailable.maxPerPod.tokens) && \
                 !has(self.onLedgerUnavailable.maxPerPod.budget) && !has(self.onLedgerUnavailable.maxPerPod.requests))",
            ),
            "this Budget is tokens: maxPerPod has tokens, and nothing else",
        ));
        rules.push(shapes::rule(
            "has(self.amount) == has(oldSelf.amount)",
            "the unit of a Budget can't change from money to tokens or back: create another Budget",
        ));
    }
    rules
}
