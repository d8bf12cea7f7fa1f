//! Facts about one model of a provider.

use outrigger_core::Capability;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{price::PriceSpec, shapes};

/// One model of a provider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProviderModel {
    /// The name that callers use. With * or ?: every name that matches, and the provider gets the name that the caller
    /// used; * alone matches any name.
    #[schemars(schema_with = "shapes::model")]
    pub name: String,
    /// The name that is sent to the provider. Absent: the same name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shapes::model")]
    pub upstream_name: Option<String>,
    /// Other names that callers may use.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "shapes::models")]
    pub aliases: Vec<String>,
    /// The tokens that fit into it, input and output together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000_000))]
    pub context_window: Option<i32>,
    /// The tokens of output that it can produce at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000_000))]
    pub max_output_tokens: Option<i32>,
    /// Its capabilities. Absent: unknown, and no request is kept from it for lack of a capability.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1, max = 16), extend("x-kubernetes-list-type" = "set"))]
    pub capabilities: Vec<Capability>,
    /// Its price. Absent: the price in a catalogue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<PriceSpec>,
}
