//! Warns of limits that an update takes away or renames, if something was spent under their names.

use serde_json::Value;

use crate::ledger::owned::owned_limits;
use crate::objects::id::ObjectId;

/// `old` is the object as it stands, with its status.
pub(super) fn warnings(id: &ObjectId, old: &Value, new: &Value) -> Vec<String> {
    let owned = new.get("spec").map(|spec| owned_limits(id, spec)).unwrap_or_default();
    let text = |limit: &Value, field: &str| limit.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
    let before = old.pointer("/status/limits").and_then(Value::as_array).into_iter().flatten();
    let gone = before.map(|limit| (text(limit, "name"), text(limit, "spent")));
    let gone = gone.filter(|(name, spent)| {
        let is_spent = spent.bytes().any(|byte| byte.is_ascii_digit() && byte != b'0');
        is_spent && !name.is_empty() && owned.iter().all(|limit| limit.field != *name)
    });
    gone.map(|(name, spent)| {
        format!("{name} is not there any more: {spent} were spent under this name, and count against no limit of another name")
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::objects::id::ObjectKind;

    #[test]
    fn a_renamed_limit_is_warned_of_with_what_its_old_name_spent() {
        let id = ObjectId { kind: ObjectKind::VirtualKey, namespace: "shop".to_owned(), name: "search".to_owned() };
        let spec = |name: &str| json!({"limits": {"budgets": [{"name": name, "amount": "1", "window": "Month"}]}});
        let limit = |spent: &str| json!([{"name": "spec.limits.budgets[month]", "spent": spent}]);
        for (name, spent, warned) in [("month", "$0.42", 0), ("monthly", "$0.42", 1), ("monthly", "$0.00", 0)] {
            let old = json!({"spec": spec("month"), "status": {"limits": limit(spent)}});
            let warnings = warnings(&id, &old, &json!({"spec": spec(name)}));
            assert_eq!(warnings.len(), warned, "{warnings:?}");
            assert!(warnings.iter().all(|warning| warning.contains("$0.42") && warning.len() <= 240), "{warnings:?}");
        }
        assert_eq!(warnings(&id, &json!({"status": {"limits": 7}}), &Value::Null), Vec::<String>::new());
    }
}
