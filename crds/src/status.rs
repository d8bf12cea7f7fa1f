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
    /// The limit that is used most. If nothing is spent yet: the tightest one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<LimitSummary>,
    /// Each limit that gateways share, over all gateways. Written at most every 15 seconds, and at once when a limit
    /// reaches 50, 80, 90, 95 or 100 percent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = LIMITS_MAX), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub limits: Vec<LimitStatus>,
    /// The last ten actions on these limits: forgive, reset or raise. The newest is the last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = ACTIONS_MAX), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["id"]))]
    pub actions: Vec<LedgerActionStatus>,
}

/// So many limits of an object are in its status at most.
pub const LIMITS_MAX: usize = 100;
/// So many actions are kept.
pub const ACTIONS_MAX: usize = 10;
/// So many workloads are named for a limit.
pub const WORKLOADS_MAX: usize = 10;

/// A limit over all gateways, in the period that is served. Money is in dollars, such as $0.42.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[allow(rustdoc::broken_intra_doc_links, reason = "`kubectl explain` shows these words: brackets in them are no links")]
pub struct LimitStatus {
    /// The field that sets it, such as spec.limits.budgets[month].
    #[schemars(length(max = 253))]
    pub name: String,
    /// What it counts: usd, tokens or requests.
    #[schemars(length(max = 16))]
    pub unit: String,
    /// Month, Lifetime and so on; of a rolling window its length, such as 24h.
    #[schemars(length(max = 40))]
    pub window: String,
    /// What may be used, with a raise that is in force.
    #[schemars(schema_with = "figure")]
    pub limit: String,
    /// What was settled since the period began, or since it was reset.
    #[schemars(schema_with = "figure")]
    pub spent: String,
    /// What requests in flight may cost at most.
    #[schemars(schema_with = "figure")]
    pub reserved: String,
    /// What gateways hold beside that, to spend it.
    #[schemars(schema_with = "figure")]
    pub leased: String,
    /// What gateways held that ended without a last report. It counts as spent until it is forgiven.
    #[schemars(schema_with = "figure")]
    pub unconfirmed: String,
    /// What may still be granted to gateways. What they hold already is not in it.
    #[schemars(schema_with = "figure")]
    pub available: String,
    /// How much more than the limit can be spent at worst, if answers keep to their caps and prices are right: what the
    /// pods that there are may use together while they can't reach the ledger.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "figure")]
    pub worst_case_overshoot: Option<String>,
    /// How much is used, in percent: 50, 80, 90, 95, 100, or a threshold of the object. Absent: less than all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100))]
    pub reached: Option<i32>,
    /// When the period began. Absent: it has no beginning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shapes::time")]
    pub period_start: Option<Time>,
    /// When the next period begins. Absent: never, or the window is rolling.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shapes::time")]
    pub resets_at: Option<Time>,
    /// A raise that is in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raised: Option<RaisedLimit>,
    /// When every gateway that uses it had reported.
    #[schemars(schema_with = "shapes::time")]
    pub as_of: Time,
    /// The workloads that spent most since the period began, at most ten.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = WORKLOADS_MAX), extend("x-kubernetes-list-type" = "atomic"))]
    pub workloads: Vec<WorkloadSpend>,
}

/// A limit that is raised for a time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RaisedLimit {
    /// By how much.
    #[schemars(schema_with = "figure")]
    pub by: String,
    /// When it ends.
    #[schemars(schema_with = "shapes::time")]
    pub until: Time,
}

/// What one workload spent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WorkloadSpend {
    /// Namespace, kind and name, such as shop/Deployment/search.
    #[schemars(length(max = 253))]
    pub workload: String,
    /// How much, also before a reset.
    #[schemars(schema_with = "figure")]
    pub spent: String,
}

/// What was done about a limit, as its annotation outrigger.dev/ledger-action asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LedgerActionStatus {
    /// The action's own id. It is done once.
    #[schemars(length(max = 64))]
    pub id: String,
    /// Forgive, Reset or Raise. Absent: the annotation can't be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16))]
    pub verb: Option<String>,
    /// As in status.limits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub limit: Option<String>,
    /// Who asked for it, as far as the API server knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub by: Option<String>,
    /// When the operator did it.
    #[schemars(schema_with = "shapes::time")]
    pub at: Time,
    /// What was forgiven, what was spent before the reset, or by how much the limit was raised.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "figure")]
    pub amount: Option<String>,
    /// When a raise ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shapes::time")]
    pub until: Option<Time>,
    /// Why, in the words of who asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub reason: Option<String>,
    /// Done; or Refused, with what to do in message.
    #[schemars(length(max = 16))]
    pub result: String,
    /// Why it was refused, and what to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub message: Option<String>,
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
