//! The CustomResourceDefinitions, generated from the Rust types.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSON, JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool, ValidationRule,
};
use kube::CustomResourceExt;
use serde_json::Value;

use crate::{Budget, LedgerShard, LlmProvider, ModelCatalog, RoutingRule, VirtualKey, shapes::NAME_MAX, status};

/// The definitions of the kinds that users write, ordered by name.
pub fn definitions() -> Vec<CustomResourceDefinition> {
    let mut all = vec![Budget::crd(), LlmProvider::crd(), ModelCatalog::crd(), RoutingRule::crd(), VirtualKey::crd()];
    all.iter_mut().for_each(finish);
    all
}

/// The definitions of the kinds that only the operator writes.
pub fn internal() -> Vec<CustomResourceDefinition> {
    let mut all = vec![LedgerShard::crd()];
    all.iter_mut().for_each(finish);
    all
}

/// All definitions to install in a cluster: first the kinds that users write, then those of the operator.
pub fn every() -> Vec<CustomResourceDefinition> {
    definitions().into_iter().chain(internal()).collect()
}

/// One definition as YAML: the same text as in `crds/yaml` and in the output of `outrigger crds`.
pub fn to_yaml(definition: &CustomResourceDefinition) -> Result<String, YamlError> {
    let mut value = serde_json::to_value(definition)?;
    whole_numbers(&mut value);
    Ok(serde_yaml::to_string(&value)?)
}

/// Why a definition can't be written.
#[derive(Debug, thiserror::Error)]
pub enum YamlError {
    /// The conversion to JSON failed.
    #[error("the definition can't be written as JSON")]
    Json(#[from] serde_json::Error),
    /// The conversion to YAML failed.
    #[error("the definition can't be written as YAML")]
    Yaml(#[from] serde_yaml::Error),
}

/// Adds what no attribute of the types can express: the rule for the object's own name, and the initial status.
fn finish(definition: &mut CustomResourceDefinition) {
    for version in &mut definition.spec.versions {
        let Some(root) = version.schema.as_mut().and_then(|schema| schema.open_api_v3_schema.as_mut()) else {
            continue;
        };
        not_nullable(root);
        root.x_kubernetes_validations = Some(vec![ValidationRule {
            rule: format!("self.metadata.name.size() <= {NAME_MAX} && !self.metadata.name.contains('.')"),
            message: Some(format!(
                "the name must be a DNS label of at most {NAME_MAX} characters: lower-case letters, digits and `-`, no dots"
            )),
            ..ValidationRule::default()
        }]);
        if let Some(status) = root.properties.as_mut().and_then(|properties| properties.get_mut("status")) {
            status.description = Some("Written by the operator: conditions, gateways, usage.".to_owned());
            status.default = Some(JSON(status::pending()));
        }
    }
}

/// Makes optional fields not nullable: a user can leave them out instead, and CEL's `has()` is true of a null.
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

/// Writes bounds as integers: the Kubernetes type holds floats, and `0.0` in a file is only noise.
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
