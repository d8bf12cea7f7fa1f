//! Makes an instance of a JSON schema, so that a client's typed parsing can be tested.

use serde_json::{Map, Value, json};

/// The nesting limit: schemas may refer to themselves.
const DEPTH: usize = 8;
/// The most values of an instance: a small schema that refers to itself many times would have millions.
const VALUES: usize = 10_000;

/// A value that a simple schema accepts. Supports types, enums, constants, references, unions, lengths and bounds, as
/// far as they are used with models.
pub fn of(schema: &Value) -> Value {
    instance(schema, schema, DEPTH, &mut { VALUES })
}

/// `left`: how many values may still be made.
fn instance(schema: &Value, root: &Value, depth: usize, left: &mut usize) -> Value {
    if depth == 0 || *left == 0 {
        return Value::Null;
    }
    *left -= 1;
    if let Some(constant) = schema.get("const") {
        return constant.clone();
    }
    if let Some(first) = schema.get("enum").and_then(Value::as_array).and_then(|values| values.first()) {
        return first.clone();
    }
    if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
        let target = reference.strip_prefix('#').and_then(|pointer| root.pointer(pointer));
        return target.map_or(Value::Null, |target| instance(target, root, depth - 1, left));
    }
    for union in ["anyOf", "oneOf", "allOf"] {
        if let Some(first) = schema.get(union).and_then(Value::as_array).and_then(|schemas| schemas.first()) {
            return instance(first, root, depth - 1, left);
        }
    }
    let kind = match schema.get("type") {
        Some(Value::String(kind)) => kind.to_ascii_lowercase(),
        Some(Value::Array(kinds)) => kinds.first().and_then(Value::as_str).unwrap_or("null").to_owned(),
        _ if schema.get("properties").is_some() => "object".to_owned(),
        _ => return Value::Null,
    };
    match kind.as_str() {
        "object" => {
            let properties = schema.get("properties").and_then(Value::as_object);
            let required = schema.get("required").and_then(Value::as_array);
            let wanted = |name: &str| required.is_none_or(|names| names.iter().any(|required| required == name));
            let members = properties.into_iter().flatten().filter(|(name, _)| wanted(name));
            Value::Object(
                members
                    .map(|(name, schema)| (name.clone(), instance(schema, root, depth - 1, left)))
                    .collect::<Map<_, _>>(),
            )
        }
        "array" => {
            let items = schema.get("items").unwrap_or(&Value::Null);
            let count = schema.get("minItems").and_then(Value::as_u64).unwrap_or(1).min(16);
            (0..count).map(|_| instance(items, root, depth - 1, left)).collect()
        }
        "string" => string(schema),
        "integer" => json!(schema.get("minimum").and_then(Value::as_i64).unwrap_or(1)),
        "number" => json!(schema.get("minimum").and_then(Value::as_f64).unwrap_or(1.5)),
        "boolean" => json!(true),
        _ => Value::Null,
    }
}

fn string(schema: &Value) -> Value {
    let text = match schema.get("format").and_then(Value::as_str) {
        Some("date-time") => "2026-01-01T00:00:00Z",
        Some("date") => "2026-01-01",
        Some("email") => "mock@example.com",
        Some("uri") => "https://example.com",
        Some("uuid") => "00000000-0000-4000-8000-000000000000",
        _ => "mock",
    };
    let least = schema.get("minLength").and_then(Value::as_u64).unwrap_or(0).min(1_000) as usize;
    json!(format!("{text:x<least$}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schema_that_refers_to_itself_stays_small() {
        let properties: Map<_, _> = (0..100).map(|at| (format!("a{at}"), json!({"$ref": "#"}))).collect();
        let made = of(&json!({"type": "object", "properties": properties}));
        assert!(made.is_object() && made.to_string().len() < 1_000_000);
    }

    #[test]
    fn makes_an_instance_of_a_schema() {
        for (schema, expected) in [
            (
                json!({"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "string"}}}),
                json!({"a": 1, "b": "mock"}),
            ),
            (
                json!({"type": "object", "properties": {"a": {"type": "integer"}, "b": {}}, "required": ["a"]}),
                json!({"a": 1}),
            ),
            (json!({"type": "array", "items": {"enum": ["x", "y"]}, "minItems": 2}), json!(["x", "x"])),
            (
                json!({"$defs": {"d": {"const": 7}}, "type": "object", "properties": {"d": {"$ref": "#/$defs/d"}}}),
                json!({"d": 7}),
            ),
            (json!({"type": "string", "minLength": 6}), json!("mockxx")),
            (json!({"type": ["null", "string"]}), Value::Null),
            (json!({"anyOf": [{"type": "boolean"}]}), json!(true)),
            (json!({"type": "OBJECT", "properties": {"a": {"type": "STRING"}}}), json!({"a": "mock"})),
            (json!({"$ref": "#"}), Value::Null),
        ] {
            assert_eq!(of(&schema), expected, "{schema}");
        }
    }
}
