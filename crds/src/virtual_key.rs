//! `VirtualKey`: what a workload may use, and which team and customer it belongs to.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::CustomResource;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};
use serde_json::json;

use outrigger_core::Money;

use crate::{
    GoDuration, OnLedgerUnavailable, budget::BudgetRef, limits, limits::LimitsSpec, mock::yes, shapes,
    status::LimitedStatus, weights, weights::BalancePolicy,
};

/// What the workloads that use this key may do.
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
    doc = "A VirtualKey defines which providers and models its workloads may use, within which limits, and which team and customer they belong to.",
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
    /// The providers that may serve its requests, and how often. Absent: every provider of the namespace, with equal
    /// weights.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1, max = 32), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub providers: Vec<KeyProviderSpec>,
    /// How the next provider is chosen. Weighted: only by weight. Adaptive: less often those that are slow or fail at
    /// present.
    #[serde(default)]
    pub balance: BalancePolicy,
    /// Which models may be requested. Absent: all that the providers serve.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub models: Option<ModelAccess>,
    /// Whether answers in OpenAI's format include extra_fields: which provider answered, and why.
    #[serde(default = "yes")]
    pub extra_fields: bool,
    /// Hashes of existing tokens of clients. A request with such a token uses this key.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1, max = 32), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["sha256"]))]
    pub aliases: Vec<TokenAlias>,
    /// Limits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<KeyLimits>,
    /// Shared budgets. What the key uses counts against each of them, and against their parents.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1, max = 16), extend("x-kubernetes-list-type" = "atomic"))]
    pub budget_refs: Vec<BudgetRef>,
    /// What to do if a provider has used up its own limits, or the key's limits for it. NextProvider: try the next one.
    /// Reject: refuse the request.
    #[serde(default)]
    pub on_limit: OnLimitPolicy,
    /// What gateways do under the key's own limits while they can't reach the ledger. The Budgets that count the key, and its
    /// providers, say so for theirs. Absent: FailClosed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_ledger_unavailable: Option<OnLedgerUnavailable>,
    /// Under a budget in money: requests for models without a known price. Allow: they are served, and counted as free.
    #[serde(default)]
    pub unpriced: UncountedPolicy,
    /// Under a budget in money: requests whose cost can't be determined, for example because a provider bills a tool
    /// separately. Under a Budget in tokens: requests whose tokens the provider does not report, for example in
    /// background mode. Allow: they are served, and only what is reported counts.
    #[serde(default)]
    pub unmetered: UncountedPolicy,
    /// What to do if a caller disconnects before the end of an answer. Cancel: cancel the request at the provider.
    /// Drain: read the answer to its end, so that its usage is known exactly.
    #[serde(default)]
    pub on_hang_up: OnHangUpPolicy,
    /// The workloads that may use it, in a cluster. Absent: every pod of the namespace that is bound to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed_workloads: Option<AllowedWorkloads>,
    /// Whether callers that send neither its name nor a token of it may use it, if it is their default: because it is
    /// the only key, because its name is default, or because their pod is bound to it. Refuse: they get 401.
    #[serde(default)]
    pub without_key: KeylessCallers,
    /// Whether it is out of use. Set this to revoke it.
    #[serde(default)]
    pub suspended: bool,
    /// When it expires. From then on its requests are refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shapes::time")]
    pub expires_at: Option<Time>,
    /// The team that it belongs to. If the namespace has the label outrigger.dev/team, both must agree.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shapes::owner")]
    pub team: Option<String>,
    /// The customer that it belongs to. If the namespace has the label outrigger.dev/customer, both must agree.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shapes::owner")]
    pub customer: Option<String>,
}

/// One provider that a key may use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct KeyProviderSpec {
    /// The name that callers (name/model), rules and headers use.
    #[schemars(schema_with = "shapes::name")]
    pub name: String,
    /// The LLMProvider. Absent: the one with this name in this namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider_ref: Option<ProviderRef>,
    /// How often it is chosen, relative to the others. 0: never chosen first, but used as a fallback.
    #[serde(default = "weights::one")]
    #[schemars(range(min = 0, max = 1_000_000))]
    pub weight: i32,
    /// Globs of the models that it may serve. Absent: all that it serves.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "shapes::globs")]
    pub models: Vec<String>,
    /// Names of the provider's credentials that may be used. Absent: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "shapes::names", length(max = 16))]
    pub credentials: Vec<String>,
    /// Limits of this key at this provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<LimitsSpec>,
}

/// A reference to an LLMProvider, in this namespace or in one that shares it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProviderRef {
    /// The name of the LLMProvider.
    #[schemars(schema_with = "shapes::name")]
    pub name: String,
    /// The namespace of the LLMProvider. Absent: the key's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shapes::namespace")]
    pub namespace: Option<String>,
}

/// Which models a key may request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ModelAccess {
    /// Globs of the models that may be requested. Absent: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "shapes::globs")]
    pub allow: Vec<String>,
    /// Globs of the models that may not be requested. deny overrides allow.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "shapes::globs")]
    pub deny: Vec<String>,
}

/// Workloads, by their service accounts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AllowedWorkloads {
    /// Names of service accounts of this namespace. The operator's stream gives the credentials that the key can use
    /// only to pods of these accounts.
    #[schemars(schema_with = "shapes::accounts")]
    pub service_accounts: Vec<String>,
}

/// An existing token of a client, known only by its hash.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TokenAlias {
    /// SHA-256 of the token, in lower-case hexadecimal.
    #[schemars(schema_with = "shapes::sha256")]
    pub sha256: String,
}

/// Limits of a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    shapes::rule(
        "!has(self.minOutputTokens) || !has(self.maxOutputTokens) || self.minOutputTokens <= self.maxOutputTokens",
        "minOutputTokens is larger than maxOutputTokens: make it smaller",
    ),
    shapes::rule(
        "!has(self.minOutputTokens) || self.capOutput",
        "minOutputTokens has no effect with capOutput: false: remove one of the two",
    ),
]))]
pub struct KeyLimits {
    #[serde(flatten)]
    pub limits: LimitsSpec,
    /// Limits on one run of an agent, or on one conversation. Each gateway counts separately.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionLimits>,
    /// The most tokens of output, whatever the caller requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000_000))]
    pub max_output_tokens: Option<i32>,
    /// The lowest limit of output tokens that the gateway sets. Absent: 1024.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000_000))]
    pub min_output_tokens: Option<i32>,
    /// Whether the gateway may limit the output of a request whose caller set no limit, if the answer could cost more
    /// than a quarter of what is left of a budget.
    #[serde(default = "yes")]
    pub cap_output: bool,
}

/// Limits on one session: one run of an agent, or one conversation. A session begins with its first request. It ends after
/// the time `idle` without requests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    shapes::rule(
        "has(self.budgets) || has(self.requests) || has(self.tokens) || has(self.repeats)",
        "a session needs a limit: set budgets, requests, tokens or repeats",
    ),
]))]
pub struct SessionLimits {
    /// The request header that carries the session's id. It is not sent to providers.
    #[serde(default = "session_header")]
    #[schemars(schema_with = "shapes::session_header")]
    pub header: String,
    /// Whether a request without the header is refused. If false, it belongs to no session, and only repeats applies.
    #[serde(default)]
    pub required: bool,
    /// A session ends after this time without requests: at least 10s.
    #[serde(default = "an_hour")]
    #[schemars(schema_with = "idle")]
    pub idle: GoDuration,
    /// Money.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1, max = 8), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub budgets: Vec<SessionMoneyLimit>,
    /// Requests of the caller.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1, max = 8), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub requests: Vec<SessionCountLimit>,
    /// Tokens, of input (cached ones too) and output together.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1, max = 8), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub tokens: Vec<SessionCountLimit>,
    /// How often a conversation may contain the same tool call: the same tool with the same arguments. A request that contains
    /// it more often is refused. Absent: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10_000))]
    pub repeats: Option<i32>,
}

/// A limit on the money of a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SessionMoneyLimit {
    /// What errors and reports call it.
    #[schemars(schema_with = "shapes::name")]
    pub name: String,
    /// How much, in dollars.
    #[schemars(schema_with = "limits::amount")]
    pub amount: Money,
}

/// A limit on the requests or tokens of a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SessionCountLimit {
    /// What errors and reports call it.
    #[schemars(schema_with = "shapes::name")]
    pub name: String,
    /// How many.
    #[schemars(range(min = 1, max = limits::COUNT_MAX))]
    pub max: i64,
}

fn session_header() -> String {
    shapes::SESSION_HEADER.to_owned()
}

fn an_hour() -> GoDuration {
    GoDuration::from_millis(3_600_000)
}

/// If a session ended at once, its limits would have no effect.
fn idle(generator: &mut SchemaGenerator) -> Schema {
    let mut schema = generator.subschema_for::<GoDuration>();
    schema.insert("default".into(), json!("1h"));
    // Any hours or minutes, ten seconds, or five digits of milliseconds. What is no duration has its own message.
    let least = shapes::rule(
        &format!(
            "!self.matches('{}') || self.matches('[1-9][0-9]*h|[1-9][0-9]*m([^s]|$)|[1-9][0-9]+s|[1-9][0-9]{{4}}ms')",
            crate::duration::PATTERN
        ),
        "idle must be at least 10s, such as 30m: a session that ends at once has no limits",
    );
    schema.insert("x-kubernetes-validations".into(), json!([least]));
    schema
}

/// What to do if the limits of a provider are used up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum OnLimitPolicy {
    /// The next provider is tried.
    #[default]
    NextProvider,
    /// The request is refused.
    Reject,
}

/// What happens to requests that a budget can't count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum UncountedPolicy {
    /// They are refused.
    #[default]
    Refuse,
    /// They are served, and counted as free.
    Allow,
}

/// What callers that send no key may do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum KeylessCallers {
    /// They may use the key.
    #[default]
    Allow,
    /// They may not use the key.
    Refuse,
}

/// What to do if a caller disconnects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum OnHangUpPolicy {
    /// The provider is told to stop.
    #[default]
    Cancel,
    /// The answer is read to its end.
    Drain,
}
