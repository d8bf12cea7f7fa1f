//! Shared code for removing the gateway's marks from a turn.

use std::sync::LazyLock;

use memchr::memmem::Finder;
use serde_json::Value;

use crate::chat::JsonObject;
use crate::chat::origin::Origin;
use crate::chat::signature::{Carried, unpack_all};
use crate::provider::Target;

/// For formats whose servers all have the same form of thoughts.
pub(crate) fn none(_target: &Target<'_>, _text: &[u8]) -> bool {
    false
}

/// Where a format has turns, and its requirements for them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Marks {
    /// The key of the list of turns, including quotes.
    pub turns: &'static str,
    /// Where a request has a thinking budget, if that requires that the current assistant turn begins with thinking.
    pub budget: Option<&'static ThinkingBudget>,
    /// Whether text may hold what the target refuses after turns of other servers, without a mark.
    pub holds_foreign: fn(&Target<'_>, &[u8]) -> bool,
}

/// Whether text may be a request to Claude with a thinking budget, after a call of a tool. If another model made that
/// call, and told no thought, nothing is marked.
pub(crate) fn has_budget(target: &Target<'_>, text: &[u8], result: &Finder<'_>) -> bool {
    static BUDGET: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("budget_tokens"));
    target.origin() == Origin::CLAUDE && BUDGET.find(text).is_some() && result.find(text).is_some()
}

/// A thinking budget of Claude, in a format.
#[derive(Debug)]
pub(crate) struct ThinkingBudget {
    /// The key of the field that holds it, including quotes.
    pub field: &'static str,
    /// The field without the budget, or nothing if nothing is left of it. `None` if it holds no budget.
    pub without: fn(&str) -> Option<Option<String>>,
    /// What a block of a turn is.
    pub kind: fn(&str) -> BlockKind,
}

/// What a block of a turn is, as far as a thinking budget depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BlockKind {
    Thought,
    ToolResult,
    Other,
}

/// Unpacks the id under `key` and makes it valid; returns what it carried.
pub(crate) fn unpack_at(object: &mut JsonObject, key: &str, fit: impl Fn(&str) -> String) -> Option<Carried> {
    let id = object.get_mut(key)?;
    let (own, carried) = unpack_all(id.as_str()?);
    if carried.is_some() {
        *id = Value::String(fit(&own));
    }
    carried
}
