//! Tests of a RoutingRule: a situation, a request, and the expected result.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use outrigger_core::{Capability, RequestType};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::shapes;

/// One test: a request, decided by all rules of the namespace, and the expected result.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RuleTestSpec {
    /// What the test shows, in plain words.
    #[schemars(length(min = 1, max = 128))]
    pub name: String,
    /// The situation. Absent: every provider is healthy, and nothing is spent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub given: Option<TestGiven>,
    /// The request.
    pub request: TestRequest,
    /// The expected result. All fields must match.
    pub expect: TestExpect,
}

/// The situation of a test.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[allow(rustdoc::broken_intra_doc_links, reason = "`kubectl explain` shows these words: brackets in them are no links")]
pub struct TestGiven {
    /// Providers that are unhealthy, by their names in the key.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "shapes::names")]
    pub unhealthy: Vec<String>,
    /// How much of a limit is used. A limit is named by its Budget, or by its path in the key, such as
    /// limits.budgets[month] or providers[openai].limits.requests[hour].
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "shapes::percentages")]
    pub spent: BTreeMap<String, String>,
    /// The time of the request. Absent: 1970-01-01T00:00:00Z.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shapes::time")]
    pub time: Option<Time>,
    /// The labels of the caller's pod.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "shapes::pod_labels")]
    pub labels: BTreeMap<String, String>,
    /// The name of the caller's pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shapes::object_name")]
    pub workload: Option<String>,
}

/// The request of a test.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TestRequest {
    /// All rows. A row for an exact name takes precedence over one for a prefix or suffix.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shapes::reference")]
    pub key: Option<String>,
    /// The model, as a caller would write it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shapes::model")]
    pub model: Option<String>,
    /// The value of request_type in conditions.
    #[serde(default)]
    pub request_type: RequestType,
    /// Headers. Their names are not case-sensitive.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "shapes::test_values")]
    pub headers: BTreeMap<String, String>,
    /// Query parameters of the URL.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "shapes::test_values")]
    pub params: BTreeMap<String, String>,
    /// The fallbacks in the body; [] is an empty list. Absent: the body has no such field.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shapes::fallbacks_or_none")]
    pub fallbacks: Option<Vec<String>>,
    /// The size of the input, in tokens. Absent: 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1_000_000_000))]
    pub input_tokens: Option<i32>,
    /// The capabilities that the request needs from a model.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1, max = 16), extend("x-kubernetes-list-type" = "set"))]
    pub needs: Vec<Capability>,
}

/// The expected result of a test.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    shapes::rule(
        "has(self.provider) || has(self.anyOf) || has(self.shares) || has(self.model) || has(self.rule) || has(self.fallbacks) || has(self.refused)",
        "expect is empty: set at least one of provider, anyOf, shares, model, rule, fallbacks and refused",
    ),
    shapes::rule(
        "(has(self.provider) ? 1 : 0) + (has(self.anyOf) ? 1 : 0) + (has(self.shares) ? 1 : 0) <= 1",
        "provider, anyOf and shares exclude each other: set only one of them",
    ),
    shapes::rule(
        "!has(self.refused) || !(has(self.provider) || has(self.anyOf) || has(self.shares) || has(self.model) || has(self.fallbacks))",
        "a refused request has no provider: remove refused, or provider, anyOf, shares, model and fallbacks",
    ),
]))]
pub struct TestExpect {
    /// The provider of the first attempt, by its name in the key. If several are possible, the one with the largest
    /// weight.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shapes::name")]
    pub provider: Option<String>,
    /// The first attempt goes to one of these, whatever is chosen at random: provider/model, or provider.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "shapes::fallbacks")]
    pub any_of: Vec<String>,
    /// How often the first attempt goes to each provider/model, or provider, within three percentage points.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "shapes::percentages")]
    pub shares: BTreeMap<String, String>,
    /// The model of the first attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shapes::model")]
    pub model: Option<String>,
    /// The rule that decides, by its name or namespace/name; "" for no rule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shapes::reference_or_none")]
    pub rule: Option<String>,
    /// The attempts after the first, in this order; [] for none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shapes::fallbacks_or_none")]
    pub fallbacks: Option<Vec<String>>,
    /// The request is refused with an error of this type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shapes::word")]
    pub refused: Option<String>,
}
