//! Shared code for removing the gateway's marks from a turn.

use serde_json::Value;

use crate::chat::JsonObject;
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
    /// Whether a thinking budget requires that the current assistant turn begins with thinking.
    pub budget_needs_thinking: bool,
    /// Whether text may hold thoughts of other servers of this format, which the target refuses.
    pub holds_foreign: fn(&Target<'_>, &[u8]) -> bool,
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
