//! Names and ids of tools: AWS accepts `[a-zA-Z0-9_-]{1,64}`.

use std::borrow::Cow;

use outrigger_core::hash::fnv1a;

use crate::format::anthropic::tool_id;

/// The most characters of a name and of an id.
const MOST: usize = 64;

/// The id in the form that AWS accepts, so that a call and its result still match and two calls still differ.
pub(super) fn fit(id: &str) -> Cow<'_, str> {
    let fitted = tool_id::fit(id);
    if fitted.len() <= MOST {
        return fitted;
    }
    // Only ASCII is left.
    let start = fitted.get(..MOST - 17).unwrap_or_default();
    Cow::Owned(format!("{start}_{:016x}", fnv1a(id.as_bytes())))
}

/// Whether a tool may have this name.
pub(super) fn is_name(name: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    (1..=MOST).contains(&name.len()) && name.bytes().all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_made_valid_and_stay_distinct() {
        assert_eq!(fit("tooluse_a-B1"), "tooluse_a-B1");
        assert_eq!(fit("call.1"), "call_2e1");
        let long = ["x".repeat(80) + "1", "x".repeat(80) + "2"];
        assert_ne!(fit(&long[0]), fit(&long[1]));
        for id in long.iter().map(String::as_str).chain(["", "é", "a b"]) {
            assert!(is_name(&fit(id)), "{id}: {}", fit(id));
        }
    }
}
