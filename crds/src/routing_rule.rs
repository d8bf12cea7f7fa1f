//! `RoutingRule`: where some requests go instead.

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{ObjectStatus, rule_test::RuleTestSpec, shapes, weights};

/// Where the requests that match go.
#[expect(clippy::duplicated_attributes, reason = "each printcolumn is a list of its own")]
#[derive(CustomResource, Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "outrigger.dev",
    version = "v1alpha1",
    kind = "RoutingRule",
    plural = "routingrules",
    shortname = "rrule",
    category = "llm",
    namespaced,
    status = "ObjectStatus",
    derive = "PartialEq",
    doc = "A RoutingRule sends the requests that match it to chosen providers and models, or refuses them. The first rule that matches decides. Those of the operator's namespace act on the keys of every namespace, after its own.",
    printcolumn(name = "Priority", type_ = "integer", json_path = ".spec.priority"),
    printcolumn(name = "Ready", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].status"#),
    printcolumn(name = "Reason", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].reason"#),
    printcolumn(name = "Mode", type_ = "string", json_path = ".spec.mode", priority = 1),
    printcolumn(name = "When", type_ = "string", json_path = ".spec.when", priority = 1),
    printcolumn(name = "Sidecars", type_ = "string", json_path = ".status.sidecars.summary"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    shapes::rule("self.action != 'Route' || has(self.targets)", "a rule that routes needs targets: list at least one, or say action: Reject"),
    shapes::rule(
        "self.action != 'Reject' || !(has(self.targets) || has(self.fallbacks) || self.chain)",
        "what is rejected goes nowhere: remove targets, fallbacks and chain, or say action: Route",
    ),
    shapes::rule("self.action != 'Reject' || has(self.message)", "action: Reject needs a message: it is what the caller is told"),
    shapes::rule("self.action == 'Reject' || !has(self.message)", "message is what a caller is told who is rejected: say action: Reject, or remove it"),
]))]
pub struct RoutingRuleSpec {
    /// Lower ones are asked first, among the rules of one scope.
    #[serde(default)]
    #[schemars(range(min = 0, max = 1_000_000))]
    pub priority: i32,
    /// Whose requests. Absent: those of every key of the namespace; in the operator's namespace, of every key there is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<RuleScope>,
    /// A condition in CEL, such as headers["x-tier"] == "premium". Absent: always.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 4096))]
    pub when: Option<String>,
    /// Route: the request goes to one of targets. Reject: it is refused with message.
    #[serde(default)]
    pub action: Action,
    /// What the caller is told, of action Reject.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub message: Option<String>,
    /// Where to: one is drawn by weight.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1, max = 16), extend("x-kubernetes-list-type" = "atomic"))]
    pub targets: Vec<RuleTarget>,
    /// Where to when the target fails, in this order: provider/model, or provider, which keeps the model.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "shapes::fallbacks")]
    pub fallbacks: Vec<String>,
    /// When the condition fails at run time. Skip: no match. Refuse: the request is refused.
    #[serde(default)]
    pub on_error: OnErrorPolicy,
    /// Look again, with the model of the target that was drawn, for the rule that matches now; at most 10 times.
    #[serde(default)]
    pub chain: bool,
    /// Enforce: it decides. Shadow: what it would have decided is recorded, and nothing else comes of it.
    #[serde(default)]
    pub mode: Mode,
    /// What it is meant to do: outrigger check tries each, and says which fails.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1, max = 64), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub tests: Vec<RuleTestSpec>,
}

/// What becomes of requests that match.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Action {
    /// They go to a target.
    #[default]
    Route,
    /// They are refused.
    Reject,
}

/// Whether a rule is in force.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Mode {
    /// It is.
    #[default]
    Enforce,
    /// It only watches.
    Shadow,
}

/// Whose requests a rule looks at.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [shapes::rule(
    "(has(self.virtualKeys) ? 1 : 0) + (has(self.team) ? 1 : 0) + (has(self.customer) ? 1 : 0) <= 1",
    "a rule has one scope: keep one of virtualKeys, team and customer",
)]))]
pub struct RuleScope {
    /// Names of keys of this namespace; in the operator's namespace, of any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "shapes::names")]
    pub virtual_keys: Vec<String>,
    /// The keys of a team.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shapes::owner")]
    pub team: Option<String>,
    /// The keys of a customer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shapes::owner")]
    pub customer: Option<String>,
}

/// One place to go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RuleTarget {
    /// A provider, by the name it has in the key.
    #[schemars(schema_with = "shapes::name")]
    pub provider: String,
    /// The model to ask for. Absent: the one that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shapes::model")]
    pub model: Option<String>,
    /// How often it is chosen, relative to the others. 0: never chosen first, still a fallback.
    #[serde(default = "weights::one")]
    #[schemars(range(min = 0, max = 1_000_000))]
    pub weight: i32,
    /// The credential to use. Absent: any that the key may use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shapes::name")]
    pub credential: Option<String>,
}

/// What a condition that fails at run time means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum OnErrorPolicy {
    /// No match.
    #[default]
    Skip,
    /// The request is refused.
    Refuse,
}
