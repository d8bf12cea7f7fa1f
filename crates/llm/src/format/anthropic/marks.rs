//! Removes the gateway's marks from a turn that is returned to a provider of the same format.

use serde_json::Value;

use crate::chat::JsonObject;
use crate::chat::mark::is_marked;
use crate::format::marks::{Marks, unpack_at};
use crate::provider::Target;

pub(crate) const MARKS: Marks = Marks { turns: "\"messages\"", budget_needs_thinking: true };

/// Whether a message changed; `None` if nothing is left of it.
pub(crate) fn strip(message: &mut JsonObject, _target: &Target<'_>) -> Option<bool> {
    let Some(blocks) = message.get_mut("content").and_then(Value::as_array_mut) else { return Some(false) };
    let before = blocks.len();
    blocks.retain(|block| {
        let signature = match block.get("type").and_then(Value::as_str) {
            Some("thinking") => block.get("signature"),
            Some("redacted_thinking") => block.get("data"),
            _ => None,
        };
        !signature.and_then(Value::as_str).is_some_and(is_marked)
    });
    let mut changed = blocks.len() < before;
    if changed && blocks.is_empty() {
        return None;
    }
    for block in blocks.iter_mut().filter_map(Value::as_object_mut) {
        let key = match block.get("type").and_then(Value::as_str) {
            Some("tool_use") => "id",
            Some("tool_result") => "tool_use_id",
            _ => continue,
        };
        changed |= unpack_at(block, key, str::to_owned).is_some();
    }
    Some(changed)
}
