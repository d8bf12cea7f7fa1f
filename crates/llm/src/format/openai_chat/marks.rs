//! Removes the gateway's marks from a turn that is returned to a provider of the same format.

use serde_json::{Value, json};

use super::model::takes_signatures;
use super::tool_id;
use crate::chat::JsonObject;
use crate::format::marks::{Marks, unpack_at};
use crate::provider::Target;

pub(crate) const MARKS: Marks = Marks { turns: "\"messages\"", budget_needs_thinking: false };

/// Whether a message changed; `None` if nothing is left of it.
pub(crate) fn strip(message: &mut JsonObject, target: &Target<'_>) -> Option<bool> {
    let model = target.model;
    let fit = |id: &str| tool_id::fit(id, target).into_owned();
    let mut changed = unpack_at(message, "tool_call_id", fit).is_some();
    for call in message.get_mut("tool_calls").and_then(Value::as_array_mut).into_iter().flatten() {
        let Some(call) = call.as_object_mut() else { continue };
        // If the id is not packed, the gateway did not add the signature next to it.
        let Some(signature) = unpack_at(call, "id", fit) else { continue };
        changed = true;
        if takes_signatures(model) {
            // For clients that kept only the id.
            call.entry("extra_content").or_insert_with(|| json!({"google": {"thought_signature": signature}}));
        } else {
            drop_signature(call);
        }
    }
    Some(changed)
}

fn drop_signature(call: &mut JsonObject) {
    let Some(extra) = call.get_mut("extra_content").and_then(Value::as_object_mut) else { return };
    if let Some(google) = extra.get_mut("google").and_then(Value::as_object_mut) {
        google.shift_remove("thought_signature");
        if google.is_empty() {
            extra.shift_remove("google");
        }
    }
    if extra.is_empty() {
        call.shift_remove("extra_content");
    }
}
