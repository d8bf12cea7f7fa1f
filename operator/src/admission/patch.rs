//! The difference between two objects as a JSON patch (RFC 6902). The patch is small, so that an audit log shows what
//! was added and not what moved.

use json_patch::jsonptr::PointerBuf;
use json_patch::{AddOperation, Patch, PatchOperation, RemoveOperation, ReplaceOperation};
use serde_json::Value;

/// Returns the patch that turns `before` into `after`.
#[must_use]
pub fn between(before: &Value, after: &Value) -> Patch {
    let mut patch = Patch::default();
    compare(before, after, &PointerBuf::new(), &mut patch);
    patch
}

fn compare(before: &Value, after: &Value, at: &PointerBuf, patch: &mut Patch) {
    match (before, after) {
        _ if before == after => {}
        (Value::Object(old), Value::Object(new)) => {
            for (name, value) in new {
                let at = at.with_trailing_token(name.as_str());
                match old.get(name) {
                    Some(before) => compare(before, value, &at, patch),
                    None => patch.0.push(add(at, value)),
                }
            }
            for name in old.keys().filter(|name| !new.contains_key(*name)) {
                let path = at.with_trailing_token(name.as_str());
                patch.0.push(PatchOperation::Remove(RemoveOperation { path }));
            }
        }
        (Value::Array(old), Value::Array(new)) => match match_elements(old, new) {
            Some(previous) => {
                for (index, (value, before)) in new.iter().zip(previous).enumerate() {
                    let at = at.with_trailing_token(index);
                    match before {
                        Some(before) => compare(before, value, &at, patch),
                        None => patch.0.push(add(at, value)),
                    }
                }
            }
            None => patch.0.push(replace(at, after)),
        },
        _ => patch.0.push(replace(at, after)),
    }
}

/// Matches each new element to the old element that it was. `None` if an old element is missing or moved.
fn match_elements<'a>(old: &'a [Value], new: &[Value]) -> Option<Vec<Option<&'a Value>>> {
    let mut remaining = old.iter().peekable();
    let found = new.iter().map(|value| remaining.next_if(|old| is_same(old, value))).collect();
    remaining.peek().is_none().then_some(found)
}

/// Elements of a list of containers, volumes or variables are the same if their names are.
fn is_same(old: &Value, new: &Value) -> bool {
    let name = |value: &Value| value.get("name").and_then(Value::as_str).map(str::to_owned);
    old == new || (name(old).is_some() && name(old) == name(new))
}

fn add(path: PointerBuf, value: &Value) -> PatchOperation {
    PatchOperation::Add(AddOperation { path, value: value.clone() })
}

fn replace(path: &PointerBuf, value: &Value) -> PatchOperation {
    PatchOperation::Replace(ReplaceOperation { path: path.clone(), value: value.clone() })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn paths(before: &Value, after: &Value) -> Vec<String> {
        let patch = between(before, after);
        let mut patched = before.clone();
        json_patch::patch(&mut patched, &patch).unwrap();
        assert_eq!(patched, *after);
        patch.0.iter().map(|operation| operation.path().to_string()).collect()
    }

    #[test]
    fn inserted_elements_do_not_rewrite_their_neighbours() {
        let before = json!({"env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]});
        let after =
            json!({"env": [{"name": "N"}, {"name": "A", "value": "1"}, {"name": "B", "value": "3"}, {"name": "Z"}]});
        assert_eq!(paths(&before, &after), ["/env/0", "/env/2/value", "/env/3"]);
    }

    #[test]
    fn a_list_with_moved_or_removed_elements_is_replaced() {
        assert_eq!(paths(&json!({"a": [1, 2, 3]}), &json!({"a": [2, 3, 1]})), ["/a"]);
        assert_eq!(paths(&json!({"a": 1, "b/c": 2}), &json!({"a": 1})), ["/b~1c"]);
        assert_eq!(paths(&json!({"a": null}), &json!({"a": []})), ["/a"]);
        assert!(paths(&json!([{}, {}]), &json!([{}, {}])).is_empty());
    }
}
