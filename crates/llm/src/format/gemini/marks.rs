//! Removes the gateway's marks from a turn that is returned to a provider of the same format.

use serde_json::{Value, json};

use super::request::stand_in;
use crate::chat::JsonObject;
use crate::chat::mark::is_marked;
use crate::format::marks::{Marks, none, unpack_at};
use crate::provider::Target;

pub(crate) const MARKS: Marks = Marks { turns: "\"contents\"", budget: None, holds_foreign: none };

/// Whether a turn changed; `None` if nothing is left of it.
pub(crate) fn strip(content: &mut JsonObject, target: &Target<'_>) -> Option<bool> {
    const SIGNATURE: [&str; 2] = ["thoughtSignature", "thought_signature"];
    let marked = |part: &Value, key: &str| part.get(key).and_then(Value::as_str).is_some_and(is_marked);
    let Some(parts) = content.get_mut("parts").and_then(Value::as_array_mut) else { return Some(false) };
    let before = parts.len();
    parts.retain(|part| {
        let is_thought = part.get("thought").and_then(Value::as_bool) == Some(true);
        !(is_thought && SIGNATURE.iter().any(|key| marked(part, key)))
    });
    let mut changed = parts.len() < before;
    if changed && parts.is_empty() {
        return None;
    }
    for part in parts {
        if let Some(key) = SIGNATURE.into_iter().find(|key| marked(part, key))
            && let Some(part) = part.as_object_mut()
        {
            changed = true;
            match stand_in(target.model) {
                Some(stand_in) => drop(part.insert(key.to_owned(), json!(stand_in))),
                None => drop(part.shift_remove(key)),
            }
        }
        for key in ["functionCall", "function_call", "functionResponse", "function_response"] {
            if let Some(call) = part.get_mut(key).and_then(Value::as_object_mut) {
                changed |= unpack_at(call, "id", str::to_owned).is_some();
            }
        }
    }
    Some(changed)
}
