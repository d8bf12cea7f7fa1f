//! Checks lists with keys, and lists that are sets, for duplicates.

use serde_json::Value;

use super::{SchemaFinding, path::SchemaPath, walk};

pub(super) fn check(schema: &Value, object: &Value) -> Vec<SchemaFinding> {
    let mut findings = Vec::new();
    walk(schema, object, &SchemaPath::Root, &mut |schema, value, path| {
        let (Some(kind), Value::Array(items)) = (schema.get("x-kubernetes-list-type"), value) else { return };
        let keys: Vec<&str> = match kind.as_str() {
            Some("map") => schema
                .get("x-kubernetes-list-map-keys")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .collect(),
            Some("set") => Vec::new(),
            _ => return,
        };
        // Lists are short (512 at most), so comparing all pairs costs less than hashing JSON.
        for (index, item) in items.iter().enumerate() {
            let same = items.iter().take(index).position(|earlier| match keys.as_slice() {
                [] => earlier == item,
                // An entry without its key is reported by the structural schema.
                keys => keys.iter().all(|key| item.get(key).is_some() && item.get(key) == earlier.get(key)),
            });
            let Some(earlier) = same else { continue };
            let item_path = path.index(index);
            let earlier = path.index(earlier);
            findings.push(match keys.as_slice() {
                [] => SchemaFinding::new(item_path, format!("is a duplicate of {earlier}")),
                [key, ..] => SchemaFinding::new(
                    item_path.field(key),
                    format!("must be unique in the list: {earlier} has the same {key}"),
                ),
            });
        }
    });
    findings
}
