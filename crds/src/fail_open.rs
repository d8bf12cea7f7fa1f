//! What gateways do under a shared limit while the ledger can't be reached.

use outrigger_core::Money;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{
    GoDuration,
    limits::{self, COUNT_MAX},
    shapes,
};

/// What becomes of requests that a shared limit counts, while the gateway can't reach the ledger and has used up what it
/// was granted.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    shapes::rule(
        "self.policy != 'FailOpen' || has(self.maxPerPod)",
        "FailOpen needs maxPerPod: say how much each pod may use without the ledger",
    ),
    shapes::rule(
        "self.policy == 'FailOpen' || !(has(self.maxPerPod) || has(self.maxDuration))",
        "FailClosed lets nothing through: remove maxPerPod and maxDuration, or set policy: FailOpen",
    ),
]))]
pub struct OnLedgerUnavailable {
    /// FailClosed: they are refused with 503. FailOpen: each pod lets some through.
    #[serde(default)]
    pub policy: LedgerUnavailablePolicy,
    /// How much each pod may use beyond what it was granted, of each limit in its period. Limits whose unit is not named
    /// stay closed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_per_pod: Option<MaxPerPod>,
    /// For how long after it last heard the ledger. Absent: 10m.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "lasting")]
    pub max_duration: Option<GoDuration>,
}

/// Whether requests pass that nobody has granted anything for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum LedgerUnavailablePolicy {
    /// They are refused.
    #[default]
    FailClosed,
    /// Some of them pass.
    FailOpen,
}

/// How much a pod may use without the ledger.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [shapes::rule(
    "has(self.budget) || has(self.tokens) || has(self.requests)",
    "name at least one of budget, tokens and requests: what is not named stays closed",
)]))]
pub struct MaxPerPod {
    /// Of limits in money: so many dollars.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "limits::amount")]
    pub budget: Option<Money>,
    /// Of limits on tokens: so many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = COUNT_MAX))]
    pub tokens: Option<i64>,
    /// Of limits on requests: so many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = COUNT_MAX))]
    pub requests: Option<i64>,
}

fn lasting(generator: &mut SchemaGenerator) -> Schema {
    let mut schema = generator.subschema_for::<GoDuration>();
    let nonzero = shapes::rule("self.matches('[1-9]')", "maxDuration must be longer than zero, such as 10m");
    schema.insert("x-kubernetes-validations".into(), json!([nonzero]));
    schema
}
