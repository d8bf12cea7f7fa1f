//! Carries thought signatures inside the ids of tool calls.
//!
//! Gemini refuses a conversation whose tool calls are returned without their signatures, and clients of other dialects
//! keep only the id, name and arguments of a call. So the signature is packed into the id:
//! `{id}__ts_{base64url of the signature, unpadded}`, which uses only characters that Anthropic allows in ids. Code
//! that sends the id to another provider unpacks it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// The separator between the id and the signature.
pub const MARK: &str = "__ts_";

/// The id for a client: with the signature in it, if there is one.
#[must_use]
pub fn pack(id: &str, signature: Option<&str>) -> String {
    match signature {
        Some(signature) => format!("{id}{MARK}{}", URL_SAFE_NO_PAD.encode(signature)),
        None => id.to_owned(),
    }
}

/// The provider's own id, and the signature that [`pack`] added to it. An id that only looks packed is returned
/// unchanged.
#[must_use]
pub fn unpack(id: &str) -> (String, Option<String>) {
    let unpacked = id.rsplit_once(MARK).and_then(|(plain, packed)| {
        let bytes = URL_SAFE_NO_PAD.decode(packed).ok()?;
        let signature = String::from_utf8(bytes).ok().filter(|signature| !signature.is_empty())?;
        Some((plain.to_owned(), Some(signature)))
    });
    unpacked.unwrap_or_else(|| (id.to_owned(), None))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn packs_as_documented() {
        assert_eq!(pack("call_1", Some("abc")), "call_1__ts_YWJj");
        assert_eq!(pack("call_1", None), "call_1");
    }

    #[test]
    fn ids_that_are_not_packed_stay_unchanged() {
        for id in ["", "call_1", "a__ts_", "a__ts_!!", "a__ts_YQ==", "__ts"] {
            assert_eq!(unpack(id), (id.to_owned(), None), "{id}");
        }
    }

    proptest! {
        #[test]
        fn unpacks_packed_ids(id in "[a-zA-Z0-9_-]{0,20}", signature in "\\PC{1,60}") {
            let packed = pack(&id, Some(&signature));
            prop_assert_eq!(unpack(&packed), (id.clone(), Some(signature)));
            prop_assert!(packed[id.len()..].bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-'));
        }
    }
}
