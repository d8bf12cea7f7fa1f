//! What the operator writes back.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Shape of a condition's `reason`; its `type` keeps to the same.
pub(crate) const REASON: &str = "^[A-Za-z]([A-Za-z0-9_]*[A-Za-z0-9])?$";

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
        "maxItems": 8,
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["type"],
        "items": {
            "type": "object",
            "required": ["type", "status", "lastTransitionTime", "reason", "message"],
            "properties": {
                "type": {"type": "string", "pattern": REASON, "maxLength": 316},
                "status": {"type": "string", "enum": ["True", "False", "Unknown"], "maxLength": 7},
                "observedGeneration": {"type": "integer", "format": "int64", "minimum": 0},
                "lastTransitionTime": {"type": "string", "format": "date-time", "maxLength": 35},
                "reason": {"type": "string", "pattern": REASON, "minLength": 1, "maxLength": 1024},
                "message": {"type": "string", "maxLength": 32768},
            },
        },
    })
}
