//! Converts JSON Schemas for Anthropic's structured outputs.
//!
//! Anthropic compiles a schema into a grammar and refuses with 400 what the grammar can't express. As in its own SDKs,
//! such bounds are moved into the description, where the model reads them; every object is closed, and `oneOf` becomes
//! `anyOf`.

use serde_json::{Value, json};

use crate::chat::JsonObject;

/// Keywords that are refused.
const BOUNDS: &[&str] = &[
    "maxItems",
    "uniqueItems",
    "contains",
    "minContains",
    "maxContains",
    "prefixItems",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minLength",
    "maxLength",
    "minProperties",
    "maxProperties",
    "patternProperties",
    "propertyNames",
    "dependentRequired",
    "dependentSchemas",
    "unevaluatedProperties",
    "if",
    "then",
    "else",
    "not",
];

/// The string formats that the grammar supports.
const FORMATS: &[&str] = &["date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"];

/// The schema in the form that Anthropic accepts, or `None` if it has an object with arbitrary keys: if it were closed,
/// the model could not add any.
pub fn fit(schema: &Value) -> Option<Value> {
    match schema {
        Value::Object(object) => fit_object(object).map(Value::Object),
        other => Some(other.clone()),
    }
}

fn fit_object(schema: &JsonObject) -> Option<JsonObject> {
    let mut fitted = JsonObject::new();
    let mut notes = Vec::new();
    for (keyword, value) in schema {
        match keyword.as_str() {
            "properties" | "$defs" | "definitions" => {
                let mut named = JsonObject::new();
                for (name, schema) in value.as_object()? {
                    named.insert(name.clone(), fit(schema)?);
                }
                fitted.insert(keyword.clone(), Value::Object(named));
            }
            "items" => {
                fitted.insert(keyword.clone(), fit(value)?);
            }
            "anyOf" | "oneOf" | "allOf" => {
                let keyword = if keyword == "allOf" { "allOf" } else { "anyOf" };
                let variants = value.as_array()?.iter().map(fit).collect::<Option<Vec<Value>>>()?;
                fitted.insert(keyword.to_owned(), Value::Array(variants));
            }
            "additionalProperties" if value != false => return None,
            "minItems" if matches!(value.as_u64(), Some(0 | 1)) => {
                fitted.insert(keyword.clone(), value.clone());
            }
            "minItems" => notes.push(format!("{keyword}: {value}")),
            "format" if !value.as_str().is_some_and(|format| FORMATS.contains(&format)) => {
                notes.push(format!("{keyword}: {value}"));
            }
            bound if BOUNDS.contains(&bound) => {
                if value != false {
                    notes.push(format!("{bound}: {value}"));
                }
            }
            _ => {
                fitted.insert(keyword.clone(), value.clone());
            }
        }
    }
    let is_object = match schema.get("type") {
        Some(Value::String(kind)) => kind == "object",
        Some(Value::Array(kinds)) => kinds.iter().any(|kind| kind == "object"),
        _ => schema.contains_key("properties"),
    };
    if is_object {
        // Without properties, and not closed by its author: any key was meant.
        if !schema.contains_key("properties") && !schema.contains_key("additionalProperties") {
            return None;
        }
        fitted.insert("additionalProperties".to_owned(), json!(false));
    }
    if !notes.is_empty() {
        let notes = format!("({})", notes.join(", "));
        let description = match fitted.get("description").and_then(Value::as_str) {
            Some(description) => format!("{description} {notes}"),
            None => notes,
        };
        fitted.insert("description".to_owned(), Value::String(description));
    }
    Some(fitted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schemas_are_adapted() {
        for (schema, fitted) in [
            (
                json!({"type": "string", "maxLength": 3}),
                Some(json!({"type": "string", "description": "(maxLength: 3)"})),
            ),
            (json!({"type": "string", "format": "uuid"}), Some(json!({"type": "string", "format": "uuid"}))),
            (
                json!({"type": "string", "format": "color", "description": "A colour."}),
                Some(json!({"type": "string", "description": "A colour. (format: \"color\")"})),
            ),
            (
                json!({"type": "object", "properties": {"n": {"type": "array", "items": {"type": "integer", "minimum": 1},
                       "minItems": 1}, "minimum": {"type": "number"}}, "required": ["n"]}),
                Some(json!({"type": "object", "properties": {"n": {"type": "array", "items": {"type": "integer",
                       "description": "(minimum: 1)"}, "minItems": 1}, "minimum": {"type": "number"}},
                       "required": ["n"], "additionalProperties": false})),
            ),
            (
                json!({"oneOf": [{"type": "null"}, {"$ref": "#/$defs/a"}], "$defs": {"a": {"properties": {}}}}),
                Some(json!({"anyOf": [{"type": "null"}, {"$ref": "#/$defs/a"}],
                       "$defs": {"a": {"properties": {}, "additionalProperties": false}}})),
            ),
            (
                json!({"type": "object", "additionalProperties": false}),
                Some(json!({"type": "object", "additionalProperties": false})),
            ),
            (json!({"type": "object"}), None),
            (json!({"type": "object", "properties": {}, "additionalProperties": {"type": "string"}}), None),
            (json!({"type": "array", "items": {"type": ["object", "null"]}}), None),
        ] {
            assert_eq!(fit(&schema), fitted, "{schema}");
        }
    }
}
