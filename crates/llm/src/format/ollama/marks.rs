//! Removes the gateway's marks from a turn that is returned to a provider of the same format.

use serde_json::Value;

use crate::chat::JsonObject;
use crate::format::marks::{Marks, none, unpack_at};
use crate::provider::Target;

pub(crate) const MARKS: Marks = Marks { turns: "\"messages\"", budget: None, holds_foreign: none };

/// Whether a message changed.
///
/// Ollama does not sign its thoughts, so only the id of a call tells that they are another provider's.
pub(crate) fn strip(message: &mut JsonObject, target: &Target<'_>) -> Option<bool> {
    let mut changed = unpack_at(message, "tool_call_id", str::to_owned).is_some();
    let mut foreign = false;
    for call in message.get_mut("tool_calls").and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some(carried) = call.as_object_mut().and_then(|call| unpack_at(call, "id", str::to_owned)) {
            changed = true;
            foreign |= carried.origin.is_some_and(|origin| origin != target.origin());
        }
    }
    if foreign {
        message.shift_remove("thinking");
    }
    Some(changed)
}
