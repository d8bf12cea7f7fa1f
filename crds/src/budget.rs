//! `Budget`: so much money, or so many tokens, for all who share it.

use kube::CustomResource;
use outrigger_core::Money;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    limits::{self, COUNT_MAX, LimitPeriod},
    selector::{AllowedNamespaces, LabelSelector},
    shapes,
    status::LimitedStatus,
};

/// How much may be used, by whom, in which time.
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
    doc = "A Budget is money or tokens over a time, for all the keys that name it, all the budgets under it, and whom it applies to. What is used of it is used of its parent, too.",
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
    /// How much, in dollars. In place of tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "limits::amount")]
    pub amount: Option<Money>,
    /// How many tokens, of input (cached ones too) and output together. In place of amount.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = COUNT_MAX))]
    pub tokens: Option<i64>,
    #[serde(flatten)]
    pub period: LimitPeriod,
    /// The budget above: team, customer, company. It counts the same, money or tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent_ref: Option<BudgetRef>,
    /// The namespaces whose keys and budgets may name it. Absent: this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed_namespaces: Option<AllowedNamespaces>,
    /// Whom it counts beside those that name it: what nobody can opt out of. Everything said must hold. Absent: nobody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub applies_to: Option<AppliesTo>,
    /// What happens before it is spent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1, max = 8), extend("x-kubernetes-list-type" = "atomic"))]
    pub thresholds: Vec<Threshold>,
}

/// A Budget, in this namespace or another that shares it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BudgetRef {
    /// Its name.
    #[schemars(schema_with = "shapes::name")]
    pub name: String,
    /// Its namespace. Absent: this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shapes::namespace")]
    pub namespace: Option<String>,
}

/// Whose requests a budget counts, and which of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AppliesTo {
    /// Labels of the namespaces whose keys it counts; {} is every namespace. Only a Budget in the operator's own
    /// namespace may say so. Absent: this namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespaces: Option<LabelSelector>,
    /// Labels of the VirtualKey objects that it counts. Absent: every key, and callers without one.
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

/// What happens from so much on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    shapes::rule("self.action != 'Downgrade' || has(self.model)", "action Downgrade needs a model to go down to"),
    shapes::rule("self.action == 'Downgrade' || !has(self.model)", "model belongs to action Downgrade: change the action, or remove it"),
]))]
pub struct Threshold {
    /// How much is used, in per cent.
    #[schemars(range(min = 1, max = 100))]
    pub percent: i32,
    /// Notify: a log line and a metric. Downgrade: a cheaper model in the place of dearer ones. Reject: as if all were
    /// used.
    pub action: BudgetAction,
    /// The cheaper model, of action Downgrade. Requests for models that are cheaper still keep theirs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shapes::model")]
    pub model: Option<String>,
}

/// What a threshold does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum BudgetAction {
    /// Tell.
    Notify,
    /// Go down to a cheaper model.
    Downgrade,
    /// Refuse.
    Reject,
}

fn rules() -> serde_json::Value {
    let mut rules = limits::period_rules();
    if let Some(rules) = rules.as_array_mut() {
        rules.insert(
            0,
            shapes::rule(
                "has(self.amount) != has(self.tokens)",
                "a Budget is money or tokens: give either amount or tokens",
            ),
        );
        rules.push(shapes::rule(
            "has(self.amount) == has(oldSelf.amount)",
            "a Budget keeps its unit: what was spent in money can't be told in tokens. Make another one",
        ));
    }
    rules
}
