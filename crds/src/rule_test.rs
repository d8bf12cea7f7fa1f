//! The tests that a RoutingRule brings along: what is given, what is asked, what must come of it.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use outrigger_core::{Capability, RequestType};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::shapes;

/// One test: a request, decided by all the rules there are, and what must come of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RuleTestSpec {
    /// What it shows, in plain words.
    #[schemars(length(min = 1, max = 128))]
    pub name: String,
    /// The world in which it is asked. Absent: all is well, and nothing is spent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub given: Option<TestGiven>,
    /// What is asked.
    pub request: TestRequest,
    /// What must come of it: all of this.
    pub expect: TestExpect,
}

/// The world of a test.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[allow(rustdoc::broken_intra_doc_links, reason = "`kubectl explain` shows these words: brackets in them are no links")]
pub struct TestGiven {
    /// Providers that are down, by the names they have in the key.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "shapes::names")]
    pub unhealthy: Vec<String>,
    /// How much of limits is used: by the name of a Budget, or by the place of a limit in the key, such as
    /// limits.budgets[month] or providers[openai].limits.requests[hour].
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "shapes::percentages")]
    pub spent: BTreeMap<String, String>,
    /// What time it is. Absent: 1970-01-01T00:00:00Z.
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

/// What a test asks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TestRequest {
    /// Whose request it is: a key that the rule acts on. Absent: the first of them, by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shapes::reference")]
    pub key: Option<String>,
    /// The model, as a caller would write it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shapes::model")]
    pub model: Option<String>,
    /// What conditions see as request_type.
    #[serde(default)]
    pub request_type: RequestType,
    /// Headers, their names in any case.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "shapes::test_values")]
    pub headers: BTreeMap<String, String>,
    /// Parameters of the URL.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "shapes::test_values")]
    pub params: BTreeMap<String, String>,
    /// The fallbacks in the body; [] is a body that has none. Absent: a body that doesn't say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shapes::fallbacks_or_none")]
    pub fallbacks: Option<Vec<String>>,
    /// How large it is. Absent: 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1_000_000_000))]
    pub input_tokens: Option<i32>,
    /// What it asks of a model.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1, max = 16), extend("x-kubernetes-list-type" = "set"))]
    pub needs: Vec<Capability>,
}

/// What must come of a test.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    shapes::rule(
        "has(self.provider) || has(self.anyOf) || has(self.shares) || has(self.model) || has(self.rule) || has(self.fallbacks) || has(self.refused)",
        "a test that expects nothing shows nothing: give provider, anyOf, shares, model, rule, fallbacks or refused",
    ),
    shapes::rule(
        "(has(self.provider) ? 1 : 0) + (has(self.anyOf) ? 1 : 0) + (has(self.shares) ? 1 : 0) <= 1",
        "say once where the request goes: keep one of provider, anyOf and shares",
    ),
    shapes::rule(
        "!has(self.refused) || !(has(self.provider) || has(self.anyOf) || has(self.shares) || has(self.model) || has(self.fallbacks))",
        "a request that is refused goes nowhere: remove refused, or provider, anyOf, shares, model and fallbacks",
    ),
]))]
pub struct TestExpect {
    /// The provider that is asked first, by its name in the key; of several that may be drawn, the heaviest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shapes::name")]
    pub provider: Option<String>,
    /// Whatever is drawn, what is asked first is one of these: provider/model, or provider.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "shapes::fallbacks")]
    pub any_of: Vec<String>,
    /// How often each provider/model, or provider, is asked first, within three per cent.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "shapes::percentages")]
    pub shares: BTreeMap<String, String>,
    /// The model that is asked for first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shapes::model")]
    pub model: Option<String>,
    /// The rule that decides, by its name or namespace/name; "" for none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shapes::reference_or_none")]
    pub rule: Option<String>,
    /// What is tried after the first, in this order; [] is nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shapes::fallbacks_or_none")]
    pub fallbacks: Option<Vec<String>>,
    /// The request is refused with an error of this type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shapes::word")]
    pub refused: Option<String>,
}
