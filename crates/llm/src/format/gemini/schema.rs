//! Converts Gemini's `Schema` (a subset of OpenAPI 3.0) to JSON Schema.
//!
//! Only this direction is needed: for Gemini a JSON schema is sent unchanged, in `parametersJsonSchema` and
//! `responseJsonSchema`.

use serde_json::{Map, Value, json};

use super::reader::camel_case;

/// Converts to JSON Schema: types in lower case, `nullable` as a type, counts as numbers.
///
/// JSON Schema (Google also accepts lower-case types) is unchanged.
pub(super) fn to_json_schema(schema: &Value) -> Value {
    let Value::Object(schema) = schema else { return schema.clone() };
    let mut out = Map::new();
    let mut nullable = false;
    for (key, value) in schema {
        let name = camel_case(key);
        let fitted = match (name.as_str(), value) {
            // An unset field in proto's JSON, except for a null default.
            (other, Value::Null) if other != "default" => continue,
            ("nullable", Value::Bool(value)) => {
                nullable = *value;
                continue;
            }
            // The order in which Gemini writes properties; nothing else has it, and it has no meaning.
            ("propertyOrdering", _) => continue,
            ("type", Value::String(kind)) if kind == "TYPE_UNSPECIFIED" => continue,
            ("type", Value::String(kind)) => Value::String(kind.to_lowercase()),
            ("example", example) => {
                out.insert("examples".to_owned(), json!([example]));
                continue;
            }
            // OpenAPI's form of a string that is one of `enum`.
            ("format", Value::String(format)) if format == "enum" => continue,
            ("items" | "additionalProperties" | "not", nested) => to_json_schema(nested),
            ("anyOf" | "oneOf" | "allOf" | "prefixItems", Value::Array(items)) => {
                Value::Array(items.iter().map(to_json_schema).collect())
            }
            ("properties" | "defs" | "$defs", Value::Object(named)) => {
                Value::Object(named.iter().map(|(name, nested)| (name.clone(), to_json_schema(nested))).collect())
            }
            // int64 is a string in proto's JSON.
            ("minItems" | "maxItems" | "minLength" | "maxLength" | "minProperties" | "maxProperties", count) => {
                count.as_str().and_then(|text| text.parse::<u64>().ok()).map_or_else(|| count.clone(), Value::from)
            }
            (_, other) => other.clone(),
        };
        let name = match name.as_str() {
            "ref" => "$ref".to_owned(),
            "defs" => "$defs".to_owned(),
            _ => name,
        };
        out.insert(name, fitted);
    }
    if nullable {
        allow_null(&mut out);
    }
    Value::Object(out)
}

fn allow_null(schema: &mut Map<String, Value>) {
    if let Some(kind @ Value::String(_)) = schema.get_mut("type") {
        *kind = json!([kind.clone(), "null"]);
        if let Some(Value::Array(values)) = schema.get_mut("enum") {
            values.push(Value::Null);
        }
    } else if let Some(Value::Array(choices)) = schema.get_mut("anyOf") {
        choices.push(json!({"type": "null"}));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn converts_gemini_schemas_to_json_schema() {
        let cases = [
            (json!({"type": "STRING"}), json!({"type": "string"})),
            (json!({"type": "string"}), json!({"type": "string"})),
            (json!({"type": "TYPE_UNSPECIFIED", "description": "d"}), json!({"description": "d"})),
            (json!({"type": "STRING", "nullable": true}), json!({"type": ["string", "null"]})),
            (
                json!({"type": "STRING", "format": "enum", "enum": ["a"], "nullable": true}),
                json!({"type": ["string", "null"], "enum": ["a", null]}),
            ),
            (
                json!({"type": "OBJECT", "property_ordering": ["a"], "properties": {"any_of": {"type": "INTEGER"}}}),
                json!({"type": "object", "properties": {"any_of": {"type": "integer"}}}),
            ),
            (
                json!({"type": "ARRAY", "items": {"any_of": [{"type": "NUMBER"}, {"type": "BOOLEAN"}]}, "min_items": "2"}),
                json!({"type": "array", "items": {"anyOf": [{"type": "number"}, {"type": "boolean"}]}, "minItems": 2}),
            ),
            (
                json!({"anyOf": [{"type": "STRING"}], "nullable": true}),
                json!({"anyOf": [{"type": "string"}, {"type": "null"}]}),
            ),
            (json!({"type": "STRING", "example": "x"}), json!({"type": "string", "examples": ["x"]})),
            (
                json!({"ref": "#/defs/a", "defs": {"a": {"type": "NULL"}}}),
                json!({"$ref": "#/defs/a", "$defs": {"a": {"type": "null"}}}),
            ),
            (json!(true), json!(true)),
        ];
        for (schema, expected) in cases {
            assert_eq!(to_json_schema(&schema), expected, "{schema}");
        }
    }
}
