//! Which namespaces may use an object of another namespace.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::shapes;

/// The namespaces whose keys may use a provider.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    shapes::rule("self.from != 'Selector' || has(self.selector)", "from: Selector needs a selector: set selector, or set from: Same or from: All"),
    shapes::rule("self.from == 'Selector' || !has(self.selector)", "selector is only for from: Selector: set from: Selector, or remove selector"),
]))]
pub struct AllowedNamespaces {
    /// Same: only the object's own namespace. All: every namespace. Selector: those whose labels match the selector.
    #[serde(default)]
    pub from: NamespacesFrom,
    /// The namespaces, with from: Selector.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<LabelSelector>,
}

/// How widely an object is shared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum NamespacesFrom {
    /// The object's own namespace.
    #[default]
    Same,
    /// Every namespace.
    All,
    /// The namespaces that a selector matches.
    Selector,
}

/// Kubernetes' label selector: all conditions must match, and an empty selector matches everything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LabelSelector {
    /// Labels that must have exactly these values.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "shapes::labels")]
    pub match_labels: BTreeMap<String, String>,
    /// Conditions on labels.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "atomic"))]
    pub match_expressions: Vec<LabelRequirement>,
}

/// One condition on one label.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    shapes::rule("!(self.operator in ['In', 'NotIn']) || has(self.values)", "operators In and NotIn need values: list at least one"),
    shapes::rule("self.operator in ['In', 'NotIn'] || !has(self.values)", "operators Exists and DoesNotExist have no values: remove values"),
]))]
pub struct LabelRequirement {
    /// The label's key.
    #[schemars(schema_with = "shapes::label_key")]
    pub key: String,
    /// How the label's value is compared with values, or whether the label must be present.
    pub operator: LabelOperator,
    /// The values for In and NotIn.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "shapes::label_values")]
    pub values: Vec<String>,
}

/// How a label is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum LabelOperator {
    /// Its value is one of the values.
    In,
    /// Its value is none of the values, or the label is absent.
    NotIn,
    /// The label is present.
    Exists,
    /// The label is absent.
    DoesNotExist,
}
