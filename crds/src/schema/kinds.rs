//! The data that is prepared once for each kind: its schema, the compiled validator and the compiled rules.

use std::sync::LazyLock;

use jsonschema::Validator;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::cel::Rules;
use crate::{Budget, LlmProvider, ModelCatalog, RoutingRule, VirtualKey, definitions};

/// A kind with all that is needed to validate its objects.
pub(super) struct SchemaKind {
    pub name: String,
    pub schema: Value,
    pub validator: Validator,
    pub rules: Rules,
    /// Deserializes an object into its Rust type, and drops the result.
    pub read: fn(Value) -> Result<(), serde_json::Error>,
}

/// All kinds. Fails if the definitions of this build are broken.
pub(super) fn all() -> Result<&'static [SchemaKind], &'static str> {
    static KINDS: LazyLock<Result<Vec<SchemaKind>, String>> = LazyLock::new(prepare);
    KINDS.as_deref().map_err(String::as_str)
}

fn prepare() -> Result<Vec<SchemaKind>, String> {
    definitions()
        .into_iter()
        .map(|definition| {
            let name = definition.spec.names.kind;
            let root = definition.spec.versions.into_iter().find_map(|version| version.schema?.open_api_v3_schema);
            let mut schema =
                serde_json::to_value(root.ok_or("a version has no schema")?).map_err(|error| error.to_string())?;
            // A definition does not describe what every object has. `metadata` is checked in a module of its own.
            if let Some(Value::Object(properties)) = schema.get_mut("properties") {
                properties.insert("apiVersion".to_owned(), json!({"type": "string"}));
                properties.insert("kind".to_owned(), json!({"type": "string"}));
                properties.insert(
                    "metadata".to_owned(),
                    json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true}),
                );
            }
            let validator = jsonschema::options()
                .should_validate_formats(true)
                .should_ignore_unknown_formats(true)
                .build(&schema)
                .map_err(|error| error.to_string())?;
            let rules = Rules::compile(&schema)?;
            let read = match name.as_str() {
                "Budget" => read::<Budget>,
                "LLMProvider" => read::<LlmProvider>,
                "ModelCatalog" => read::<ModelCatalog>,
                "RoutingRule" => read::<RoutingRule>,
                "VirtualKey" => read::<VirtualKey>,
                other => return Err(format!("{other} has no Rust type")),
            };
            Ok(SchemaKind { name, schema, validator, rules, read })
        })
        .collect()
}

fn read<T: DeserializeOwned>(object: Value) -> Result<(), serde_json::Error> {
    serde_json::from_value::<T>(object).map(drop)
}
