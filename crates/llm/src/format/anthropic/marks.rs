//! Removes the gateway's marks from a turn that is returned to a provider of the same format.

use std::sync::LazyLock;

use memchr::memmem::Finder;
use serde_json::Value;

use crate::chat::JsonObject;
use crate::chat::mark::{is_marked, unmark};
use crate::chat::origin::Origin;
use crate::format::marks::{BlockKind, Marks, ThinkingBudget, has_budget, unpack_at};
use crate::json::raw::{is, member};
use crate::provider::Target;

pub(crate) const MARKS: Marks = Marks { turns: "\"messages\"", budget: Some(&BUDGET), holds_foreign };

fn holds_foreign(target: &Target<'_>, text: &[u8]) -> bool {
    static RESULT: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("tool_result"));
    has_budget(target, text, &RESULT)
}

const BUDGET: ThinkingBudget = ThinkingBudget {
    field: "\"thinking\"",
    without: |thinking| is(member(thinking, "type"), "enabled").then_some(None),
    kind: |block| match member(block, "type") {
        Some("\"thinking\"" | "\"redacted_thinking\"") => BlockKind::Thought,
        Some("\"tool_result\"") => BlockKind::ToolResult,
        _ => BlockKind::Other,
    },
};

/// Whether a message changed; `None` if nothing is left of it.
pub(crate) fn strip(message: &mut JsonObject, target: &Target<'_>) -> Option<bool> {
    let Some(blocks) = message.get_mut("content").and_then(Value::as_array_mut) else { return Some(false) };
    let origin = target.origin();
    let mut changed = false;
    blocks.retain_mut(|block| {
        let thought = thought(block, &origin);
        changed |= thought != Marked::Not;
        thought != Marked::Foreign
    });
    if changed && blocks.is_empty() {
        return None;
    }
    for block in blocks.iter_mut().filter_map(Value::as_object_mut) {
        changed |= strip_citations(block);
        let key = match block.get("type").and_then(Value::as_str) {
            Some("tool_use") => "id",
            Some("tool_result") => "tool_use_id",
            _ => continue,
        };
        changed |= unpack_at(block, key, |id| super::tool_id::fit(id).into_owned()).is_some();
    }
    Some(changed)
}

/// Removes the citations of other providers, which Anthropic can't decrypt. Returns whether there were some.
fn strip_citations(block: &mut JsonObject) -> bool {
    let Some(citations) = block.get_mut("citations").and_then(Value::as_array_mut) else { return false };
    let before = citations.len();
    citations.retain(|citation| {
        let encrypted = citation.get("encrypted_index").and_then(Value::as_str);
        !encrypted.is_some_and(is_marked)
    });
    let (after, changed) = (citations.len(), citations.len() < before);
    if changed && after == 0 {
        block.remove("citations");
    }
    changed
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Marked {
    Not,
    /// It was this server's, through another API, and has its own signature again.
    Restored,
    Foreign,
}

/// What a block is. Claude's signatures are valid at each provider that has Claude.
fn thought(block: &mut Value, origin: &Origin) -> Marked {
    let key = match block.get("type").and_then(Value::as_str) {
        Some("thinking") => "signature",
        Some("redacted_thinking") => "data",
        _ => return Marked::Not,
    };
    let Some(Value::String(signature)) = block.get_mut(key).filter(|value| value.as_str().is_some_and(is_marked))
    else {
        return Marked::Not;
    };
    let own = unmark(signature).filter(|thought| thought.origin.as_ref() == Some(origin));
    match own.and_then(|thought| if key == "data" { thought.redacted } else { thought.signature }) {
        Some(own) => {
            *signature = own;
            Marked::Restored
        }
        None => Marked::Foreign,
    }
}
