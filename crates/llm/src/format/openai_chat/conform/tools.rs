//! The tools and schemas of a request.

use serde_json::Value;

use super::super::content::unsupported;
use super::{BodyChanges, is_hint};
use crate::RequestError;
use crate::chat::JsonObject;
use crate::provider::{AcceptedFields, ChatQuirks};

/// How deep schemas are searched: deeper ones are refused by servers.
const DEEPEST: usize = 64;

/// Names of tools, and the schemas of their arguments and of the answer.
pub(super) fn conform(
    body: &mut JsonObject,
    quirks: &ChatQuirks,
    changes: &mut BodyChanges,
) -> Result<(), RequestError> {
    let strict = matches!(quirks.fields, AcceptedFields::Only(_));
    let mut changed = false;
    for tool in body.get_mut("tools").and_then(Value::as_array_mut).into_iter().flatten() {
        let Some(tool) = tool.as_object_mut() else { continue };
        if strict {
            changed |= without_hints(tool, "tools[].", changes);
        }
        let Some(function) = tool.get_mut("function").and_then(Value::as_object_mut) else { continue };
        if strict {
            changed |= without_hints(function, "tools[].function.", changes);
        }
        let name = function.get("name").and_then(Value::as_str).unwrap_or_default();
        if !fits(name, quirks) {
            return Err(unsupported(&format!("the tool's name `{name}`")));
        }
        if let Some(parameters) = function.get_mut("parameters") {
            changed |= without_keywords(parameters, quirks.schema_without, 0);
        }
    }
    if changed {
        changes.touch("tools");
    }
    let Some(format) = body.get_mut("response_format").and_then(Value::as_object_mut) else { return Ok(()) };
    let Some(json_schema) = format.get_mut("json_schema").and_then(Value::as_object_mut) else { return Ok(()) };
    if !quirks.json_schema {
        return Err(unsupported("response_format.json_schema"));
    }
    if json_schema.get_mut("schema").is_some_and(|schema| without_keywords(schema, quirks.schema_without, 0)) {
        changes.touch("response_format");
    }
    Ok(())
}

/// Whether a name is accepted as a tool's.
fn fits(name: &str, quirks: &ChatQuirks) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    quirks.tool_name.is_none_or(|longest| name.len() <= longest && name.bytes().all(plain))
}

/// Removes fields that have no effect on the answer's meaning, such as marks for another provider's cache.
fn without_hints(object: &mut JsonObject, path: &str, changes: &mut BodyChanges) -> bool {
    let hints: Vec<String> = object
        .keys()
        .filter(|key| !matches!(key.as_str(), "type" | "function" | "strict") && is_hint(&format!("{path}{key}")))
        .cloned()
        .collect();
    for key in &hints {
        object.shift_remove(key);
        changes.leave_out(&format!("{path}{key}"));
    }
    !hints.is_empty()
}

/// Removes keywords from a schema. A property of that name stays.
fn without_keywords(schema: &mut Value, keywords: &[&str], depth: usize) -> bool {
    if keywords.is_empty() || depth > DEEPEST {
        return false;
    }
    match schema {
        Value::Object(object) => {
            let before = object.len();
            object.retain(|key, _| !keywords.contains(&key.as_str()));
            let mut changed = object.len() < before;
            for (key, value) in object.iter_mut() {
                match (key.as_str(), value) {
                    ("const" | "enum" | "default" | "examples", _) => {}
                    ("properties" | "patternProperties" | "$defs" | "definitions", Value::Object(named)) => {
                        for schema in named.values_mut() {
                            changed |= without_keywords(schema, keywords, depth + 1);
                        }
                    }
                    (_, value) => changed |= without_keywords(value, keywords, depth + 1),
                }
            }
            changed
        }
        Value::Array(schemas) => {
            let mut changed = false;
            for schema in schemas {
                changed |= without_keywords(schema, keywords, depth + 1);
            }
            changed
        }
        _ => false,
    }
}
