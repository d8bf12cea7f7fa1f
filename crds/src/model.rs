//! What a provider says of one of its models.

use outrigger_core::Capability;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{price::PriceSpec, shapes};

/// One model of a provider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProviderModel {
    /// What callers say. With * or ?: every name that matches, sent as it was asked for; * alone is any name.
    #[schemars(schema_with = "shapes::model")]
    pub name: String,
    /// What the provider is sent. Absent: the name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shapes::model")]
    pub upstream_name: Option<String>,
    /// What callers may say as well.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "shapes::models")]
    pub aliases: Vec<String>,
    /// Tokens of input and output together that it can take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000_000))]
    pub context_window: Option<i32>,
    /// Tokens of output that it can give.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000_000))]
    pub max_output_tokens: Option<i32>,
    /// What it can do. Absent: not known, so that nothing is held against it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1, max = 16), extend("x-kubernetes-list-type" = "set"))]
    pub capabilities: Vec<Capability>,
    /// What it costs. Absent: what catalogues say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<PriceSpec>,
}
