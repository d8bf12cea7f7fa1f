//! Checks `metadata`, which no definition describes and every API server checks.

use serde_json::Value;

use super::{SchemaFinding, nearest, path::SchemaPath};
use crate::shapes;

/// The fields of `metav1.ObjectMeta`.
const FIELDS: [&str; 15] = [
    "annotations",
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "finalizers",
    "generateName",
    "generation",
    "labels",
    "managedFields",
    "name",
    "namespace",
    "ownerReferences",
    "resourceVersion",
    "selfLink",
    "uid",
];

/// Checks all but the length and the dots of the name, which are a rule of the definitions.
pub(super) fn check(object: &Value) -> Vec<SchemaFinding> {
    let root = SchemaPath::Root;
    let path = root.field("metadata");
    let metadata = match object.get("metadata") {
        Some(Value::Object(metadata)) => metadata,
        // The structural schema reports another type.
        Some(_) => return Vec::new(),
        None => return vec![SchemaFinding::new(path, "is required, with a name")],
    };
    let mut findings = Vec::new();
    for (name, value) in metadata {
        let field_path = path.field(name);
        match (name.as_str(), value) {
            (_, Value::Null) => {}
            ("name" | "namespace", Value::String(text)) => {
                if !shapes::is_object_name(text) {
                    findings.push(SchemaFinding::new(field_path, format!("must be {}", shapes::OBJECT_NAME_WORDS)));
                }
            }
            ("name" | "namespace", _) => findings.push(SchemaFinding::new(field_path, "must be a string")),
            ("labels" | "annotations", Value::Object(entries)) => {
                for (key, _) in entries.iter().filter(|(_, value)| !value.is_string()) {
                    findings.push(SchemaFinding::new(field_path.field(key), "must be a string: put it in quotes"));
                }
            }
            ("labels" | "annotations", _) => {
                findings.push(SchemaFinding::new(field_path, "must be a mapping of strings"))
            }
            (known, _) if FIELDS.contains(&known) => {}
            (unknown, _) => {
                let hint = nearest::suggest(unknown, FIELDS.into_iter());
                findings.push(SchemaFinding::new(field_path, format!("unknown field `{unknown}`{hint}")));
            }
        }
    }
    if metadata.get("name").is_none_or(Value::is_null) {
        findings.push(SchemaFinding::new(path.field("name"), "is required"));
    }
    findings
}
