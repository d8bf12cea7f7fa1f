//! `VirtualKey`: what a workload may use, and whose it is.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{ObjectStatus, mock::yes, shapes, weights, weights::Balance};

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
    status = "ObjectStatus",
    derive = "PartialEq",
    doc = "A VirtualKey says which providers and models the workloads that carry it may use, and whose they are.",
    printcolumn(name = "Ready", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].status"#),
    printcolumn(name = "Reason", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].reason"#),
    printcolumn(name = "Team", type_ = "string", json_path = ".spec.team"),
    printcolumn(name = "Customer", type_ = "string", json_path = ".spec.customer", priority = 1),
    printcolumn(name = "Suspended", type_ = "boolean", json_path = ".spec.suspended", priority = 1),
    printcolumn(name = "Expires", type_ = "string", json_path = ".spec.expiresAt", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct VirtualKeySpec {
    /// Who may serve, and how often. Absent: every provider of the namespace, with equal weights.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1, max = 32), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub providers: Vec<KeyProvider>,
    /// How the next provider is chosen. Weighted: by weight alone. Adaptive: less of those that are slow at present.
    #[serde(default)]
    pub balance: Balance,
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
pub struct KeyProvider {
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

/// A token that a client already holds, known by its hash alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TokenAlias {
    /// SHA-256 of the token, in lower-case hexadecimal.
    #[schemars(schema_with = "shapes::sha256")]
    pub sha256: String,
}

/// How much a key may use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct KeyLimits {
    /// Requests in flight at once, in each gateway. Absent: any number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub concurrent_requests: Option<i32>,
}
