//! `ModelCatalog`: facts about models, in addition to those in providers.

use kube::CustomResource;
use outrigger_core::Capability;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{ObjectStatus, price::PriceSpec, shapes};

/// Facts about models.
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
    doc = "A ModelCatalog lists sizes, capabilities and prices of models. For each fact, the provider's own models come first, then a catalogue of its namespace, then one of the operator's namespace, which applies to providers everywhere, then the built-in catalogue.",
    printcolumn(name = "Ready", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].status"#),
    printcolumn(name = "Reason", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].reason"#),
    printcolumn(name = "Sidecars", type_ = "string", json_path = ".status.sidecars.summary"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct ModelCatalogSpec {
    /// The models. Several catalogues of a namespace are combined.
    #[schemars(length(min = 1, max = 500), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub models: Vec<CatalogModel>,
}

/// One model, for every provider that serves it. A fact that is absent here is looked up in the next source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CatalogModel {
    /// Its name, as providers write it.
    #[schemars(schema_with = "shapes::model")]
    pub name: String,
    /// The tokens that fit into it, input and output together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000_000))]
    pub context_window: Option<i32>,
    /// The tokens of output that it can produce at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000_000))]
    pub max_output_tokens: Option<i32>,
    /// Its capabilities.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1, max = 16), extend("x-kubernetes-list-type" = "set"))]
    pub capabilities: Vec<Capability>,
    /// Its price.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<PriceSpec>,
}
