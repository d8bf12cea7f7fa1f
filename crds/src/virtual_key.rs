//! `VirtualKey`: what a workload may use, and whose it is.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    budget::BudgetRef, limits::LimitsSpec, mock::yes, shapes, status::LimitedStatus, weights, weights::BalancePolicy,
};

/// What the workloads that carry this key may use.
#[expect(clippy::duplicated_attributes, reason = "each printcolumn is a list of its own")]
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "outrigger.dev",
    version = "v1alpha1",
    kind = "VirtualKey",
    plural = "virtualkeys",
    shortname = "vkey",
    category = "llm",
    namespaced,
    status = "LimitedStatus",
    derive = "PartialEq",
    doc = "A VirtualKey says which providers and models the workloads that carry it may use, and whose they are.",
    printcolumn(name = "Ready", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].status"#),
    printcolumn(name = "Reason", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].reason"#),
    printcolumn(name = "Spent", type_ = "string", json_path = ".status.summary.spent"),
    printcolumn(name = "Limit", type_ = "string", json_path = ".status.summary.limit"),
    printcolumn(name = "Resets", type_ = "string", json_path = ".status.summary.resets"),
    printcolumn(name = "Available", type_ = "string", json_path = ".status.summary.available", priority = 1),
    printcolumn(name = "Team", type_ = "string", json_path = ".spec.team", priority = 1),
    printcolumn(name = "Customer", type_ = "string", json_path = ".spec.customer", priority = 1),
    printcolumn(name = "Suspended", type_ = "boolean", json_path = ".spec.suspended", priority = 1),
    printcolumn(name = "Expires", type_ = "string", json_path = ".spec.expiresAt", priority = 1),
    printcolumn(name = "Sidecars", type_ = "string", json_path = ".status.sidecars.summary"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct VirtualKeySpec {
    /// Who may serve, and how often. Absent: every provider of the namespace, with equal weights.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1, max = 32), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub providers: Vec<KeyProviderSpec>,
    /// How the next provider is chosen. Weighted: by weight alone. Adaptive: less of those that are slow or fail at present.
    #[serde(default)]
    pub balance: BalancePolicy,
    /// Which models may be asked for. Absent: all that the providers serve.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub models: Option<ModelFence>,
    /// Whether answers of the OpenAI dialect carry extra_fields: who served, and why.
    #[serde(default = "yes")]
    pub extra_fields: bool,
    /// Hashes of tokens that clients already hold, and that stand for this key.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1, max = 32), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["sha256"]))]
    pub aliases: Vec<TokenAlias>,
    /// How much may be used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<KeyLimits>,
    /// Budgets that are shared with others. What the key uses is used of each of them, and of their parents.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1, max = 16), extend("x-kubernetes-list-type" = "atomic"))]
    pub budget_refs: Vec<BudgetRef>,
    /// When a provider has used up its own limits, or the key's for it. NextProvider: the next one is asked. Reject: the
    /// request is refused.
    #[serde(default)]
    pub on_limit: OnLimitPolicy,
    /// Under a budget in money: requests for models whose price nobody knows. Allow: served, and counted as free.
    #[serde(default)]
    pub unpriced: Uncounted,
    /// Under a budget in money: requests whose cost nobody could tell, such as with a tool that the provider bills by
    /// itself; under a Budget in tokens: those whose tokens nobody is told, such as in the background. Allow: served, and
    /// counted by what is told.
    #[serde(default)]
    pub unmetered: Uncounted,
    /// When a caller goes away in mid-answer. Cancel: the provider is told to stop. Drain: the answer is read to its end,
    /// so that its usage is known exactly.
    #[serde(default)]
    pub on_hang_up: OnHangUpPolicy,
    /// The workloads that may use it, in a cluster. Absent: every pod of the namespace that is bound to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed_workloads: Option<AllowedWorkloads>,
    /// Whether callers who send neither its name nor a token of it may use it, where it is their key otherwise: as the only
    /// one, as the one named default, or as the one that their pod is bound to. Refuse: 401.
    #[serde(default)]
    pub without_key: Nameless,
    /// Taken out of use: the way to revoke it.
    #[serde(default)]
    pub suspended: bool,
    /// From when on it is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shapes::time")]
    pub expires_at: Option<Time>,
    /// The team it counts for. The namespace's label outrigger.dev/team, where there is one, must agree.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shapes::owner")]
    pub team: Option<String>,
    /// The customer it counts for. The namespace's label outrigger.dev/customer, where there is one, must agree.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shapes::owner")]
    pub customer: Option<String>,
}

/// One provider that a key may use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct KeyProviderSpec {
    /// What callers (name/model), rules and headers call it.
    #[schemars(schema_with = "shapes::name")]
    pub name: String,
    /// The LLMProvider. Absent: the one of this name in this namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider_ref: Option<ProviderRef>,
    /// How often it is chosen, relative to the others. 0: never chosen first, still a fallback.
    #[serde(default = "weights::one")]
    #[schemars(range(min = 0, max = 1_000_000))]
    pub weight: i32,
    /// Globs of the models it may serve. Absent: all that it serves.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "shapes::globs")]
    pub models: Vec<String>,
    /// Names of the provider's credentials that may be used. Absent: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "shapes::names", length(max = 16))]
    pub credentials: Vec<String>,
    /// How much this key may use of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<LimitsSpec>,
}

/// An LLMProvider, in this namespace or another that shares it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProviderRef {
    /// Its name.
    #[schemars(schema_with = "shapes::name")]
    pub name: String,
    /// Its namespace. Absent: the key's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shapes::namespace")]
    pub namespace: Option<String>,
}

/// Which models a key may ask for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ModelFence {
    /// Globs of the models that may be asked for. Absent: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "shapes::globs")]
    pub allow: Vec<String>,
    /// Globs of the models that may not. deny wins over allow.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "shapes::globs")]
    pub deny: Vec<String>,
}

/// Workloads, by what they run as.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AllowedWorkloads {
    /// Names of service accounts of this namespace. Credentials that the key reaches are given to their pods alone, by
    /// the operator's stream.
    #[schemars(schema_with = "shapes::accounts")]
    pub service_accounts: Vec<String>,
}

/// A token that a client already holds, known by its hash alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TokenAlias {
    /// SHA-256 of the token, in lower-case hexadecimal.
    #[schemars(schema_with = "shapes::sha256")]
    pub sha256: String,
}

/// How much a key may use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    shapes::rule(
        "!has(self.minOutputTokens) || !has(self.maxOutputTokens) || self.minOutputTokens <= self.maxOutputTokens",
        "minOutputTokens is more than maxOutputTokens: lower it",
    ),
    shapes::rule(
        "!has(self.minOutputTokens) || self.capOutput",
        "minOutputTokens bounds the caps that the gateway writes, and capOutput: false lets it write none: remove one of the two",
    ),
]))]
pub struct KeyLimits {
    #[serde(flatten)]
    pub limits: LimitsSpec,
    /// No answer is longer, whatever its caller asks for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000_000))]
    pub max_output_tokens: Option<i32>,
    /// No cap that the gateway writes is lower. Absent: 1024.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000_000))]
    pub min_output_tokens: Option<i32>,
    /// Whether the gateway may cap an answer whose caller set no cap, when it could cost more than a quarter of what is
    /// left of a budget.
    #[serde(default = "yes")]
    pub cap_output: bool,
}

/// When limits of a provider are used up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum OnLimitPolicy {
    /// The next one is asked.
    #[default]
    NextProvider,
    /// The request is refused.
    Reject,
}

/// What becomes of requests that a budget can't count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Uncounted {
    /// They are refused.
    #[default]
    Refuse,
    /// They are served, and counted as free.
    Allow,
}

/// What callers may do who name no key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Nameless {
    /// Use the key.
    #[default]
    Allow,
    /// Not use it.
    Refuse,
}

/// When a caller goes away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum OnHangUpPolicy {
    /// The provider is told to stop.
    #[default]
    Cancel,
    /// The answer is read to its end.
    Drain,
}
