//! What the operator writes back.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::shapes;

/// Status of every kind.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ObjectStatus {
    /// The generation of the object that this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub observed_generation: Option<i64>,
    /// Accepted, ResolvedRefs, Programmed, Ready; and Stalled, with the same reason, when only the author of the object
    /// can mend it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "conditions")]
    pub conditions: Vec<Condition>,
    /// The gateways that the object concerns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sidecars: Option<Sidecars>,
}

/// How far an object has got.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Sidecars {
    /// Gateways that run.
    #[serde(default)]
    #[schemars(range(min = 0, max = 1_000_000))]
    pub live: i32,
    /// Those of them that are connected to the operator.
    #[serde(default)]
    #[schemars(range(min = 0, max = 1_000_000))]
    pub connected: i32,
    /// Those of them that serve what the object says now.
    #[serde(default)]
    #[schemars(range(min = 0, max = 1_000_000))]
    pub programmed: i32,
    /// Those of them that refused it.
    #[serde(default)]
    #[schemars(range(min = 0, max = 1_000_000))]
    pub rejected: i32,
    /// Programmed of live, such as 11/12.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "figure")]
    pub summary: Option<String>,
}

/// Status of what has limits: LLMProvider, VirtualKey and Budget.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LimitedStatus {
    #[serde(flatten)]
    pub object: ObjectStatus,
    /// The tightest of its limits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<LimitSummary>,
}

/// A limit in four words, for the columns of `kubectl get`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[allow(rustdoc::broken_intra_doc_links, reason = "`kubectl explain` shows these words: brackets in them are no links")]
pub struct LimitSummary {
    /// What is used of it, to the cent: $0.42, or a number of tokens or requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "figure")]
    pub spent: Option<String>,
    /// What may be used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "figure")]
    pub limit: Option<String>,
    /// What may still be granted to gateways.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "figure")]
    pub available: Option<String>,
    /// When it begins anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shapes::time")]
    pub resets: Option<Time>,
    /// The field that sets it, such as spec.limits.budgets[month].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub limit_name: Option<String>,
}

/// A number as text: dollars may have places.
fn figure(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "maxLength": 40})
}

/// What an object says before the operator has seen it, so that nobody takes it for a current one.
pub(crate) fn pending() -> Value {
    json!({
        "conditions": [{
            "type": "Ready",
            "status": "Unknown",
            "reason": "Pending",
            "message": "the operator has not seen this object yet",
            "lastTransitionTime": "1970-01-01T00:00:00Z",
        }],
    })
}

/// `metav1.Condition`, with the limits its own comments give.
fn conditions(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "maxItems": 16,
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["type"],
        "items": {
            "type": "object",
            "required": ["type", "status", "lastTransitionTime", "reason", "message"],
            "properties": {
                "type": {"type": "string", "pattern": shapes::CONDITION, "maxLength": 316},
                "status": {"type": "string", "enum": ["True", "False", "Unknown"], "maxLength": 7},
                "observedGeneration": {"type": "integer", "format": "int64", "minimum": 0},
                "lastTransitionTime": {"type": "string", "format": "date-time", "maxLength": 35},
                "reason": {"type": "string", "pattern": shapes::REASON, "minLength": 1, "maxLength": 1024},
                "message": {"type": "string", "maxLength": 32768},
            },
        },
    })
}
