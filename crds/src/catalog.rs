//! `ModelCatalog`: what is known of models beside what providers say.

use kube::CustomResource;
use outrigger_core::Capability;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{ObjectStatus, price::PriceSpec, shapes};

/// What is known of models.
#[expect(clippy::duplicated_attributes, reason = "each printcolumn is a list of its own")]
#[derive(CustomResource, Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "outrigger.dev",
    version = "v1alpha1",
    kind = "ModelCatalog",
    plural = "modelcatalogs",
    shortname = "llmc",
    category = "llm",
    namespaced,
    status = "ObjectStatus",
    derive = "PartialEq",
    doc = "A ModelCatalog says what models take, can do and cost. A provider's own word comes first, then a catalogue of its namespace, then one of the operator's namespace, which tells providers everywhere, then the one that is built in.",
    printcolumn(name = "Ready", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].status"#),
    printcolumn(name = "Reason", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].reason"#),
    printcolumn(name = "Sidecars", type_ = "string", json_path = ".status.sidecars.summary"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct ModelCatalogSpec {
    /// The models. Several catalogues of a namespace add up.
    #[schemars(length(min = 1, max = 500), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub models: Vec<CatalogModel>,
}

/// One model, whoever serves it. What is not said of it here is looked up further on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CatalogModel {
    /// Its name, as providers have it.
    #[schemars(schema_with = "shapes::model")]
    pub name: String,
    /// Tokens of input and output together that it can take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000_000))]
    pub context_window: Option<i32>,
    /// Tokens of output that it can give.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000_000))]
    pub max_output_tokens: Option<i32>,
    /// What it can do.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1, max = 16), extend("x-kubernetes-list-type" = "set"))]
    pub capabilities: Vec<Capability>,
    /// What it costs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<PriceSpec>,
}
