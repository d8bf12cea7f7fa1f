//! Shared code for removing the gateway's marks from a turn.

use serde_json::Value;

use crate::chat::JsonObject;
use crate::chat::signature::unpack;

/// Where a format has turns, and its requirements for them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Marks {
    /// The key of the list of turns, including quotes.
    pub turns: &'static str,
    /// Whether a thinking budget requires that the current assistant turn begins with thinking.
    pub budget_needs_thinking: bool,
}

/// Unpacks the id under `key` and makes it valid; returns the signature that it contained.
pub(crate) fn unpack_at(object: &mut JsonObject, key: &str, fit: impl Fn(&str) -> String) -> Option<String> {
    let id = object.get_mut(key)?;
    let (own, signature) = unpack(id.as_str()?);
    if signature.is_some() {
        *id = Value::String(fit(&own));
    }
    signature
}
