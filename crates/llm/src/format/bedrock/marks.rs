//! Removes the gateway's marks from a turn that is returned to a provider of the same format.

use std::sync::LazyLock;

use memchr::memmem::Finder;
use serde_json::Value;

use super::tool_id;
use crate::chat::JsonObject;
use crate::chat::mark::{is_marked, unmark};
use crate::format::marks::{BlockKind, Marks, ThinkingBudget, has_budget, unpack_at};
use crate::json::raw::member;
use crate::provider::Target;

pub(crate) const MARKS: Marks = Marks { turns: "\"messages\"", budget: Some(&BUDGET), holds_foreign };

fn holds_foreign(target: &Target<'_>, text: &[u8]) -> bool {
    static RESULT: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("toolResult"));
    has_budget(target, text, &RESULT)
}

const BUDGET: ThinkingBudget = ThinkingBudget {
    field: "\"additionalModelRequestFields\"",
    without: without_budget,
    kind: |block| {
        let has = |key: &str| member(block, key).is_some_and(|value| value != "null");
        match (has("reasoningContent"), has("toolResult")) {
            (true, _) => BlockKind::Thought,
            (_, true) => BlockKind::ToolResult,
            _ => BlockKind::Other,
        }
    },
};

/// Claude's budget stands among the fields of the model, under either name.
fn without_budget(fields: &str) -> Option<Option<String>> {
    let mut fields: JsonObject = serde_json::from_str(fields).ok()?;
    let before = fields.len();
    for key in ["thinking", "reasoning_config"] {
        if fields.get(key).is_some_and(|budget| budget.get("type").and_then(Value::as_str) == Some("enabled")) {
            fields.shift_remove(key);
        }
    }
    (fields.len() < before).then(|| (!fields.is_empty()).then(|| Value::Object(fields).to_string()))
}

/// Whether a message changed; `None` if nothing is left of it.
pub(crate) fn strip(message: &mut JsonObject, target: &Target<'_>) -> Option<bool> {
    let Some(blocks) = message.get_mut("content").and_then(Value::as_array_mut) else { return Some(false) };
    let origin = target.origin();
    let mut changed = false;
    blocks.retain_mut(|block| {
        let Some(signature) = marked(block) else { return true };
        changed = true;
        // Claude's signatures are valid at each provider that has Claude.
        let own = unmark(signature).filter(|thought| thought.origin.as_ref() == Some(&origin));
        match own.and_then(|thought| thought.redacted.or(thought.signature)) {
            Some(own) => *signature = own,
            None => return false,
        }
        true
    });
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

/// The signature or the redacted data of a thought that the gateway marked.
fn marked(block: &mut Value) -> Option<&mut String> {
    let place = ["/reasoningContent/reasoningText/signature", "/reasoningContent/redactedContent"]
        .into_iter()
        .find(|place| block.pointer(place).and_then(Value::as_str).is_some_and(is_marked))?;
    match block.pointer_mut(place) {
        Some(Value::String(signature)) => Some(signature),
        _ => None,
    }
}
