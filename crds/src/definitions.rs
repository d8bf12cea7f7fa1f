//! The definitions that a cluster is given, generated from the types.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSON, JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool, ValidationRule,
};
use kube::CustomResourceExt;
use serde_json::Value;

use crate::{Budget, LedgerShard, LlmProvider, ModelCatalog, RoutingRule, VirtualKey, shapes::NAME_MAX, status};

/// The definition of each kind that users write, in the order of their names.
pub fn definitions() -> Vec<CustomResourceDefinition> {
    let mut all = vec![Budget::crd(), LlmProvider::crd(), ModelCatalog::crd(), RoutingRule::crd(), VirtualKey::crd()];
    all.iter_mut().for_each(finish);
    all
}

/// The definitions of kinds that the operator writes for itself.
pub fn internal() -> Vec<CustomResourceDefinition> {
    let mut all = vec![LedgerShard::crd()];
    all.iter_mut().for_each(finish);
    all
}

/// All that a cluster is given: what users write, then what the operator writes.
pub fn every() -> Vec<CustomResourceDefinition> {
    definitions().into_iter().chain(internal()).collect()
}

/// One definition as YAML, as it is committed and as `outrigger crds` prints it.
pub fn to_yaml(definition: &CustomResourceDefinition) -> Result<String, YamlError> {
    let mut value = serde_json::to_value(definition)?;
    whole_numbers(&mut value);
    Ok(serde_yaml::to_string(&value)?)
}

/// Why a definition can't be written.
#[derive(Debug, thiserror::Error)]
pub enum YamlError {
    /// On the way to JSON.
    #[error("the definition can't be written as JSON")]
    Json(#[from] serde_json::Error),
    /// On the way to YAML.
    #[error("the definition can't be written as YAML")]
    Yaml(#[from] serde_yaml::Error),
}

/// What no attribute of the types can say: the rule on an object's own name, and what its status is at first.
fn finish(definition: &mut CustomResourceDefinition) {
    for version in &mut definition.spec.versions {
        let Some(root) = version.schema.as_mut().and_then(|schema| schema.open_api_v3_schema.as_mut()) else {
            continue;
        };
        not_nullable(root);
        root.x_kubernetes_validations = Some(vec![ValidationRule {
            rule: format!("self.metadata.name.size() <= {NAME_MAX} && !self.metadata.name.contains('.')"),
            message: Some(format!(
                "the name must be a DNS label of at most {NAME_MAX}: lower-case letters, digits and `-`, no dots"
            )),
            ..ValidationRule::default()
        }]);
        if let Some(status) = root.properties.as_mut().and_then(|properties| properties.get_mut("status")) {
            status.description = Some("What the operator made of it.".to_owned());
            status.default = Some(JSON(status::pending()));
        }
    }
}

/// A field that may be left out need not be `null`: one way to say nothing is enough, and CEL's `has()` is true of a
/// null.
fn not_nullable(schema: &mut JSONSchemaProps) {
    schema.nullable = None;
    schema.properties.iter_mut().flat_map(|properties| properties.values_mut()).for_each(not_nullable);
    if let Some(JSONSchemaPropsOrArray::Schema(items)) = &mut schema.items {
        not_nullable(items);
    }
    if let Some(JSONSchemaPropsOrBool::Schema(values)) = &mut schema.additional_properties {
        not_nullable(values);
    }
}

/// Bounds are floats in the Kubernetes type; `0.0` in a file is only noise.
fn whole_numbers(value: &mut Value) {
    match value {
        Value::Number(number) => {
            if let Some(float) =
                number.as_f64().filter(|float| number.is_f64() && float.fract() == 0.0 && float.abs() < 1e15)
            {
                *value = Value::from(float as i64);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(whole_numbers),
        Value::Object(fields) => fields.values_mut().for_each(whole_numbers),
        _ => {}
    }
}
