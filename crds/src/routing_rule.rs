//! `RoutingRule`: routes the requests that match, or refuses them.

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{ObjectStatus, rule_test::RuleTestSpec, shapes, weights};

/// A condition, and where the requests that match it go.
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
    doc = "A RoutingRule sends the requests that match it to chosen providers and models, or refuses them. The first rule that matches decides. Rules of the operator's namespace apply to the keys of every namespace, after the rules of that namespace.",
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
    shapes::rule("self.action != 'Route' || has(self.targets)", "action: Route needs targets: list at least one, or set action: Reject"),
    shapes::rule(
        "self.action != 'Reject' || !(has(self.targets) || has(self.fallbacks) || self.chain)",
        "action: Reject has no targets: remove targets, fallbacks and chain, or set action: Route",
    ),
    shapes::rule("self.action != 'Reject' || has(self.message)", "action: Reject needs message: set the error message for the caller"),
    shapes::rule("self.action == 'Reject' || !has(self.message)", "message is only for action: Reject: set that action, or remove message"),
]))]
pub struct RoutingRuleSpec {
    /// Rules with a lower number are evaluated first, among the rules of one scope.
    #[serde(default)]
    #[schemars(range(min = 0, max = 1_000_000))]
    pub priority: i32,
    /// The keys that the rule applies to. Absent: every key of the namespace; in the operator's namespace, every key of
    /// the cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<RuleScope>,
    /// A condition in CEL, such as headers["x-tier"] == "premium". Absent: always true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 4096))]
    pub when: Option<String>,
    /// Route: the request goes to one of targets. Reject: it is refused with message.
    #[serde(default)]
    pub action: Action,
    /// The error message for the caller, for action Reject.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub message: Option<String>,
    /// The targets. One is chosen at random, by weight.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1, max = 16), extend("x-kubernetes-list-type" = "atomic"))]
    pub targets: Vec<RuleTarget>,
    /// The fallbacks, in this order, if the target fails: provider/model, or provider, which keeps the model.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "shapes::fallbacks")]
    pub fallbacks: Vec<String>,
    /// What to do if the condition fails at run time. Skip: the rule does not match. Refuse: the request is refused.
    #[serde(default)]
    pub on_error: OnErrorPolicy,
    /// Whether to evaluate the rules again with the model of the chosen target, at most 10 times.
    #[serde(default)]
    pub chain: bool,
    /// Enforce: the rule decides. Shadow: the rule's decision is recorded and has no other effect.
    #[serde(default)]
    pub mode: Mode,
    /// Tests of the rule. outrigger check runs each of them and reports failures.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1, max = 64), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub tests: Vec<RuleTestSpec>,
}

/// What happens to requests that match.
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
    /// The rule is in force.
    #[default]
    Enforce,
    /// The rule's decision is only recorded.
    Shadow,
}

/// The keys that a rule applies to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [shapes::rule(
    "(has(self.virtualKeys) ? 1 : 0) + (has(self.team) ? 1 : 0) + (has(self.customer) ? 1 : 0) <= 1",
    "a rule has one scope: set only one of virtualKeys, team and customer",
)]))]
pub struct RuleScope {
    /// Names of keys of this namespace; in the operator's namespace, of any namespace.
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

/// One target of a rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RuleTarget {
    /// A provider, by its name in the key.
    #[schemars(schema_with = "shapes::name")]
    pub provider: String,
    /// The model to use. Absent: the one in the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shapes::model")]
    pub model: Option<String>,
    /// How often it is chosen, relative to the others. 0: never chosen first, but used as a fallback.
    #[serde(default = "weights::one")]
    #[schemars(range(min = 0, max = 1_000_000))]
    pub weight: i32,
    /// The credential to use. Absent: any that the key may use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shapes::name")]
    pub credential: Option<String>,
}

/// What to do if a condition fails at run time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum OnErrorPolicy {
    /// The rule does not match.
    #[default]
    Skip,
    /// The request is refused.
    Refuse,
}
