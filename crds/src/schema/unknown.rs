//! Checks for fields that the schema does not have. An API server drops them with a warning; here they are findings,
//! because nobody reads warnings.

use serde_json::Value;

use super::{SchemaFinding, nearest, path::SchemaPath, remedy, walk};

pub(super) fn check(schema: &Value, object: &Value) -> Vec<SchemaFinding> {
    let mut findings = Vec::new();
    walk(schema, object, &SchemaPath::Root, &mut |schema, value, path| {
        let open = schema.get("additionalProperties").is_some()
            || schema.get("x-kubernetes-preserve-unknown-fields") == Some(&Value::Bool(true));
        let Value::Object(fields) = value else { return };
        // If the schema wants another type, that is the finding.
        if open || schema.get("type").is_none_or(|kind| kind != "object") {
            return;
        }
        let properties = schema.get("properties").and_then(Value::as_object);
        let known = |name: &String| properties.is_some_and(|properties| properties.contains_key(name));
        for name in fields.keys().filter(|name| !known(name)) {
            let names = properties.into_iter().flat_map(|properties| properties.keys().map(String::as_str));
            let hint = match remedy::field(name, names.clone()) {
                Some(suggestion) => format!(", did you mean `{suggestion}`?"),
                None => nearest::suggest(name, names),
            };
            findings.push(SchemaFinding::new(path.field(name), format!("unknown field `{name}`{hint}")));
        }
    });
    findings
}
