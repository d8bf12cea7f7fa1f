//! Removes the gateway's marks from input items that go to a server that has this API itself.

use crate::chat::JsonObject;
use crate::format::marks::{Marks, none, unpack_at};
use crate::provider::Target;

pub(crate) const MARKS: Marks = Marks { turns: "\"input\"", budget: None, holds_foreign: none };

/// Whether an item changed; `None` if nothing is left of it.
pub(crate) fn strip(item: &mut JsonObject, _target: &Target<'_>) -> Option<bool> {
    match item.get("type").and_then(serde_json::Value::as_str) {
        // A thought of another provider, which a server would look for in vain, or fail to decrypt.
        Some("reasoning") if super::reasoning::is_foreign(item) => None,
        Some("function_call" | "function_call_output" | "custom_tool_call" | "custom_tool_call_output") => {
            Some(unpack_at(item, "call_id", str::to_owned).is_some())
        }
        _ => Some(false),
    }
}
