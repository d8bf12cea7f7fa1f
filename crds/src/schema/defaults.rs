//! What an API server does to an object before it validates it.

use serde_json::Value;

/// Drops nulls, writes `1.0` as `1` where the schema wants an integer, and fills in defaults, at every depth.
pub(super) fn apply(schema: &Value, object: &Value) -> Value {
    let mut object = object.clone();
    fill(schema, &mut object);
    object
}

fn fill(schema: &Value, value: &mut Value) {
    match value {
        Value::Object(fields) => {
            let properties = schema.get("properties").and_then(Value::as_object);
            let others = schema.get("additionalProperties");
            fields.retain(|name, value| {
                let known = properties.is_some_and(|properties| properties.contains_key(name)) || others.is_some();
                !(known && value.is_null())
            });
            for (name, schema) in properties.into_iter().flatten() {
                if let Some(default) = schema.get("default")
                    && !fields.contains_key(name)
                {
                    fields.insert(name.clone(), default.clone());
                }
            }
            for (name, value) in fields {
                if let Some(schema) = properties.and_then(|properties| properties.get(name)).or(others) {
                    fill(schema, value);
                }
            }
        }
        Value::Array(items) => {
            if let Some(schema) = schema.get("items") {
                items.iter_mut().for_each(|item| fill(schema, item));
            }
        }
        Value::Number(number) if number.is_f64() && schema.get("type").is_some_and(|kind| kind == "integer") => {
            // 2^53: up to here a float holds every integer.
            if let Some(float) =
                number.as_f64().filter(|float| float.fract() == 0.0 && float.abs() <= 9_007_199_254_740_992.0)
            {
                *value = Value::from(float as i64);
            }
        }
        _ => {}
    }
}
