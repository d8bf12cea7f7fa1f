//! Removes the gateway's marks from a turn that is returned to a provider of the same format.

use serde_json::Value;

use crate::chat::JsonObject;
use crate::format::marks::{Marks, none, unpack_at};
use crate::provider::Target;

pub(crate) const MARKS: Marks = Marks { turns: "\"messages\"", budget_needs_thinking: false, holds_foreign: none };

/// Whether a message changed; `None` if nothing is left of it. Thoughts stay: Cohere does not sign its own.
pub(crate) fn strip(message: &mut JsonObject, _target: &Target<'_>) -> Option<bool> {
    let mut changed = unpack_at(message, "tool_call_id", str::to_owned).is_some();
    for call in message.get_mut("tool_calls").and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some(call) = call.as_object_mut() {
            changed |= unpack_at(call, "id", str::to_owned).is_some();
        }
    }
    Some(changed)
}
