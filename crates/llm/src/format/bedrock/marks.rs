//! Removes the gateway's marks from a turn that is returned to a provider of the same format.

use serde_json::Value;

use super::tool_id;
use crate::chat::JsonObject;
use crate::chat::mark::is_marked;
use crate::format::marks::{Marks, unpack_at};
use crate::provider::Target;

pub(crate) const MARKS: Marks = Marks { turns: "\"messages\"", budget_needs_thinking: false };

/// Whether a message changed; `None` if nothing is left of it.
pub(crate) fn strip(message: &mut JsonObject, _target: &Target<'_>) -> Option<bool> {
    let Some(blocks) = message.get_mut("content").and_then(Value::as_array_mut) else { return Some(false) };
    let before = blocks.len();
    blocks.retain(|block| {
        let thought = block.get("reasoningContent");
        let places = ["/reasoningText/signature", "/redactedContent"];
        let signature = thought.and_then(|thought| places.iter().find_map(|place| thought.pointer(place)));
        !signature.and_then(Value::as_str).is_some_and(is_marked)
    });
    let mut changed = blocks.len() < before;
    if changed && blocks.is_empty() {
        return None;
    }
    for block in blocks {
        for key in ["toolUse", "toolResult"] {
            if let Some(call) = block.get_mut(key).and_then(Value::as_object_mut) {
                changed |= unpack_at(call, "toolUseId", |id| tool_id::fit(id).into_owned()).is_some();
            }
        }
    }
    Some(changed)
}
