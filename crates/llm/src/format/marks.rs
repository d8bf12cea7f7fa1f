//! What formats have in common when the gateway's marks are taken out of a turn.

use serde_json::Value;

use crate::chat::JsonObject;
use crate::chat::signature::unpack;

/// Where a format has turns, and what it demands of them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Marks {
    /// The key of the list of turns, with its quotes.
    pub turns: &'static str,
    /// Where thinking has a budget, the assistant's turn in hand must begin with thinking.
    pub budget_needs_thinking: bool,
}

/// Unpacks the id under `key` and makes it fit; the signature that was in it.
pub(crate) fn unpack_at(object: &mut JsonObject, key: &str, fit: impl Fn(&str) -> String) -> Option<String> {
    let id = object.get_mut(key)?;
    let (own, signature) = unpack(id.as_str()?);
    if signature.is_some() {
        *id = Value::String(fit(&own));
    }
    signature
}
